"""Propensity from a few replicas and a prediction together: its posterior mean and variance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gensample.stats.dynamics import Floats, as_array, require_replicas

BINS = 20
FEWEST = 100
"""Particles in a bin."""


class Posterior(NamedTuple):
    """Mean (n,) and variance (n,) of the propensities of one configuration; error: the part of the variance
    that is not shared by all of them."""

    mean: Floats
    variance: Floats
    error: Floats


def posterior(lengths: Sequence[Any], expected: Sequence[Any]) -> list[Posterior]:
    """What |u| (R, n) of a few replicas and a prediction (n,) say together, for each configuration.

    mu_i = M + g(p_i) + e_i for the particles of a species: M the mean of the configuration, p the prediction
    about its own mean, e what it does not know. m_i, the mean over R replicas, is mu_i and noise. g and the
    variances of e and of the noise, as functions of p, are averages over its quantiles, found from these very
    replicas (empirical Bayes: Efron and Morris, J. Am. Stat. Assoc. 70, 311 (1975)). The mean is
    M + g + w (m - M - g), w = var(e) / (var(e) + var(noise)): the replicas alone where the prediction knows
    nothing. ``expected`` must not have seen the replicas of its own configuration. Lengths in sigma_AA.

    Raises:
        DataError: a configuration with fewer than 2 replicas.
    """
    sets, x = [as_array(each) for each in lengths], [_about_mean(as_array(each)) for each in expected]
    require_replicas(min(len(each) for each in sets), 2, "a posterior propensity")
    mean = [each.mean(0) for each in sets]
    away = [_about_mean(each) for each in mean]
    own = [(each - each.mean(1, keepdims=True)).var(0, ddof=1) for each in sets]
    p, y, noise = map(np.concatenate, (x, away, own))
    share = np.concatenate([np.full(each.shape[1], 1 / len(each)) for each in sets])
    grid, g = _averages(p, y)
    _, square, noise, taken = _averages(p, (y - np.interp(p, grid, g)) ** 2, noise, noise * share)
    error = np.maximum(square - taken, 0)
    # Of the mean over particles, which all share.
    shared = float(np.mean([each.mean(1).var(ddof=1) for each in sets]))
    found = []
    for each, m, a, own_p in zip(sets, mean, away, x, strict=True):
        prior = _about_mean(np.interp(own_p, grid, g))
        e, n = (np.interp(own_p, grid, value) for value in (error, noise / len(each)))
        weight = e / np.maximum(e + n, np.finfo(float).tiny)
        found.append(
            Posterior(m.mean() + prior + weight * (a - prior), weight * n + shared / len(each), weight * n)
        )
    return found


def _about_mean(values: Floats) -> Floats:
    return values - values.mean()


def _averages(x: Floats, *values: Floats) -> list[Floats]:
    """Means of x and of values in quantiles of x."""
    parts = np.array_split(np.argsort(x, kind="stable"), max(1, min(BINS, len(x) // FEWEST)))
    return [np.array([each[part].mean() for part in parts]) for each in (x, *values)]
