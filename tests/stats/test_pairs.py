import numpy as np
import pytest
from gaussian_ensembles import jittered, lattice

from gensample.errors import ConfigError, DataError
from gensample.stats import pairs as p


def brute_force(x: np.ndarray, box: np.ndarray) -> np.ndarray:
    dx = x[None] - x[:, None]
    return dx - box * np.round(dx / box)


@pytest.mark.parametrize("dimension", [2, 3])
def test_close_pairs_against_all_pairs(dimension):
    x, box = jittered(5, dimension, np.random.default_rng(0))
    found = p.close_pairs(x, box, 2.2)
    dx = brute_force(x, box)
    r = np.linalg.norm(dx, axis=-1)
    i, j = np.nonzero(np.triu(r < 2.2, k=1))
    assert set(zip(found.i.tolist(), found.j.tolist(), strict=True)) == set(
        zip(i.tolist(), j.tolist(), strict=True)
    )
    np.testing.assert_allclose(found.distance, r[found.i, found.j])
    np.testing.assert_allclose(found.direction * found.distance[:, None], dx[found.i, found.j], atol=1e-12)


def test_neighbours_follow_the_diameters_of_the_pair():
    """On a line of spacing 1: A-A reach 1.2, A-B 0.9, B-B 0.6."""
    x, box = lattice(6, 2)
    species = np.zeros(36, int)
    species[7] = 1
    found = p.initial_neighbors(x, box, species, [[1.0, 0.75], [0.75, 0.5]], 1.2)
    count = np.diff(found.start)
    assert count[7] == 0
    assert count[[1, 6, 8, 13]].tolist() == [3, 3, 3, 3]
    assert count[20] == 4
    assert np.array_equal(found.center, np.repeat(np.arange(36), count))


def test_sums_run_over_the_neighbours_of_each_particle():
    x, box = jittered(5, 2, np.random.default_rng(1))
    found = p.initial_neighbors(x, box, np.zeros(25, int), [[1.0]], 1.3)
    values = np.random.default_rng(2).normal(size=(3, len(found.center)))
    expected = np.stack([np.bincount(found.center, v, 25) for v in values])
    np.testing.assert_allclose(p.sum_by_center(values, found), expected, atol=1e-12)


def test_small_boxes_shorten_the_reach_and_points_that_coincide_are_refused():
    assert p.largest_cutoff([6.0, 9.0], 4.0) == 3.0
    assert p.largest_cutoff([9.0, 9.0], 4.0) == 4.0
    with pytest.raises(DataError, match="one point"):
        p.close_pairs(np.ones((2, 2)), np.full(2, 5.0), 1.0)
    with pytest.raises(ConfigError, match="must cover 2 species"):
        p.initial_neighbors(np.zeros((2, 2)), np.full(2, 5.0), np.array([0, 1]), [[1.0]], 1.0)
