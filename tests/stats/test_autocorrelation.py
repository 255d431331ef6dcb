import numpy as np
import pytest
from scipy.signal import lfilter

from gensample.stats.intervals import autocorrelation, integrated_time


def ar1(coefficient, chains, length, seed=0):
    """Stationary AR(1) chains of unit variance, x(t + 1) = a x(t) + noise: rho(k) = a^k."""
    generator = np.random.default_rng(seed)
    noise = generator.normal(size=(chains, length)) * np.sqrt(1 - coefficient**2)
    noise[:, 0] = generator.normal(size=chains)
    return lfilter([1.0], [1.0, -coefficient], noise, axis=1)


def test_autocorrelation_is_the_sum_over_origins():
    x = np.random.default_rng(1).normal(size=(3, 40))
    d = x - x.mean()
    expected = [(d[:, : 40 - k] * d[:, k:]).sum() / (3 * (40 - k)) for k in range(40)]
    assert autocorrelation(x) == pytest.approx(np.array(expected) / d.var(), abs=1e-12)


@pytest.mark.parametrize("coefficient", [0.0, 0.5, 0.9, 0.98])
def test_time_of_an_autoregressive_process(coefficient):
    # tau = 1/2 + sum of a^k = (1 + a) / (2 (1 - a)); the window cuts exp(-window) of it.
    exact = (1 + coefficient) / (2 * (1 - coefficient))
    found = integrated_time(ar1(coefficient, 8, 50_000), window=6.0)
    assert found.time == pytest.approx(exact, rel=0.1)
    assert abs(found.time - exact) < 4 * found.error + 0.01 * exact
    assert found.window >= 6.0 * found.time > found.window - 7


def test_error_is_the_scatter_of_repeated_estimates():
    found = [integrated_time(ar1(0.9, 4, 4000, seed)) for seed in range(60)]
    scatter = np.std([one.time for one in found])
    assert np.mean([one.error for one in found]) == pytest.approx(scatter, rel=0.35)


def test_chains_pooled_are_worth_a_long_one():
    assert integrated_time(ar1(0.9, 400, 500)).time == pytest.approx(9.5, rel=0.1)


def test_a_wide_window_sees_a_slow_part_that_a_narrow_one_misses():
    x = 0.95**0.5 * ar1(0.2, 8, 100_000) + 0.05**0.5 * ar1(0.995, 8, 100_000, seed=1)
    # 0.95 * 0.75 + 0.05 * 199.5
    assert integrated_time(x, window=5.0).time < 3
    assert integrated_time(x, window=60.0).time == pytest.approx(10.7, rel=0.15)


def test_chains_that_are_too_short_or_apart_have_no_time():
    assert np.isnan(integrated_time(ar1(0.99, 2, 100)).time)
    apart = ar1(0.5, 2, 1000) + np.array([[-5.0], [5.0]])
    assert np.isnan(integrated_time(apart).time)
    assert np.isnan(integrated_time(np.ones((2, 100))).time)
