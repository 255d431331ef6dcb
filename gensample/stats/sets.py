"""Sets of configurations: functions such as g_ab(r), distances of sets of unequal size, importance weights.

A distance between finite sets is never zero and falls with their size. So sets of one size are compared: with
m = min(C_sim // 2, C_gen), m random simulated against m other simulated ones (the floor), and the first m
against m random generated ones. A perfect sampler has both equal in expectation.

A model that gives its density p(x) can be corrected to the Boltzmann distribution: w(x) is proportional to
exp(-U(x)/T) / p(x). Every result is unchanged by a constant added to all log weights, so a density known up
to a factor will do. Energies in eps_AA, k_B = 1; C configurations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gensample.errors import DataError
from gensample.stats.dynamics import Floats, Integers, as_array
from gensample.stats.intervals import Number, percentile_interval, resampled_sums

SPLITS = 32
"""Random ways to split over which a distance and its floor are averaged."""


class Halves(NamedTuple):
    """Rows of one splitting: two disjoint parts of the simulated set and one of the generated, m each."""

    first: Integers
    second: Integers
    drawn: Integers


def part_size(simulated: int, generated: int) -> int:
    """m, the number of configurations in each part."""
    return min(simulated // 2, generated)


def splits(
    simulated: int, generated: int, generator: np.random.Generator, count: int = SPLITS
) -> Iterator[Halves]:
    """Random splits of sets of these sizes; none when m = 0."""
    m = part_size(simulated, generated)
    for _ in range(count if m else 0):
        ours, theirs = generator.permutation(simulated), generator.permutation(generated)
        yield Halves(ours[:m], ours[m : 2 * m], theirs[:m])


class Distance(NamedTuple):
    """Distances (splits,) of generated from simulated, and of two parts of the simulated set."""

    generated: Floats
    halves: Floats


def wasserstein_of_samples(first: Floats, second: Floats) -> float:
    """W1 of two samples of equal size: the mean distance of their sorted values.

    Vallender, Theory Probab. Appl. 18, 784 (1974).
    """
    return float(np.abs(np.sort(first) - np.sort(second)).mean())


def sample_distance(simulated: Floats, generated: Floats, generator: np.random.Generator) -> Distance:
    """W1 of one number a configuration, (C_sim,) and (C_gen,), beside its floor; infinities make it
    infinite.
    """
    found = [
        (
            wasserstein_of_samples(simulated[s.first], generated[s.drawn]),
            wasserstein_of_samples(simulated[s.first], simulated[s.second]),
        )
        for s in splits(len(simulated), len(generated), generator)
    ]
    return Distance(*np.array(found).reshape(-1, 2).T)


def split_weights(chosen: list[Integers], count: int) -> Floats:
    """Weights (splits, C) that average over the chosen rows of each split."""
    weights = np.zeros((len(chosen), count))
    for row, part in zip(weights, chosen, strict=True):
        row[part] = 1 / len(part)
    return weights


Singles = NDArray[np.float32]


@dataclass(frozen=True)
class Profile:
    """L functions on a grid, one row a configuration; their mean is the ratio of two means.

    ``labels`` (L,) such as AB, ``composition`` (L,) their weights in a distance, ``x`` (B,) the grid;
    ``value`` (C, L, B) and ``norm``, (C, L, B) or broadcastable from axes of length 1: what the mean is
    divided by.
    """

    labels: tuple[str, ...]
    composition: Floats
    x: Floats
    value: Singles
    norm: Singles

    def mean(self, weights: Floats) -> Floats:
        """Means (W, L, B) with weights (W, C); nan where the norm is zero."""
        above, below = (np.tensordot(weights, part, axes=1) for part in (self.value, self.norm))
        return _ratio(above, below)

    def interval(self, generator: np.random.Generator, samples: int) -> tuple[Floats, Floats]:
        """Bounds (L, B) of the 95 % bootstrap interval over configurations; nan for a single one."""
        if len(self.value) < 2:
            return np.full(self.value.shape[1:], np.nan), np.full(self.value.shape[1:], np.nan)
        count, norm = len(self.value), np.broadcast_to(self.norm, (len(self.value), *self.norm.shape[1:]))
        table = np.concatenate([self.value.reshape(count, -1), norm.reshape(count, -1)], axis=1)
        sums = resampled_sums(table.astype(np.float64), samples, generator)
        width = int(np.prod(self.value.shape[1:]))
        above = sums[:, :width].reshape(samples, *self.value.shape[1:])
        below = sums[:, width:].reshape(samples, *norm.shape[1:])
        return percentile_interval(_ratio(above, below))


def relative_distance(first: Floats, second: Floats, reference: Floats, composition: Floats) -> Floats:
    """D = sum_l c_l integral |f_l - g_l| / sum_l c_l integral |r_l| on a uniform grid; (W, L, B) to (W,).

    0 for equal functions; 2 for densities that share no bin. Points where either function is undefined are
    left out of both integrals.
    """
    known = np.isfinite(first) & np.isfinite(second) & np.isfinite(reference)
    weight = composition[:, None] * known
    gap = (weight * np.abs(np.where(known, first - second, 0.0))).sum(axis=(-2, -1))
    whole = (weight * np.abs(np.where(known, reference, 0.0))).sum(axis=(-2, -1))
    distance: Floats = gap / np.where(whole > 0, whole, np.nan)
    return distance


def profile_distance(simulated: Profile, generated: Profile, generator: np.random.Generator) -> Distance:
    """Relative distance between m simulated and m generated configurations, and between two simulated m."""
    ours, theirs = len(simulated.value), len(generated.value)
    found = list(splits(ours, theirs, generator))
    if not found:
        return Distance(np.empty(0), np.empty(0))
    first, second = (simulated.mean(split_weights([s[k] for s in found], ours)) for k in range(2))
    drawn = generated.mean(split_weights([s.drawn for s in found], theirs))
    whole = simulated.mean(np.full((1, ours), 1 / ours))
    return Distance(
        relative_distance(first, drawn, whole, simulated.composition),
        relative_distance(first, second, whole, simulated.composition),
    )


# Importance weights

ENOUGH_SAMPLES = 1000
"""With fewer samples the effective size says little: the rare large weights have not been seen yet."""


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

    excess: Number
    total: Number


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
) -> Number:
    """Mean sum w x / sum w of values (C,), with a 95 % bootstrap interval over configurations.

    log_w (C,): log weights, None for equal ones. Self-normalised importance sampling: Owen, Monte Carlo
    Theory, Methods and Examples (2013), ch. 9.2. The interval knows the weights that were drawn and no
    larger ones: it is too narrow when the effective size is small. No interval for a single configuration.
    """
    w, x = _usable(values, log_w)
    return _estimate(float(w @ x), resampled_means(values, generator, log_w, bootstrap), len(x))


def reweighted_variance(
    values: Any, generator: np.random.Generator, log_w: Any = None, bootstrap: int = 1000
) -> Number:
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
    excess = Number(*(factor * x for x in reweighted_variance(energy, generator, log_w, bootstrap)))
    return HeatCapacity(excess, Number(*(x + dimension / 2 for x in excess)))


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


def _estimate(value: float, resampled: Floats, configurations: int) -> Number:
    if configurations < 2:
        return Number(value)
    low, high = percentile_interval(resampled)
    return Number(value, float(low), float(high))
