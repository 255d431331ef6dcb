import numpy as np
import pytest
from gaussian_ensembles import jittered

from gensample.stats import pairs as corr
from gensample.stats.pairs import Pairs, close_pairs

EDGES = np.array([0.5, 1.2, 1.8, 2.4])
DIMENSIONS = pytest.mark.parametrize("dimension", [2, 3])


def scene(dimension: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    x, box = jittered(6, dimension, rng)
    return rng, x, close_pairs(x, box, 2.4)


@DIMENSIONS
def test_against_a_double_loop_over_pairs(dimension):
    rng, x, pairs = scene(dimension)
    u = rng.normal(size=(3, len(x), dimension))
    found = corr.correlation_sums(u, pairs, EDGES)
    length = np.linalg.norm(u, axis=-1)
    rest = length - length.mean(axis=0)
    expected = np.zeros((4, 3))
    for i, j, r, e in zip(*pairs, strict=True):
        k = np.searchsorted(EDGES, r, side="right") - 1
        if not 0 <= k < 3:
            continue
        along = ((u[:, i] @ e) * (u[:, j] @ e)).mean()
        total = (u[:, i] * u[:, j]).sum(axis=-1).mean()
        expected[:, k] += [1, along, (total - along) / (dimension - 1), (rest[:, i] * rest[:, j]).sum() / 2]
    np.testing.assert_allclose(np.stack(found), expected, atol=1e-9)


@DIMENSIONS
def test_particles_that_move_as_one_correlate_fully(dimension):
    """The field is one vector: C_L and C_T are MSD/d and mobility is iso, so all normalised curves are 1."""
    rng, x, pairs = scene(dimension)
    u = np.repeat(rng.normal(size=(500, 1, dimension)), len(x), axis=1)
    sums = corr.correlation_sums(u[:, :, :], pairs, EDGES)
    length = np.linalg.norm(u, axis=-1)
    found = corr.normalise(sums, (length**2).mean(), length.var(axis=0, ddof=1).mean(), dimension)
    np.testing.assert_allclose(found.longitudinal, 1, atol=0.15)
    np.testing.assert_allclose(found.transverse, 1, atol=0.15)
    np.testing.assert_allclose(found.mobility, 1, atol=1e-9)


def test_independent_particles_do_not_correlate():
    rng, x, pairs = scene(3)
    u = rng.normal(size=(60, len(x), 3))
    found = corr.normalise(corr.correlation_sums(u, pairs, EDGES), 3.0, 1.0, 3)
    for curve in found:
        np.testing.assert_allclose(curve, 0, atol=0.02)


def test_mobility_is_unbiased_with_two_replicas():
    """Particles that move as one: dividing by R instead of R - 1 would halve the correlation."""
    _, x, pairs = scene(2)
    values = []
    for seed in range(200):
        u = np.repeat(np.random.default_rng(seed).normal(size=(2, 1, 2)), len(x), axis=1)
        sums = corr.correlation_sums(u, pairs, EDGES)
        values.append(sums.mobility.sum() / sums.pairs.sum())
    variance = 2 - np.pi / 2
    assert np.mean(values) == pytest.approx(variance, rel=0.2)


def test_a_breathing_pair_moves_against_itself_along_r():
    """u = s x about the mid-point of one pair: C_L = -s^2 r^2 / 4 and C_T = 0."""
    pair = Pairs(np.array([0]), np.array([1]), np.array([1.0]), np.array([[0.6, 0.8]]))
    x = np.array([[-0.3, -0.4], [0.3, 0.4]])
    u = np.array([1.0, -2.0, 0.5])[:, None, None] * x
    found = corr.correlation_sums(u, pair, EDGES)
    assert found.longitudinal[0] == pytest.approx(-(1 + 4 + 0.25) / 3 / 4)
    assert found.transverse[0] == pytest.approx(0, abs=1e-15)


def test_empty_bins_are_nan():
    rng, x, pairs = scene(2)
    u = rng.normal(size=(3, len(x), 2))
    edges = np.array([0.01, 0.02, 2.4])
    found = corr.normalise(corr.correlation_sums(u, pairs, edges), 2.0, 1.0, 2)
    assert np.isnan(found.longitudinal[0])
    assert np.isfinite(found.longitudinal[1])
