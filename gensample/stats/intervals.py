"""95 % intervals from a bootstrap over few configurations: a standard error, and the shape around it.

Over configurations: particles of one are not independent, configurations are.

Quantiles of resamples of a dozen configurations are too narrow, and for a variance or a distance they lie on
one side of the value. The bootstrap gives the standard error alone; the value is inside by construction.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.special import chdtri, stdtrit

from gensample.stats.dynamics import Floats, as_array

NAN = float("nan")
LEVEL = 0.95
_LARGEST_LOG = 50.0
Bounds = tuple[Floats, Floats]


class Number(NamedTuple):
    """A value and its 95 % interval; NaN where undefined."""

    value: float
    low: float = NAN
    high: float = NAN

    @property
    def defined(self) -> bool:
        """Whether there is a finite value."""
        return bool(np.isfinite(self.value))


def standard_error(resamples: Floats, configurations: int) -> Floats:
    """Bootstrap standard error along the first axis (B, ...); resamples that are nan are left out.

    sqrt(C / (C - 1)) undoes that resamples of C configurations vary as if C were C - 1: Efron and Tibshirani,
    An Introduction to the Bootstrap (1993), section 5.3.
    """
    there = np.isfinite(resamples)
    count = there.sum(axis=0)
    mean = np.where(there, resamples, 0.0).sum(axis=0) / np.maximum(count, 1)
    square = np.where(there, resamples - mean, 0.0) ** 2
    error = np.sqrt(square.sum(axis=0) / np.maximum(count, 1) * configurations / (configurations - 1))
    return np.where(count > 1, error, np.nan)


def student(value: Any, error: Any, configurations: int, positive: bool = False) -> Bounds:
    """value -+ t error, t of Student's distribution with C - 1 degrees of freedom.

    ``positive`` values have it on a logarithmic scale, with error / value there (delta method). Hesterberg,
    Am. Stat. 69, 371 (2015).
    """
    value = np.asarray(value, dtype=np.float64)
    reach = _student_quantile(configurations) * np.asarray(error)
    if not positive:
        return value - reach, value + reach
    above = np.where(value > 0, value, 1.0)
    factor = np.exp(np.minimum(reach / above, _LARGEST_LOG))
    low, high = value / factor, value * factor
    return np.where(value > 0, low, value - reach), np.where(value > 0, high, value + reach)


def _student_quantile(configurations: int) -> float:
    return float(stdtrit(configurations - 1, (1 + LEVEL) / 2))


def chi_square(value: Any, error: Any, freedom: float, configurations: int | None = None) -> Bounds:
    """Of a variance, taken as chi2_nu / nu times the true one, nu = 2 (value / error)^2 <= ``freedom``.

    Satterthwaite, Biometrics Bull. 2, 110 (1946). ``freedom`` is what independent Gaussian numbers would
    give: few numbers estimate ``error`` badly, and more often too small than not. With ``configurations``
    the logarithms of both factors are stretched by Student's over the normal quantile, for an ``error``
    that comes from so many.
    """
    value = np.asarray(value, dtype=np.float64)
    relative = np.asarray(error) / np.where(value > 0, value, np.nan)
    nu = 2 / np.maximum(relative**2, 2 / freedom)
    tail = (1 - LEVEL) / 2
    stretch = 1.0 if configurations is None else _student_quantile(configurations) / 1.959964
    low, high = (value * np.exp(stretch * np.log(nu / chdtri(nu, p))) for p in (tail, 1 - tail))
    return np.where(value > 0, low, value), np.where(value > 0, high, value)


def difference(first: Any, second: Any, share: float = 1.0, correlation: Any = 0.0) -> Bounds:
    """Of first - share * second, from their (value, low, high) and the correlation of their errors.

    Zou and Donner, Stat. Med. 27, 1693 (2008): each side of the interval joins the two distances that it
    is made of, so that skewed intervals stay skewed.
    """
    (x, x_low, x_high), (y, y_low, y_high) = first, second
    y, y_low, y_high = share * y, share * y_low, share * y_high
    below = _joined(x - x_low, y_high - y, correlation)
    above = _joined(x_high - x, y - y_low, correlation)
    return x - y - below, x - y + above


def _joined(a: Any, b: Any, correlation: Any) -> Floats:
    return np.sqrt(np.maximum(a**2 + b**2 - 2 * correlation * a * b, 0.0))


def correlation(first: Floats, second: Floats) -> Floats:
    """Pearson correlation along the first axis of two sets of resamples (B, ...); 0 where nothing varies."""
    there = np.isfinite(first) & np.isfinite(second)
    count = np.maximum(there.sum(axis=0), 1)
    a, b = (np.where(there, x, 0.0) for x in (first, second))
    a, b = (np.where(there, x - x.sum(axis=0) / count, 0.0) for x in (a, b))
    scale = np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0))
    return (a * b).sum(axis=0) / np.where(scale > 0, scale, np.inf)


def chi4_bounds(
    within: tuple[Any, Any], spread: tuple[Any, Any], noise: tuple[Any, Any], replicas: Floats
) -> tuple[Bounds, Bounds]:
    """Of chi4 within configurations and between them (spread - noise), from (value, error) of its parts.

    ``replicas`` (C,) of each configuration.
    """
    count = len(replicas)
    # What Gaussian overlaps would give: one degree of freedom less than replicas in each configuration.
    freedom = float((replicas - 1).sum())
    without = (noise[0], *chi_square(*noise, freedom, count))
    between = difference((spread[0], *chi_square(*spread, count - 1)), without)
    return chi_square(*within, freedom, count), between


def centers(edges: Floats) -> Floats:
    """Middles of bins."""
    return (edges[1:] + edges[:-1]) / 2


def resample_weights(configurations: int, samples: int, generator: np.random.Generator) -> Floats:
    """Weights (samples, C) of each configuration in resamples with replacement; every row sums to 1.

    Weighting per-configuration means by them is the bootstrap of Efron, Ann. Statist. 7, 1 (1979), without
    touching a particle again; the same weights for two sources make their comparison paired.
    """
    counts = generator.multinomial(configurations, np.full(configurations, 1 / configurations), size=samples)
    return counts / configurations


def resampled_sums(
    table: Floats, samples: int, generator: np.random.Generator, chunk: int = 1 << 22
) -> Floats:
    """Sums over configurations of a table (C, F) in resamples with replacement: (samples, F).

    The resamples are drawn in pieces of about ``chunk`` numbers, so that tens of thousands of
    configurations need little memory; the number of columns does not change which are drawn.
    """
    count = len(table)
    step = max(1, chunk // max(count, 1))
    parts = []
    for begin in range(0, samples, step):
        size = min(step, samples - begin)
        # Several times faster than multinomial counts when there are thousands of configurations.
        drawn = generator.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        with np.errstate(invalid="ignore"):  # infinite energies
            parts.append(times.astype(np.float64) @ table)
    return np.concatenate(parts)


def percentile_interval(values: Floats, level: float = 0.95) -> tuple[Floats, Floats]:
    """Percentile interval along the first axis (samples, ...); samples that are nan are left out.

    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    with np.errstate(invalid="ignore"):
        all_nan = np.isnan(values).all(axis=0)
        filled = np.where(all_nan, 0.0, values)
        low, high = np.nanquantile(filled, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.where(all_nan, np.nan, low), np.where(all_nan, np.nan, high)


class AutocorrelationTime(NamedTuple):
    """An integrated autocorrelation time, its standard error, and the lag at which the sum was cut.

    Time and error in samples, NaN where the chains are too short to close the window.
    """

    time: float
    error: float
    window: int


def autocorrelation(series: Any) -> Floats:
    """Normalised autocorrelation rho(k) of chains (C, S) about their common mean, (S,).

    Sum over chains and origins of x(t) x(t + k), divided by the number of terms and by the variance. The mean
    is that of all chains: chains that are stuck apart then decay late, as they must. By FFT.
    """
    x = as_array(series)
    x = x - x.mean()
    length = x.shape[-1]
    spectrum = np.abs(np.fft.rfft(x, 2 * length, axis=-1)) ** 2
    products = np.fft.irfft(spectrum, axis=-1)[..., :length].mean(0) / np.arange(length, 0, -1)
    return products / products[0] if products[0] > 0 else np.full(length, np.nan)


def integrated_time(series: Any, window: float = 5.0) -> AutocorrelationTime:
    """tau = 1/2 + sum over k = 1..M of rho(k), M the smallest lag with M >= window * tau; chains (C, S).

    n samples are then worth n / (2 tau) independent ones. The error is tau sqrt(2 (2 M + 1) / n), n = C S
    (Madras and Sokal). A window that does not close within half of a chain gives NaN.
    """
    x = as_array(series)
    cumulative = 0.5 + np.cumsum(autocorrelation(x)[1 : x.shape[-1] // 2])
    lags = np.arange(1, len(cumulative) + 1)
    closed = np.flatnonzero(lags >= window * cumulative)
    if closed.size == 0:
        return AutocorrelationTime(math.nan, math.nan, x.shape[-1] // 2)
    cut = int(lags[closed[0]])
    # Noise of a few samples may carry the sum of an uncorrelated series below zero.
    time = max(float(cumulative[closed[0]]), 0.0)
    return AutocorrelationTime(time, time * math.sqrt(2 * (2 * cut + 1) / x.size), cut)
