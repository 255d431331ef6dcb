import numpy as np
import pytest
from scipy import stats

from gensample.seeding import numpy_generator
from gensample.stats import intervals as i
from gensample.stats.dynamics import chi4_spread
from gensample.stats.intervals import resample_weights

COUNT = 12
WITHIN, BETWEEN = 4.4, 2.6


def test_the_standard_error_of_a_mean_is_the_exact_one():
    x = np.random.default_rng(0).normal(size=10)
    error = i.standard_error(resample_weights(10, 20_000, numpy_generator(0)) @ x, 10)
    assert float(error) == pytest.approx(x.std(ddof=1) / np.sqrt(10), rel=0.02)


def test_undefined_resamples_are_left_out():
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, 5.0]])
    error = i.standard_error(values, 2)
    assert error[0] == pytest.approx(np.sqrt(2))
    assert np.isnan(error[1])


def test_student_intervals_hold_the_value_and_stay_positive():
    low, high = i.student(2.0, 0.5, 5)
    assert (low, high) == pytest.approx(stats.t(4, 2.0, 0.5).interval(0.95))
    low, high = i.student(np.array([2.0, 0.0]), np.array([5.0, 0.0]), 5, positive=True)
    assert 0 < low[0] < 2 < high[0]
    assert low[0] * high[0] == pytest.approx(4)
    assert low[1] == high[1] == 0


def test_chi_square_intervals_are_exact_for_gaussian_numbers():
    low, high = i.chi_square(3.0, 0.0, 11)
    assert (low, high) == pytest.approx(
        (3 * 11 / stats.chi2(11).ppf(0.975), 3 * 11 / stats.chi2(11).ppf(0.025))
    )
    wide = i.chi_square(3.0, 3.0, 11)
    assert wide[0] < low < 3 < high < wide[1]
    assert i.chi_square(0.0, 0.0, 11) == (0, 0)


def test_the_difference_of_gaussian_numbers_adds_squares_and_knows_correlation():
    first, second = (5.0, 2.0, 8.0), (1.0, -3.0, 5.0)
    assert i.difference(first, second) == pytest.approx((-1, 9))
    assert i.difference(first, second, 0.5, 1.0) == pytest.approx((3.5, 5.5))
    assert i.difference(first, second, 1.0, -1.0) == pytest.approx((-3, 11))


def test_correlation_is_that_of_numpy_and_0_of_constants():
    x = np.random.default_rng(1).normal(size=(50, 2, 3))
    found = i.correlation(x[:, 0], x[:, 1])
    assert found[2] == pytest.approx(np.corrcoef(x[:, 0, 2], x[:, 1, 2])[0, 1])
    assert i.correlation(x[:, 0, 0], np.ones(50)) == 0


def overlaps(replicas, generator):
    """sqrt(N) Q (C, R): configurations differ in their mean, and in how far replicas scatter about it."""
    mean = np.sqrt(BETWEEN) * generator.normal(size=(COUNT, 1))
    width = np.sqrt(WITHIN) * np.exp(0.22 * generator.normal(size=(COUNT, 1)) - 0.22**2)
    return mean + width * generator.normal(size=(COUNT, replicas))


def chi4(q, generator, samples=200):
    """The two intervals of `gensample compare`."""
    count, replicas = q.shape
    mean, within = q.mean(axis=1), q.var(axis=1, ddof=1)

    def parts(weights):
        spread = chi4_spread(weights @ mean, weights @ mean**2, count, 1)
        return {
            "chi4_iso": weights @ within,
            "chi4_spread": spread,
            "chi4_noise": weights @ within / replicas,
        }

    values = parts(np.full(count, 1 / count))
    resampled = parts(resample_weights(count, samples, generator))
    known = {name: (values[name], i.standard_error(resampled[name], count)) for name in values}
    return i.chi4_bounds(*known.values(), np.full(count, replicas))


def coverage(replicas, repetitions):
    hits = np.zeros(2)
    for seed in range(repetitions):
        generator = numpy_generator(replicas, seed)
        pairs = zip(chi4(overlaps(replicas, generator), generator), (WITHIN, BETWEEN), strict=True)
        hits += [low <= truth <= high for (low, high), truth in pairs]
    return hits / repetitions


@pytest.mark.parametrize("replicas", [2, 4])
def test_chi4_of_few_replicas_covers_the_truth(replicas):
    """Percentile intervals cover 0.8 here; the error of a coverage of 0.95 from 400 repetitions is 0.011."""
    within, between = coverage(replicas, 400)
    assert 0.92 < within < 0.99
    assert 0.92 < between < 0.99


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [2, 4, 8, 16, 32])
def test_chi4_covers_the_truth(replicas):
    within, between = coverage(replicas, 3000)
    assert 0.93 < within < 0.975
    assert 0.93 < between < 0.975
