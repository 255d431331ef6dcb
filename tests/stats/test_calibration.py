import numpy as np
import pytest
from scipy.stats import kstest

from gensample.errors import DataError
from gensample.stats import scores as cal


def skewed(rng, shape):
    """Lengths with tails, one scale a column."""
    return np.exp(0.5 * rng.normal(size=shape)) * np.exp(0.3 * np.sin(np.arange(shape[-1])))


@pytest.mark.parametrize(("observed", "drawn"), [(32, 32), (5, 3), (2, 2), (3, 40)])
def test_a_perfect_sampler_is_flat_within_its_noise(observed, drawn):
    """Independent columns: the distribution function stays within what as many uniform numbers would."""
    rng = np.random.default_rng(0)
    x, y = skewed(rng, (observed, 4000)), skewed(rng, (drawn, 4000))
    # One observation a column for the first: observations of one column share their draws.
    for cdf in (cal.ensemble_pit(x[:1], y), cal.mean_pit(x, y, rng)):
        assert np.abs(cdf - cal.PIT_POINTS).max() < 1.63 / np.sqrt(4000)  # Kolmogorov, 99 %
        np.testing.assert_allclose(cal.coverage(cdf), cal.PIT_LEVELS, atol=0.03)
        np.testing.assert_allclose(cal.rank_histogram(cdf), 1.0, atol=0.5)


def test_discrete_values_are_flat_too():
    """Overlaps of few particles: most draws are equal to the observation."""
    rng = np.random.default_rng(1)
    x, y = rng.binomial(3, 0.4, (1, 5000)) / 3, rng.binomial(3, 0.4, (7, 5000)) / 3
    assert np.abs(cal.ensemble_pit(x, y) - cal.PIT_POINTS).max() < 1.63 / np.sqrt(5000)


def test_agrees_with_ranks_broken_at_random():
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 6, (4, 3000)), rng.integers(0, 4, (5, 3000))
    below, equal = ((y[None] < x[:, None]).sum(1), (y[None] == x[:, None]).sum(1))
    places = (below + (equal + 1) * rng.random(x.shape)) / 6
    expected = [(places <= p).mean() for p in cal.PIT_POINTS]
    np.testing.assert_allclose(cal.ensemble_pit(x, y), expected, atol=0.015)


def test_pit_cdf_is_that_of_uniform_places():
    cdf = cal.pit_cdf([0, 1, 2, 3], [0, 1, 2, 3], 3)
    np.testing.assert_allclose(cdf, cal.PIT_POINTS, atol=1e-12)
    assert kstest(cal.PIT_POINTS, "uniform").statistic < 0.2


@pytest.mark.parametrize(
    ("factor", "shift", "shape"), [(0.3, 0.0, "too narrow"), (3.0, 0.0, "too wide"), (1.0, -2.0, "too low")]
)
def test_failures_have_their_shapes(factor, shift, shape):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(8, 2000)), factor * rng.normal(size=(16, 2000)) + shift
    bars = cal.rank_histogram(cal.ensemble_pit(x, y))
    ends, middle = (bars[0] + bars[-1]) / 2, bars[8:12].mean()
    inside = cal.coverage(cal.ensemble_pit(x, y))[1]
    if shape == "too narrow":
        assert ends > 3 * middle
        assert inside < 0.4
    elif shape == "too wide":
        assert middle > 1.5 * ends
        assert inside > 0.95
    else:
        assert bars[-1] > 5 * bars[0]


def test_propensities_without_structure_are_outside_their_intervals():
    """A generator that gives every particle the mean of all: fast and slow ones fall outside."""
    rng = np.random.default_rng(4)
    scale = np.exp(0.5 * rng.normal(size=2000))
    x, y = scale * rng.gamma(4, 1, (16, 2000)), rng.permuted(scale) * rng.gamma(4, 1, (16, 2000))
    cdf = cal.mean_pit(x, y, rng)
    assert cal.coverage(cdf)[1] < 0.5
    assert cal.rank_histogram(cdf)[[0, -1]].min() > 2


def test_one_replica_has_no_mean_to_judge():
    with pytest.raises(DataError, match="at least 2 replicas"):
        cal.mean_pit(np.ones((1, 3)), np.ones((4, 3)), np.random.default_rng(0))
