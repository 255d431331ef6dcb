import itertools

import numpy as np
import pytest
import whole_structure
from gaussian_ensembles import lattice

from gensample.errors import ConfigError
from gensample.stats import pairs, structure


def chunk_of(x, box, reach=2.0):
    (chunk,) = pairs.pair_chunks(x, np.broadcast_to(box, (len(x), x.shape[-1])), reach)
    return chunk


def test_a_square_lattice_of_two_species_like_a_chessboard():
    """Four neighbours of the other species, none of the same; angles of 90 (four) and 180 degrees (two)."""
    x, box = lattice(6, 2)
    kinds = (x.sum(axis=1) % 2).astype(int)
    found = structure.Shells(chunk_of(x[None], box), kinds, np.ones((2, 2)))
    table = found.coordination()[0]
    assert table.shape == (4, structure.MOST_NEIGHBORS + 1)
    np.testing.assert_allclose(table[[0, 3], 0], 1)
    np.testing.assert_allclose(table[[1, 2], 4], 1)
    angles = found.angles()[0]
    np.testing.assert_array_equal(angles[:, 17:19].sum(axis=1), 4 * 18)
    np.testing.assert_array_equal(angles[:, -1], 2 * 18)
    assert angles.sum() == 6 * 36


@pytest.mark.parametrize("dimension", [2, 3])
def test_agrees_with_loops(dimension):
    rng = np.random.default_rng(1)
    count, n, box = 3, 25, np.full(dimension, 4.2)
    x = rng.uniform(0, 4.2, (count, n, dimension))
    kinds = rng.integers(0, 2, n)
    sigma = np.array([[1.0, 0.8], [0.8, 0.88]])
    found = structure.Shells(chunk_of(x, box), kinds, sigma)
    coordination, angles = found.coordination(), found.angles()
    for c in range(count):
        gap = x[c][None] - x[c][:, None]
        gap -= box * np.round(gap / box)
        near = np.linalg.norm(gap, axis=-1) < 1.4 * sigma[kinds][:, kinds]
        np.fill_diagonal(near, False)
        for row, (a, b) in enumerate(itertools.product(range(2), repeat=2)):
            counts = near[kinds == a][:, kinds == b].sum(axis=1)
            expected = np.bincount(counts, minlength=structure.MOST_NEIGHBORS + 1) / (kinds == a).sum()
            np.testing.assert_allclose(coordination[c, row], expected)
        expected = np.zeros((2, structure.ANGLE_BINS))
        for i in range(n):
            unit = [gap[i, j] / np.linalg.norm(gap[i, j]) for j in np.flatnonzero(near[i])]
            for u, v in itertools.combinations(unit, 2):
                angle = np.degrees(np.arccos(np.clip(u @ v, -1, 1)))
                expected[
                    kinds[i], min(int(angle / 180 * structure.ANGLE_BINS), structure.ANGLE_BINS - 1)
                ] += 1
        np.testing.assert_allclose(angles[c], expected)


def test_no_neighbours_and_crowds():
    box = np.full(2, 10.0)
    alone = np.array([[[1.0, 1.0], [5.0, 5.0]]])
    found = structure.Shells(chunk_of(alone, box), np.zeros(2, int), np.ones((1, 1)))
    assert found.coordination()[0, 0, 0] == 1
    assert found.angles().sum() == 0
    crowd = np.random.default_rng(0).uniform(0, 0.1, (1, 40, 2))
    found = structure.Shells(chunk_of(crowd, box), np.zeros(40, int), np.ones((1, 1)))
    assert found.coordination()[0, 0, -1] == 1
    assert found.angles().sum() == 40 * 39 * 38 / 2


def test_pieces_give_the_same_pairs(monkeypatch):
    rng = np.random.default_rng(2)
    x, box = rng.uniform(0, 5, (7, 20, 2)), np.full((7, 2), 5.0)
    edges, kinds = np.linspace(0, 2.5, 6), np.arange(20) % 2
    whole = whole_structure.pair_distribution(x, box, kinds, edges)
    least = whole_structure.closest_pairs(x, box, kinds)
    monkeypatch.setattr(pairs, "PAIRS_AT_ONCE", 700)
    assert len(list(pairs.pair_chunks(x, box, 2.5))) > 2
    for pair, g in whole_structure.pair_distribution(x, box, kinds, edges).items():
        np.testing.assert_allclose(g, whole[pair])
        np.testing.assert_allclose(whole_structure.closest_pairs(x, box, kinds)[pair], least[pair])


def test_reach_beyond_half_the_box_is_refused():
    x, box = lattice(4, 2)
    with pytest.raises(ConfigError, match="half"):
        chunk_of(x[None], box, 3.0)
