"""Functions of a set of configurations, such as g_ab(r), kept apart by configuration so that any mean is
cheap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gensample.stats.bootstrap import percentile_interval, resampled_sums
from gensample.stats.ensemble import Floats
from gensample.stats.halves import Distance, split_weights, splits

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


def _ratio(above: Floats, below: Floats) -> Floats:
    ratio: Floats = above / np.where(below > 0, below, np.nan)
    return ratio


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
