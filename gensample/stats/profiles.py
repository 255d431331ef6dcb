"""Functions of a set of configurations, such as g_ab(r), and distances between sets of unequal size.

A distance between finite sets is never zero and falls with their size. So sets of one size are compared: with
m = min(C_sim // 2, C_gen), m random simulated against m other simulated ones (the floor), and the first m
against m random generated ones. A perfect sampler has both equal in expectation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gensample.stats.ensemble import Floats, Integers
from gensample.stats.intervals import percentile_interval, resampled_sums

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
