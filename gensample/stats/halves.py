"""Distances between sets of configurations of unequal size, beside that between halves of the simulated set.

A distance between finite sets is never zero and falls with their size. So sets of one size are compared: with
m = min(C_sim // 2, C_gen), m random simulated against m other simulated ones (the floor), and the first m
against m random generated ones. A perfect sampler has both equal in expectation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gensample.stats.ensemble import Floats, Integers

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
