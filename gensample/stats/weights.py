"""Importance weights of generated configurations: effective sample size, reweighted means, heat capacity.

A model that gives its density p(x) can be corrected to the Boltzmann distribution: w(x) is proportional to
exp(-U(x)/T) / p(x). Every result is unchanged by a constant added to all log weights, so a density known up
to a factor will do. Energies in eps_AA, k_B = 1; C configurations.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gensample.errors import DataError
from gensample.stats.ensemble import Floats, as_array
from gensample.stats.intervals import percentile_interval, resampled_sums

ENOUGH_SAMPLES = 1000
"""With fewer samples the effective size says little: the rare large weights have not been seen yet."""


class Estimate(NamedTuple):
    """A value and the bounds of its 95 % interval; nan where undefined."""

    value: float
    low: float = float("nan")
    high: float = float("nan")


class EffectiveSize(NamedTuple):
    """Diagnostics of a set of weights.

    ``samples`` C; ``size`` effective number of samples and ``fraction`` of C; ``largest`` share of the sum
    that the largest weight has; ``log_std`` standard deviation of the finite log weights; ``not_finite``
    number of log weights that are nan or infinite; ``enough`` whether C reaches ENOUGH_SAMPLES.
    """

    samples: int
    size: float
    fraction: float
    largest: float
    log_std: float
    not_finite: int
    enough: bool


class HeatCapacity(NamedTuple):
    """Per particle: ``excess`` from the fluctuations of the potential energy, ``total`` with d/2 added."""

    excess: Estimate
    total: Estimate


def log_weights(energy: Any, temperature: Any, log_density: Any, variance: Any = None) -> Floats:
    """log w = -U/T - log p - v/2 of each configuration, (C,).

    energy: total potential energy U (C,); temperature: one or (C,); log_density: log p (C,), up to a common
    constant; variance: v (C,), that of the noise of an estimated log p, None where it is exact.

    An estimate log p + e makes the weight w exp(-e) on average w exp(v/2) for Gaussian e, and to second
    order in the cumulants for any other: subtracting v/2 removes that bias, configuration by configuration
    (the penalty of Ceperley and Dewing, J. Chem. Phys. 110, 9812 (1999), for noisy energies). The spread
    that the noise adds to the weights stays: the effective size is that of the noisy weights, lower than
    the exact one.

    Raises DataError where shapes disagree or a temperature is not positive.
    """
    u, p = as_array(energy), as_array(log_density)
    v = np.zeros_like(u) if variance is None else as_array(variance)
    t = as_array(temperature)
    if not (u.ndim == 1 and u.shape == p.shape == v.shape and t.shape in ((), u.shape)):
        raise DataError(
            f"weights need energy, log density and variance of shape (C,) and one or C temperatures, got "
            f"{u.shape}, {p.shape}, {v.shape} and {t.shape}"
        )
    if not (t > 0).all():
        raise DataError(f"temperatures must be positive, got {t.min():g}")
    with np.errstate(invalid="ignore"):
        return -u / t - p - v / 2


def normalised(log_w: Any) -> Floats:
    """Weights (C,) that sum to 1, from log weights (C,).

    Log weights that are nan or infinite get weight 0; `effective_sample_size` counts them, and their
    configurations stay in every C. All nan when none is finite.
    """
    logs = as_array(log_w)
    finite = np.isfinite(logs)
    if not finite.any():
        return np.full(logs.shape, np.nan)
    highest = logs[finite].max()
    w = np.where(finite, np.exp(np.where(finite, logs, highest) - highest), 0.0)
    return w / w.sum()


def effective_sample_size(log_w: Any) -> EffectiveSize:
    """Kish's effective sample size (sum w)^2 / sum w^2 and what warns of a few weights that rule.

    L. Kish, Survey Sampling (1965); for importance sampling: Kong, Liu and Wong, J. Am. Stat. Assoc.
    89, 278 (1994). It is 0 when no log weight is finite.
    """
    logs = as_array(log_w)
    finite = np.isfinite(logs)
    count, missing = logs.size, int(logs.size - finite.sum())
    if missing == count:
        return EffectiveSize(count, 0.0, 0.0, np.nan, np.nan, missing, count >= ENOUGH_SAMPLES)
    w = normalised(logs)
    size = float(1 / (w**2).sum())
    spread = float(logs[finite].std())
    return EffectiveSize(count, size, size / count, float(w.max()), spread, missing, count >= ENOUGH_SAMPLES)


def resampled_means(
    values: Any, generator: np.random.Generator, log_w: Any = None, bootstrap: int = 1000
) -> Floats:
    """Self-normalised means of values (C,) in bootstrap resamples of the configurations, (bootstrap,)."""
    w, x = _usable(values, log_w)
    sums = resampled_sums(np.stack([w, w * x], axis=1), bootstrap, generator)
    return _ratio(sums[:, 1], sums[:, 0])


def reweighted_mean(
    values: Any, generator: np.random.Generator, log_w: Any = None, bootstrap: int = 1000
) -> Estimate:
    """Mean sum w x / sum w of values (C,), with a 95 % bootstrap interval over configurations.

    log_w (C,): log weights, None for equal ones. Self-normalised importance sampling: Owen, Monte Carlo
    Theory, Methods and Examples (2013), ch. 9.2. The interval knows the weights that were drawn and no
    larger ones: it is too narrow when the effective size is small. No interval for a single configuration.
    """
    w, x = _usable(values, log_w)
    return _estimate(float(w @ x), resampled_means(values, generator, log_w, bootstrap), len(x))


def reweighted_variance(
    values: Any, generator: np.random.Generator, log_w: Any = None, bootstrap: int = 1000
) -> Estimate:
    """Unbiased variance of values (C,), weighted or not, with a 95 % bootstrap interval over configurations.

    sum w (x - m)^2 / (1 - sum w^2) with normalised w: the usual one, with C - 1, when all weights are
    equal. nan where one configuration has all the weight.
    """
    w, x = _usable(values, log_w)
    with np.errstate(invalid="ignore"):
        x = x - w @ x  # centred, so that the second moment keeps its digits
    table = np.stack([w, w**2, w * x, w * x**2], axis=1)
    whole = _variance(table.sum(axis=0, keepdims=True))[0]
    return _estimate(float(whole), _variance(resampled_sums(table, bootstrap, generator)), len(x))


def _variance(sums: Floats) -> Floats:
    """Variances from sums (samples, 4) of w, w^2, w x and w x^2."""
    first, square, one, two = sums.T
    freedom = 1 - _ratio(square, first**2)
    mean = _ratio(one, first)
    return _ratio(_ratio(two, first) - mean**2, np.where(freedom > 1e-12, freedom, np.nan))


def heat_capacity(
    energy: Any,
    temperature: float,
    particles: int,
    dimension: int,
    generator: np.random.Generator,
    log_w: Any = None,
    bootstrap: int = 1000,
) -> HeatCapacity:
    """Heat capacity per particle at constant volume from energy fluctuations, with bootstrap intervals.

    c_V = d/2 + N Var(e)/T^2 with e = U/N (C,), the energy per particle: the first, kinetic, term is exact for
    classical particles and is not sampled, the second is the excess part (Allen and Tildesley, Computer
    Simulation of Liquids (2017), sec. 2.5). log_w (C,) reweights.
    """
    factor = particles / temperature**2
    excess = Estimate(*(factor * x for x in reweighted_variance(energy, generator, log_w, bootstrap)))
    return HeatCapacity(excess, Estimate(*(x + dimension / 2 for x in excess)))


def _usable(values: Any, log_w: Any) -> tuple[Floats, Floats]:
    """Normalised weights and values, these zero where the weight is: 0 times an infinite energy must be 0."""
    x = as_array(values)
    w = normalised(np.zeros(x.shape) if log_w is None else log_w)
    if x.shape != w.shape:
        raise DataError(f"values must have one entry a weight, {w.shape}, got {x.shape}")
    return w, np.where(w > 0, x, 0.0)


def _ratio(above: Floats, below: Floats) -> Floats:
    """Quotient, nan where the denominator is not positive: resamples that drew no weight at all."""
    with np.errstate(invalid="ignore"):
        ratio: Floats = above / np.where(below > 0, below, np.nan)
    return ratio


def _estimate(value: float, resampled: Floats, configurations: int) -> Estimate:
    if configurations < 2:
        return Estimate(value)
    low, high = percentile_interval(resampled)
    return Estimate(value, float(low), float(high))
