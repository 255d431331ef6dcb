import numpy as np
import pytest
import torch
import whole_structure

from gensample.errors import ConfigError
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import energy
from gensample.stats.futures import BIN, OVERLAPPING, distance_edges, futures
from gensample.stats.pairs import close_pairs, cluster_sizes


@pytest.fixture(params=["ka2d", "ka3d-fs"])
def system(request):
    mixture = get_mixture(request.param)
    rng = np.random.default_rng(1)
    side = 8 if mixture.dimension == 2 else 6
    axes = np.meshgrid(*[np.arange(side) * 0.95] * mixture.dimension, indexing="ij")
    x = np.stack(axes, -1).reshape(-1, mixture.dimension)
    fields = x + 0.04 * rng.normal(size=(5, *x.shape))
    return mixture, fields, rng.permutation(np.arange(len(x)) % 2), np.full(mixture.dimension, side * 0.95)


def test_energies_are_those_of_the_potential(system):
    mixture, x, species, box = system
    found = futures(x, species, box, mixture)
    expected = energy(torch.from_numpy(x), torch.from_numpy(species), torch.from_numpy(box), mixture)
    np.testing.assert_allclose(found.energy, expected.mean(1).numpy(), rtol=1e-12)


def test_pairs_agree_with_brute_force(system):
    mixture, x, species, box = system
    x[1, 3] = x[1, 17] + 0.3
    found = futures(x, species, box, mixture)
    sigma = np.array(mixture.sigma)[species][:, species]
    gap = x[:, None] - x[:, :, None]
    ratio = np.sqrt(((gap - box * np.round(gap / box)) ** 2).sum(-1)) / sigma
    ratio[:, *np.diag_indices(len(species))] = np.inf
    np.testing.assert_allclose(found.closest, ratio.min((1, 2)))
    np.testing.assert_allclose(found.overlaps, (ratio < OVERLAPPING).sum((1, 2)) / 2 / len(species), 1e-12)
    assert (found.overlaps > 0)[1]


def test_pair_distribution_is_that_of_configurations(system):
    mixture, x, species, box = system
    found, grid = futures(x, species, box, mixture), distance_edges(mixture)
    assert grid[-1] == pytest.approx(mixture.cutoff)
    assert np.diff(grid) == pytest.approx(BIN)
    expected = whole_structure.pair_distribution(x, box, species, grid)
    np.testing.assert_allclose(found.like, [expected[0, 0], expected[1, 1]])
    np.testing.assert_allclose(found.unlike, [expected[0, 1]] * 2)


def test_coincident_particles_have_a_finite_energy_and_no_distance(system):
    mixture, x, species, box = system
    x[2, 0] = x[2, 1]
    found = futures(x, species, box, mixture)
    assert np.isfinite(found.energy).all()
    assert found.energy[2] > 1e20
    assert found.closest[2] == 0


def test_pieces_change_nothing(system, monkeypatch):
    mixture, x, species, box = system
    whole = futures(x, species, box, mixture)
    monkeypatch.setattr("gensample.stats.futures.PAIRS_AT_ONCE", 1)
    for a, b in zip(whole, futures(x, species, box, mixture), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_a_small_box_is_refused(system):
    mixture, x, species, box = system
    with pytest.raises(ConfigError):
        futures(x, species, box / 2, mixture)


def test_clusters_of_a_chain():
    """Particles on a line, neighbours 1 apart: runs of chosen ones are the clusters."""
    x = np.stack([np.arange(12.0), np.zeros(12)], axis=1)
    near = close_pairs(x, np.array([12.0, 12.0]), 1.5)
    chosen = np.zeros((2, 12), dtype=bool)
    chosen[0, [0, 1, 3, 11]] = True  # 11, 0 and 1 across the boundary; 3 alone
    chosen[1, 5:9] = True
    assert sorted(cluster_sizes(chosen, near)) == [1, 3, 4]
    assert len(cluster_sizes(np.zeros((2, 12), dtype=bool), near)) == 0
