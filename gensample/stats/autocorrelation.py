"""Integrated autocorrelation time of a stationary series, pooled over independent chains.

A. D. Sokal, Monte Carlo Methods in Statistical Mechanics: Foundations and New Algorithms (1997), section 3;
N. Madras and A. D. Sokal, J. Stat. Phys. 50, 109 (1988), appendix C.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gensample.stats.ensemble import Floats, as_array


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
