"""Means of summaries over configurations, for equal weights or for every resample of a bootstrap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gensample.stats import intervals
from gensample.stats.ensemble import Floats

Summary = dict[str, Any]
"""What is kept of one configuration, arrays by name; stacked, each has a leading axis C."""
Bounds = tuple[Floats, Floats]


def stack(summaries: Sequence[Summary]) -> Summary:
    """Summaries of C configurations as one, with a leading axis C."""
    return {name: np.stack([s[name] for s in summaries]) for name in summaries[0]}


@dataclass(frozen=True)
class Averages:
    """Summaries of C configurations under B sets of weights (B, C); ``averages[name]`` is a mean (B, ...).

    ``stacked`` has a leading axis C; ``particles`` are those counted in a configuration, ``dimension`` is d.
    """

    stacked: Summary
    weights: Floats
    particles: int
    dimension: int

    @classmethod
    def uniform(cls, stacked: Summary, particles: int, dimension: int) -> Averages:
        """Under equal weights."""
        count = len(next(iter(stacked.values())))
        return cls(stacked, np.full((1, count), 1 / count), particles, dimension)

    def __getitem__(self, name: str) -> Floats:
        return np.tensordot(self.weights, self.stacked[name], axes=1)

    @property
    def configurations(self) -> int:
        """C."""
        return int(self.weights.shape[1])

    def quantile(self, name: str, share: float) -> Floats:
        """Quantile (B,) of the values (C, n) pooled over configurations, each value with its weight / n.

        The least value at which the distribution function reaches ``share``.
        """
        values = self.stacked[name]
        order = np.argsort(values, axis=None)
        weight = np.repeat(self.weights / values.shape[1], values.shape[1], axis=1)[:, order]
        at = (np.cumsum(weight, axis=1) < share - 1e-9).sum(axis=1)
        return values.ravel()[order][np.minimum(at, values.size - 1)]


LEVELS = 64
"""Values that stand for the distribution of one number a field, whatever the number of fields."""


def levels(values: Floats) -> Floats:
    """The sorted values (R,) as LEVELS of them, repeated or left out evenly, so that summaries stack."""
    ranks = ((np.arange(LEVELS) + 0.5) / LEVELS * len(values)).astype(np.int64)
    return np.sort(values)[ranks]


def student_interval(value: Floats, resampled: Floats, configurations: int, positive: bool = False) -> Bounds:
    """Student's interval of ``value`` from resamples (B, ...)."""
    error = intervals.standard_error(resampled, configurations)
    return intervals.student(value, error, configurations, positive)


def percentile(value: Floats, resampled: Floats) -> Bounds:
    """Percentile interval from resamples (B, ...), widened to hold the value.

    For energies of overlapping cores, spread over many decades: a standard error says nothing of them.
    """
    low, high = intervals.percentile_interval(resampled)
    return np.fmin(low, value), np.fmax(high, value)
