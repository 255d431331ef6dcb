"""Fields and configurations that are there twice: what is equal cannot be judged as two things."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from gensample.errors import DataError
from gensample.stats.ensemble import Floats

FIELD_TOLERANCE = 2.0**-10
"""Displacements may be stored on a grid of this width, so that a copy differs by as much."""
POSITION_TOLERANCE = 1e-4
_FIRST = 8
"""Particles that decide whether two rows are worth a look at all the others."""


def check_distinct(simulated: Any, generated: Any, configuration: int) -> None:
    """DataError where two of the fields (R, K, N, d) and (R', K, N, d) are equal at any lag.

    Equal means to the rounding of stored numbers, or to a hundredth of a displacement where that is less.
    """
    for lag in range(simulated.shape[1]):
        rows = np.concatenate([simulated[:, lag], generated[:, lag]])
        typical = float(np.sqrt(np.mean(rows[:, :_FIRST] ** 2)))
        pair = _equal(rows, min(FIELD_TOLERANCE, typical / 100))
        if pair is not None:
            first, second = (_name("replica", k, len(simulated)) for k in pair)
            raise DataError(
                f"{first} and {second} of configuration {configuration} are one field (lag number {lag}): "
                "compare needs replicas that are independent of each other; leave out what was copied, or "
                "draw the sample anew with another seed"
            )


def check_configurations(simulated: Floats, generated: Floats, box: Floats, other: Floats) -> None:
    """DataError where positions (C, N, d) and (C', N', d), in boxes (C, d) and (C', d), hold one twice."""
    ours, theirs = simulated / box[:, None], generated / other[:, None]
    ours = ours if ours.shape[1:] == theirs.shape[1:] else np.empty((0, *theirs.shape[1:]))
    pair = _equal(np.concatenate([ours, theirs]), POSITION_TOLERANCE / float(other.max()), period=1.0)
    if pair is not None:
        first, second = (_name("configuration", k, len(ours)) for k in pair)
        raise DataError(
            f"{first} and {second} are one structure: the two sets must be independent of each other; leave "
            "out what was copied"
        )


def _name(kind: str, k: int, simulated: int) -> str:
    return f"simulated {kind} {k}" if k < simulated else f"generated {kind} {k - simulated}"


def _equal(rows: Floats, tolerance: float, period: float | None = None) -> tuple[int, int] | None:
    """Two of the rows (n, N, d) whose numbers all agree to ``tolerance``; numbers ``period`` apart are one.

    The first particles are looked up in a tree, and only rows that agree there are compared as a whole.
    """
    first = rows[:, :_FIRST].reshape(len(rows), -1).astype(np.float64)
    if period is not None:
        first = first % period % period  # twice: -1e-20 % 1 is 1
    reach = tolerance * (1 + 1e-3)  # single precision rounds too
    for i, j in sorted(cKDTree(first, boxsize=period).query_pairs(reach, p=np.inf)):
        gap = rows[i] - rows[j]
        gap = gap if period is None else gap - period * np.round(gap / period)
        if np.abs(gap).max() <= reach:
            return i, j
    return None
