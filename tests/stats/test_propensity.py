import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gensample.errors import DataError
from gensample.stats import dynamics as p


def lengths(delta: float, iso: float, replicas: int, particles: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mu = 3 + np.sqrt(delta) * rng.normal(size=particles)
    return mu + np.sqrt(iso) * rng.normal(size=(replicas, particles))


def test_propensity_of_known_vectors():
    u = np.zeros((2, 3, 2))
    u[0, :, 0], u[1, :, 1] = 1.0, -3.0
    np.testing.assert_allclose(p.propensity(u), 2.0)
    np.testing.assert_allclose(p.propensity(torch.as_tensor(u)), 2.0)


def test_propensity_keeps_the_axes_between_replicas_and_particles():
    assert p.propensity(np.ones((4, 3, 5, 2))).shape == (3, 5)


def test_variance_split_is_unbiased_with_few_replicas():
    """Mean over 400 data sets of two replicas; ddof = 0 would give iso/2 and a delta too large by iso/4."""
    splits = [p.split_variance(lengths(0.5, 2.0, 2, 50, seed)) for seed in range(400)]
    assert np.mean([s.iso for s in splits]) == pytest.approx(2.0, abs=0.06)
    assert np.mean([s.delta for s in splits]) == pytest.approx(0.5, abs=0.08)


def test_predictability_of_a_known_mixture():
    s = p.split_variance(lengths(1.0, 3.0, 40, 20000))
    assert p.predictability(s.delta, s.iso) == pytest.approx(0.25, abs=0.01)


def test_ceilings_are_the_correlations_they_promise():
    """The label has M = 4 replicas, the sampler M' = 9 draws, the exact propensity is known."""
    rng = np.random.default_rng(3)
    delta, iso, m, draws, n = 0.7, 2.0, 4, 9, 200_000
    mu = np.sqrt(delta) * rng.normal(size=n)
    label, sampled = (mu + np.sqrt(iso / k) * rng.normal(size=n) for k in (m, draws))
    assert p.pearson(mu, label) == pytest.approx(float(p.ceiling_exact(delta, iso / m)), abs=0.005)
    expected = float(p.ceiling_sampler(delta, iso / m, iso / draws))
    assert p.pearson(sampled, label) == pytest.approx(expected, abs=0.005)


def test_what_all_particles_share_is_no_noise_of_a_correlation():
    """Fields mu(i) + n_r(i) + s_r: s moves every mean over replicas, and no correlation between particles."""
    rng = np.random.default_rng(5)
    delta, own, shared, m, n = 0.5, 2.0, 3.0, 4, 4000
    mu = np.sqrt(delta) * rng.normal(size=n)
    first, second = (
        mu + np.sqrt(own) * rng.normal(size=(m, n)) + np.sqrt(shared) * rng.normal(size=(m, 1))
        for _ in range(2)
    )
    split = p.split_variance(first)
    assert split.delta == pytest.approx(delta, abs=0.05)
    assert split.noise == pytest.approx(own, rel=0.05)
    best = float(p.ceiling_sampler(split.delta, split.noise / m, split.noise / m))
    assert p.pearson(first.mean(0), second.mean(0)) == pytest.approx(best, abs=0.05)


def test_numbers_of_the_botan_data():
    """DESIGN section 5: R = 0.148 with 32 replicas goes with the ceilings 0.921 and 0.847."""
    delta, iso = 0.148, 1 - 0.148
    assert float(p.ceiling_exact(delta, iso / 32)) == pytest.approx(0.921, abs=5e-4)
    assert float(p.ceiling_sampler(delta, iso / 32, iso / 32)) == pytest.approx(0.8475, abs=5e-4)


@given(delta=st.floats(-1, 5), iso=st.floats(1e-3, 5), m=st.integers(2, 100))
def test_ceilings_are_ordered_and_bounded(delta, iso, m):
    exact, sampler = p.ceiling_exact(delta, iso / m), p.ceiling_sampler(delta, iso / m, iso / m)
    assert 0 <= sampler <= exact <= 1
    assert 0 <= p.predictability(delta, iso) <= 1


@given(st.lists(st.integers(-5, 5), min_size=3, max_size=30), st.integers(0, 100))
def test_correlations_agree_with_scipy(values, seed):
    x = np.array(values, float)
    y = np.random.default_rng(seed).normal(size=len(x))
    if np.ptp(x) == 0:
        assert np.isnan(p.pearson(x, y))
        return
    assert p.pearson(x, y) == pytest.approx(stats.pearsonr(x, y)[0], abs=1e-9)
    assert p.spearman(x, y) == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-9)


def test_pooled_correlation_from_sums():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 50))
    sums = np.array([x.mean(), y.mean(), (x * x).mean(), (y * y).mean(), (x * y).mean()])
    assert float(p.pearson_from_sums(sums)) == pytest.approx(p.pearson(x, y))


def test_one_replica_has_no_spread():
    with pytest.raises(DataError, match="at least 2 replicas"):
        p.split_variance(np.ones((1, 4)))


def test_correlation_of_unequal_lengths_is_refused():
    with pytest.raises(DataError, match="one length"):
        p.pearson(np.ones(3), np.ones(4))
