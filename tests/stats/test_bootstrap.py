import numpy as np
import pytest

from gensample.seeding import numpy_generator
from gensample.stats import intervals as b


def test_weights_are_resamples_of_configurations():
    weights = b.resample_weights(7, 500, numpy_generator(0))
    assert weights.shape == (500, 7)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights * 7, np.round(weights * 7), atol=1e-12)
    # The number of times one configuration is drawn: binomial, variance (1 - 1/7).
    assert (weights * 7).var(axis=0).mean() == pytest.approx(6 / 7, rel=0.1)


def test_interval_of_a_mean_is_that_of_the_standard_error():
    x = np.random.default_rng(1).normal(size=200)
    low, high = b.percentile_interval(b.resample_weights(200, 4000, numpy_generator(1)) @ x)
    error = x.std() / np.sqrt(200)
    assert float(high - low) == pytest.approx(2 * 1.96 * error, rel=0.05)
    assert float(high + low) / 2 == pytest.approx(x.mean(), abs=0.1 * error)


def test_coverage_is_near_what_is_promised():
    covered = 0
    for seed in range(300):
        x = np.random.default_rng(seed).normal(size=30)
        low, high = b.percentile_interval(b.resample_weights(30, 400, numpy_generator(seed)) @ x)
        covered += low < 0 < high
    assert covered / 300 == pytest.approx(0.94, abs=0.035)


def test_undefined_samples_are_left_out():
    values = np.array([[1.0, np.nan], [2.0, np.nan], [np.nan, np.nan], [3.0, np.nan]])
    low, high = b.percentile_interval(values)
    assert low[0] == pytest.approx(1.05)
    assert high[0] == pytest.approx(2.95)
    assert np.isnan(low[1])
    assert np.isnan(high[1])
