"""Posterior propensities: against a planted law, in the limits, and what is refused."""

import numpy as np
import pytest

from gensample.errors import DataError
from gensample.stats.posterior import posterior

PARTICLES, CONFIGURATIONS = 400, 6


def planted(known, noise, replicas, seed=0, shared=0.0):
    """Propensities mu of unit variance, a prediction of correlation ``known`` with them, replicas."""
    rng = np.random.default_rng(seed)
    shape = (CONFIGURATIONS, PARTICLES)
    p = rng.normal(size=shape)
    mu = 5 + known * p + np.sqrt(1 - known**2) * rng.normal(size=shape)
    fields = mu[:, None] + noise * rng.normal(size=(CONFIGURATIONS, replicas, PARTICLES))
    return mu, p, fields + shared * rng.normal(size=(CONFIGURATIONS, replicas, 1))


@pytest.mark.parametrize("replicas", [2, 4, 8])
def test_the_error_is_that_of_the_formula(replicas):
    """1 / var = 1 / var(e) + R / noise^2, for jointly normal variables."""
    known, noise = 0.8, 1.5
    mu, p, fields = planted(known, noise, replicas)
    found = posterior(fields, 3 * p + 1)
    expected = 1 / (1 / (1 - known**2) + replicas / noise**2)
    error = np.mean([(each.mean - m) ** 2 for each, m in zip(found, mu, strict=True)])
    assert error == pytest.approx(expected, rel=0.12)
    assert np.mean([each.error.mean() for each in found]) == pytest.approx(expected, rel=0.12)


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_intervals_hold_what_they_should(shared):
    held = []
    for seed in range(60):
        mu, p, fields = planted(0.7, 1.0, 4, seed, shared)
        for each, m in zip(posterior(fields, p), mu, strict=True):
            held.append(np.abs(each.mean - m) < 1.96 * np.sqrt(each.variance))
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)


def test_replicas_are_left_where_the_prediction_knows_nothing():
    _, p, fields = planted(0.0, 0.05, 4)
    for each, own in zip(posterior(fields, p), fields, strict=True):
        np.testing.assert_allclose(each.mean, own.mean(0), atol=0.02)


def test_the_prediction_is_left_where_it_knows_all():
    mu, p, fields = planted(1.0, 3.0, 4)
    for each, m in zip(posterior(fields, p), mu, strict=True):
        assert np.corrcoef(each.mean, m)[0, 1] > 0.95


def test_any_increasing_function_of_a_prediction_is_as_good():
    """g is found by quantiles."""
    _, p, fields = planted(0.8, 1.5, 4)
    for one, other in zip(posterior(fields, p), posterior(fields, 10 * p), strict=True):
        np.testing.assert_allclose(one.mean, other.mean)


def test_numbers_of_replicas_may_differ():
    mu, p, fields = planted(0.8, 1.5, 8)
    found = posterior([fields[0][:2], *fields[1:]], p)
    errors = [((each.mean - m) ** 2).mean() for each, m in zip(found, mu, strict=True)]
    assert found[0].error.mean() > 1.3 * np.mean([each.error.mean() for each in found[1:]])
    assert errors[0] > np.mean(errors[1:])


def test_one_replica_does_not_tell_its_noise():
    _, p, fields = planted(0.8, 1.0, 1)
    with pytest.raises(DataError, match="at least 2 replicas"):
        posterior(fields, p)
