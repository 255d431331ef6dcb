"""Bootstrap over configurations: particles of one configuration are not independent, configurations are."""

from __future__ import annotations

import numpy as np

from gensample.stats.ensemble import Floats


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
