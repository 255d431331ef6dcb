import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, wasserstein_distance

from gensample.errors import DataError
from gensample.stats import scores


def test_crps_of_a_gaussian_forecast():
    """Gneiting and Raftery (2007), sec. 4.2: y (2 Phi(y) - 1) + 2 phi(y) - 1 / sqrt(pi) for N(0, 1)."""
    observed = np.array([[0.0, 0.7, -2.0]])
    quantiles = norm.ppf((np.arange(2000) + 0.5) / 2000)
    draws = np.tile(quantiles[:, None], (1, 3))
    y = observed[0]
    expected = y * (2 * norm.cdf(y) - 1) + 2 * norm.pdf(y) - 1 / np.sqrt(np.pi)
    np.testing.assert_allclose(scores.crps(observed, draws), expected, atol=1e-3)


@pytest.mark.parametrize("draws", [2, 3, 50])
def test_the_fair_score_does_not_depend_on_the_number_of_draws(draws):
    """A perfect ensemble scores 1 / sqrt(pi) for a unit Gaussian at any size; the biased form adds to it."""
    rng = np.random.default_rng(1)
    observed, made = rng.normal(size=(4, 20_000)), rng.normal(size=(draws, 20_000))
    assert scores.crps(observed, made).mean() == pytest.approx(1 / np.sqrt(np.pi), abs=0.01)


def test_agrees_with_scoringrules():
    sr = pytest.importorskip("scoringrules")
    rng = np.random.default_rng(2)
    observed, made = rng.normal(size=(1, 7)), rng.normal(size=(5, 7))
    expected = sr.crps_ensemble(observed[0], made.T, estimator="fair")
    np.testing.assert_allclose(scores.crps(observed, made), expected, atol=1e-12)


def test_energy_score_by_the_double_sum():
    rng = np.random.default_rng(3)
    y, x = rng.normal(size=(4, 3, 2)), rng.normal(size=(5, 3, 2))
    cross = np.linalg.norm(x[:, None] - y[None], axis=-1).mean(axis=(0, 1))
    within = np.linalg.norm(x[:, None] - x[None], axis=-1).sum(axis=(0, 1)) / (5 * 4)
    np.testing.assert_allclose(scores.energy_score(y, x), cross - within / 2, atol=1e-12)


def test_short_displacements_keep_their_digits():
    """More than 25 replicas: the squared expansion of a pairwise distance would fail here."""
    rng = np.random.default_rng(4)
    x = 5.0 + 1e-7 * rng.normal(size=(40, 3, 3))
    direct = np.linalg.norm(x[:, None] - x[None], axis=-1).sum(axis=(0, 1)) / (40 * 39)
    np.testing.assert_allclose(scores.self_distance(x), direct, rtol=1e-6)


def test_the_energy_score_in_one_dimension_is_the_crps():
    rng = np.random.default_rng(5)
    y, x = rng.normal(size=(4, 6)), rng.normal(size=(3, 6))
    np.testing.assert_allclose(scores.crps(y, x), scores.energy_score(y[..., None], x[..., None]), atol=1e-14)


def test_best_score_is_what_independent_halves_reach():
    rng = np.random.default_rng(6)
    y = rng.normal(size=(8, 40_000)) * np.linspace(0.5, 2, 40_000)
    halves = scores.crps(y[:4], y[4:]).mean()
    assert scores.best_score(y).mean() == pytest.approx(halves, rel=0.01)


def test_permuted_replicas_score_like_a_perfect_sampler():
    """Without leaving each observation out of its own forecast they would score better than perfect."""
    rng = np.random.default_rng(7)
    y = rng.normal(size=(6, 50))
    shuffled = rng.permuted(y, axis=0)
    np.testing.assert_allclose(scores.crps(y, shuffled, shared=True), scores.best_score(y))
    assert scores.crps(y, shuffled).mean() < scores.best_score(y).mean()


@pytest.mark.parametrize("shape", [(5, 400), (5, 400, 3)])
def test_climatology_is_the_score_of_the_pool(shape):
    rng = np.random.default_rng(8)
    y = rng.normal(size=shape)
    pool = y.reshape(2000, -1)
    distance = np.linalg.norm(pool[:, None] - pool[None], axis=-1).sum() / (2000 * 1999)
    value = scores.climatology_score(y, np.random.default_rng(9), pairings=200)
    assert value == pytest.approx(distance / 2, rel=1e-9 if len(shape) == 2 else 0.005)


def test_skill_of_the_reference_is_zero():
    assert scores.skill(0.3, 0.3) == 0
    assert np.isnan(scores.skill(0.3, 0.0))


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 40))
def test_wasserstein_agrees_with_scipy(seed, m, n):
    rng = np.random.default_rng(seed)
    a, b = rng.gamma(2.0, 0.2, m), rng.gamma(3.0, 0.3, n)
    grid = scores.LENGTH_GRID
    found = scores.wasserstein_from_gap(scores.cdf_on(a, grid) - scores.cdf_on(b, grid), grid)
    # The grid's cells are 1.2 % wide, and a sample has a step in each.
    assert float(found) == pytest.approx(wasserstein_distance(a, b), abs=0.012 * max(a.max(), b.max()))


def test_wasserstein_of_a_shift_is_the_shift():
    rng = np.random.default_rng(10)
    a = rng.gamma(4.0, 0.1, 50_000)
    grid = scores.LENGTH_GRID
    found = scores.wasserstein_from_gap(scores.cdf_on(a, grid) - scores.cdf_on(a + 0.02, grid), grid)
    assert float(found) == pytest.approx(0.02, rel=0.01)


def test_disagreeing_ensembles_and_single_draws_are_refused():
    with pytest.raises(DataError, match="agree in particles"):
        scores.crps(np.ones((3, 4)), np.ones((3, 5)))
    with pytest.raises(DataError, match="at least 2 replicas"):
        scores.crps(np.ones((3, 4)), np.ones((1, 4)))
    with pytest.raises(DataError, match="use energy_score"):
        scores.crps(np.ones((3, 4, 2)), np.ones((3, 4, 2)))
