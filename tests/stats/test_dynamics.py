import chi4
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gensample.errors import ConfigError
from gensample.stats import dynamics as dyn

DIMENSIONS = pytest.mark.parametrize("dimension", [2, 3])


def gaussian(dimension: int, scale: float = 0.4, size: int = 100_000) -> np.ndarray:
    return scale * np.random.default_rng(1).normal(size=(4, size // 4, dimension))


@DIMENSIONS
def test_a_gaussian_has_no_alpha2(dimension):
    u = gaussian(dimension)
    assert dyn.msd(u) == pytest.approx(dimension * 0.16, rel=0.01)
    assert dyn.alpha2(u) == pytest.approx(0.0, abs=0.02)


@DIMENSIONS
def test_alpha2_of_two_kinds_of_particles(dimension):
    """Half the particles with twice the scale: <u^4> / <u^2>^2 grows by (1 + 16) / 2 / ((1 + 4) / 2)^2."""
    u = gaussian(dimension) * np.where(np.arange(25_000) % 2, 1.0, 2.0)[None, :, None]
    assert dyn.alpha2(u) == pytest.approx(8.5 / 6.25 - 1, abs=0.03)


@DIMENSIONS
def test_van_hove_is_the_gaussian_density_and_integrates_to_one(dimension):
    edges = np.linspace(0, 4, 101)
    g = dyn.van_hove(gaussian(dimension), edges)
    assert (g * dyn.shell_volumes(edges, dimension)).sum() == pytest.approx(1.0)
    r = (edges[1:] + edges[:-1]) / 2
    expected = np.exp(-(r**2) / 2 / 0.16) / (2 * np.pi * 0.16) ** (dimension / 2)
    np.testing.assert_allclose(g[5:15], expected[5:15], rtol=0.1)


def test_what_lies_beyond_the_last_edge_stays_in_the_norm():
    u = np.array([[[0.5, 0.0], [9.0, 0.0]]])
    assert (dyn.van_hove(u, [0.0, 1.0]) * np.pi).sum() == pytest.approx(0.5)


def test_log_displacement_is_a_density_of_the_logarithm():
    u = np.array([[[0.1, 0.0], [1.0, 0.0], [0.0, 10.0], [0.0, 0.0]]])
    edges = np.array([-1.5, -0.5, 0.5, 1.5])
    np.testing.assert_allclose(dyn.log_displacement(u, edges), 0.25)


@DIMENSIONS
def test_self_scattering_of_a_gaussian(dimension):
    """exp(-q^2 s^2 / 2), whatever the dimension."""
    u = gaussian(dimension)
    q = np.array([3.0, 5.0])
    np.testing.assert_allclose(dyn.self_scattering(u, q), np.exp(-(q**2) * 0.16 / 2), atol=0.004)
    assert dyn.self_scattering(u, 3.0).shape == ()


def test_overlap_counts_short_displacements():
    u = np.zeros((2, 4, 3))
    u[0, :3, 0] = 1.0
    u[1, 0, 0] = 0.299
    np.testing.assert_allclose(dyn.overlap(u), [0.25, 1.0])
    with pytest.raises(ConfigError, match=r"0\.3 is usual"):
        dyn.overlap(u, 0.0)


def test_chi4_of_independent_particles_is_the_binomial_variance():
    """N Var = <p (1 - p)> over the particles' own probabilities, however they differ."""
    rng = np.random.default_rng(2)
    probability = rng.uniform(size=100)
    stays = rng.uniform(size=(40_000, 100)) < probability
    expected = (probability * (1 - probability)).mean()
    assert chi4.within(stays.mean(axis=1), 100) == pytest.approx(expected, rel=0.03)


def test_chi4_of_particles_that_move_together():
    """All or none with probability 1/2: N / 4."""
    together = (np.random.default_rng(3).uniform(size=20_000) < 0.5).astype(float)
    assert chi4.within(together, 500) == pytest.approx(125, rel=0.01)


def test_chi4_between_removes_the_noise_of_few_replicas():
    """Var of the true means is 0.01; five replicas of variance 0.04 would add 0.008 to it."""
    rng = np.random.default_rng(4)
    values = []
    for _ in range(300):
        means = 0.5 + 0.1 * rng.normal(size=10)
        values.append(chi4.between([m + 0.2 * rng.normal(size=5) for m in means], 100))
    assert np.mean(values) == pytest.approx(1.0, abs=0.1)


def test_the_two_parts_of_chi4_add_up():
    """Law of total variance: with many configurations, N Var of all overlaps = within + between."""
    rng = np.random.default_rng(5)
    q = [0.5 + 0.1 * rng.normal() + 0.2 * rng.normal(size=8) for _ in range(4000)]
    within = np.mean([chi4.within(x, 100) for x in q])
    total = 100 * np.var(np.concatenate(q))
    assert within + chi4.between(q, 100) == pytest.approx(total, rel=0.01)


def test_one_configuration_has_no_chi4_between():
    assert np.isnan(chi4.between([np.array([0.1, 0.2])], 10))


@given(st.integers(0, 1000), st.integers(2, 3))
def test_rotations_and_reflections_change_nothing(seed, dimension):
    rng = np.random.default_rng(seed)
    u = rng.normal(size=(3, 8, dimension))
    turn, _ = np.linalg.qr(rng.normal(size=(dimension, dimension)))
    for value in (dyn.msd, dyn.alpha2, lambda v: dyn.self_scattering(v, 2.0)):
        assert value(u @ turn) == pytest.approx(value(u), abs=1e-12)
