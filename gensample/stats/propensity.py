"""Propensity, what of it is predictable, and the correlations a finite number of replicas allows.

All functions take numpy arrays or torch tensors and accumulate in float64.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata

from gensample.errors import DataError
from gensample.stats.ensemble import Floats, as_array


def magnitudes(displacements: Any) -> Floats:
    """Lengths |u| of vectors (..., d), shape (...)."""
    u = as_array(displacements)
    return np.sqrt(np.einsum("...d,...d->...", u, u))


def propensity(displacements: Any) -> Floats:
    """Mean of |u| over replicas: (R, ..., N, d) to (..., N).

    Widmer-Cooper, Harrowell, Fynewever, Phys. Rev. Lett. 93, 135701 (2004).
    """
    return magnitudes(displacements).mean(axis=0)


def require_replicas(found: int, least: int, what: str) -> None:
    """DataError unless at least ``least`` replicas are there."""
    if found < least:
        raise DataError(
            f"{what} needs at least {least} replicas of each configuration, got {found}; add replicas"
        )


class VarianceSplit(NamedTuple):
    """Variance of |u| in one configuration and species: ``delta`` between particles, ``iso`` within one."""

    delta: float
    iso: float
    replicas: int


def split_variance(lengths: Any) -> VarianceSplit:
    """Variance components of |u| (R, N): iso = mean of Var over replicas, delta = Var(mu) - iso/R.

    The analysis-of-variance estimators, unbiased (both variances with ddof = 1): Searle, Casella, McCulloch,
    Variance Components (1992), chapter 3. delta can come out negative where structure explains very little.
    """
    m = as_array(lengths)
    replicas, particles = m.shape
    require_replicas(replicas, 2, "the variance within an isoconfigurational ensemble")
    iso = float(m.var(axis=0, ddof=1).mean())
    between = float(m.mean(axis=0).var(ddof=1)) if particles > 1 else float("nan")
    return VarianceSplit(between - iso / replicas, iso, replicas)


def _nonnegative(delta: Any) -> Floats:
    return np.maximum(as_array(delta), 0.0)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Quotient with nan instead of a warning where nothing varies."""
    safe = np.where(denominator > 0, denominator, np.nan)
    return numerator / safe


def predictability(delta: Any, iso: Any) -> Floats:
    """R = delta / (delta + iso): the part of the variance of |u| that the configuration decides.

    Berthier and Jack, Phys. Rev. E 76, 041509 (2007). A negative estimate of delta counts as zero.
    """
    d = _nonnegative(delta)
    return _ratio(d, d + as_array(iso))


def ceiling_exact(delta: Any, noise: Any) -> Floats:
    """Best Pearson correlation of the exact propensity with a label averaged over M replicas, noise = iso/M.

    sqrt(delta / (delta + iso/M)), the attenuation formula of Spearman, Am. J. Psychol. 15, 72 (1904).
    """
    d = _nonnegative(delta)
    return np.sqrt(_ratio(d, d + as_array(noise)))


def ceiling_sampler(delta: Any, noise: Any, sampler_noise: Any) -> Floats:
    """Best Pearson correlation of a perfect sampler with M' draws with an M-replica label.

    ``noise`` is iso/M, ``sampler_noise`` iso/M':
    delta / sqrt((delta + iso/M)(delta + iso/M')); source as in `ceiling_exact`.
    """
    return ceiling_exact(delta, noise) * ceiling_exact(delta, sampler_noise)


def pearson(x: Any, y: Any) -> float:
    """Pearson correlation of two vectors; nan where one of them is constant or shorter than 2."""
    a, b = as_array(x).ravel(), as_array(y).ravel()
    if a.shape != b.shape:
        raise DataError(f"a correlation needs two vectors of one length, got {a.size} and {b.size}")
    if a.size < 2:
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else float("nan")


def spearman(x: Any, y: Any) -> float:
    """Spearman rank correlation (ties share their mean rank)."""
    return pearson(rankdata(as_array(x)), rankdata(as_array(y)))


def pearson_from_sums(sums: Any) -> Floats:
    """Pearson correlation from means (..., 5) of x, y, xx, yy, xy, as pooled over configurations."""
    s = as_array(sums)
    x, y, xx, yy, xy = (s[..., k] for k in range(5))
    variance = np.maximum(xx - x * x, 0.0) * np.maximum(yy - y * y, 0.0)
    return _ratio(xy - x * y, np.sqrt(variance))
