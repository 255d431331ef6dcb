"""From summaries of configurations to the entries of ``metrics.json``: values, intervals, correlations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gensample.comparison.averages import Averages, student_interval
from gensample.comparison.quantities import Quantity
from gensample.stats import intervals
from gensample.stats.ensemble import Floats
from gensample.stats.metrics import interval_entry, plain
from gensample.stats.summary import Summary

Table = dict[Callable[..., Summary], Summary]
"""Stacked summaries (C, ...) by the function that made them."""


class Sides(NamedTuple):
    """Stacked summaries of an observed source, of a drawn one, and of the two together."""

    seen: Table
    made: Table
    paired: Table


class Counted(NamedTuple):
    """What is counted: ``particles`` of a configuration in ``dimension`` dimensions."""

    particles: int
    dimension: int


def block(
    quantities: Sequence[Quantity], sides: Sides, counted: Counted, weights: Floats | None
) -> dict[str, Any]:
    """{name: {"value", "interval", "correlation"}} of the quantities whose summaries are there.

    ``weights`` (B, C) of the resamples or None. Pairs hold [observed, drawn]; those measured by another have
    the correlation of the two errors.
    """
    found: dict[str, Any] = {}
    resamples: dict[str, Floats] = {}
    for quantity in quantities:
        tables = _tables(quantity, sides)
        if tables is not None:
            estimates = [_estimate(quantity, table, counted, weights) for table in tables]
            found[quantity.name] = _entry(estimates, weights is not None)
            if weights is not None and quantity.kind != "pair":
                resamples[quantity.name] = estimates[0].resampled
    for quantity in quantities:
        ours, theirs = resamples.get(quantity.name), resamples.get(str(quantity.reference))
        if ours is not None and theirs is not None:
            found[quantity.name]["correlation"] = plain(intervals.correlation(ours, theirs))
    return found


def _tables(quantity: Quantity, sides: Sides) -> list[Summary] | None:
    """The summaries that a quantity is made of: two sources' or that of both together; None without."""
    places = (sides.seen, sides.made) if quantity.kind == "pair" else (sides.paired,)
    tables = [place.get(quantity.summarise) for place in places]
    return None if any(t is None for t in tables) else [t for t in tables if t is not None]


class _Estimate(NamedTuple):
    value: Floats
    interval: Any
    resampled: Floats


def _estimate(quantity: Quantity, table: Summary, counted: Counted, weights: Floats | None) -> _Estimate:
    count = len(next(iter(table.values())))
    uniform = Averages(table, np.full((1, count), 1 / count), *counted)
    value = np.asarray(quantity.combine(uniform)[0])
    if weights is None:
        return _Estimate(value, None, value)
    resamples = Averages(table, weights, *counted)
    resampled = quantity.combine(resamples)
    if quantity.bounds is None:
        bounds = student_interval(value, resampled, count, quantity.positive)
    else:
        bounds = quantity.bounds(uniform, resamples)
    return _Estimate(value, interval_entry(np.stack(bounds, axis=-1).clip(*quantity.limits)), resampled)


def _entry(estimates: list[_Estimate], resampled: bool) -> dict[str, Any]:
    if len(estimates) == 1:
        return {"value": plain(estimates[0].value), "interval": estimates[0].interval}
    entry: dict[str, Any] = {"value": [plain(e.value) for e in estimates], "interval": None}
    if resampled:
        entry["interval"] = [e.interval for e in estimates]
        entry["correlation"] = plain(intervals.correlation(*(e.resampled for e in estimates)))
    return entry
