"""From summaries of configurations to the entries of ``metrics.json``: values, intervals, correlations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gensample.comparison.averages import Averages, Summary, stack, student_interval
from gensample.comparison.quantities import OfFields
from gensample.stats import intervals
from gensample.stats.ensemble import Floats

Table = dict[Callable[..., Summary], list[Summary]]
"""Summaries of all configurations by the function that made them."""
DIGITS = 8
"""Significant digits of numbers in metrics.json: more than any of them is known to, half the file."""


class Sides(NamedTuple):
    """Summaries of an observed source, of a drawn one, and of the two together."""

    seen: Table
    made: Table
    paired: Table


class Counted(NamedTuple):
    """What is counted: ``particles`` of a configuration in ``dimension`` dimensions."""

    particles: int
    dimension: int


class Estimate(NamedTuple):
    """A value, the bounds (..., 2) of its interval, None without, and its resamples (B, ...)."""

    value: Floats
    bounds: Floats | None
    resampled: Floats


def block(
    quantities: Sequence[OfFields], sides: Sides, counted: Counted, weights: Floats | None
) -> dict[str, Any]:
    """{name: {"value", "interval", "correlation"}} of the quantities whose summaries are there.

    ``weights`` (B, C) of the resamples or None. Pairs hold [observed, drawn]; those measured by another have
    the correlation of the two errors.
    """
    found: dict[str, Any] = {}
    estimates: dict[str, Estimate] = {}
    for q in quantities:
        tables = _tables(q, sides)
        if tables is None:
            continue
        each = [estimate(q, table, counted, weights) for table in tables]
        if q.kind == "pair":
            found[q.name] = {
                name: [part[name] for part in map(entry, each)] for name in ("value", "interval")
            }
            if weights is None:
                found[q.name]["interval"] = None
            else:
                found[q.name]["correlation"] = plain(intervals.correlation(*(one.resampled for one in each)))
        else:
            estimates[q.name], found[q.name] = each[0], entry(each[0])
    for q in (q for q in quantities if weights is not None and q.name in estimates):
        theirs = estimates.get(str(q.reference))
        if theirs is not None:
            together = intervals.correlation(estimates[q.name].resampled, theirs.resampled)
            found[q.name]["correlation"] = plain(together)
    return found


def _tables(q: OfFields, sides: Sides) -> list[Summary] | None:
    """The stacked summaries that a quantity is made of: two sources' or one of both together; None
    without.
    """
    if not q.of_each:
        return [stack(sides.paired[q.summarise])] if q.summarise in sides.paired else None
    if q.summarise not in sides.seen or q.summarise not in sides.made:
        return None
    seen, made = sides.seen[q.summarise], sides.made[q.summarise]
    return [stack(seen), stack(made)] if q.join is None else [q.join(seen, made)]


def estimate(q: OfFields, table: Summary, counted: Counted, weights: Floats | None) -> Estimate:
    """Value and interval of a quantity from a stacked summary."""
    uniform = Averages.uniform(table, *counted)
    value = np.asarray(q.combine(uniform)[0])
    if weights is None:
        return Estimate(value, None, value[None])
    resamples = Averages(table, weights, *counted)
    resampled = q.combine(resamples)
    if q.bounds is None:
        bounds = student_interval(value, resampled, uniform.configurations, q.positive)
    else:
        bounds = q.bounds(uniform, resamples)
    return Estimate(value, np.stack(bounds, axis=-1).clip(*q.limits), resampled)


def entry(found: Estimate) -> dict[str, Any]:
    """{"value", "interval"} as JSON."""
    return {
        "value": plain(found.value),
        "interval": None if found.bounds is None else _interval(found.bounds),
    }


def _interval(bounds: Floats) -> Any:
    """[low, high], a list of them for bins (bins, 2), and None for each that is undefined."""
    if bounds.ndim == 2:
        return [_interval(b) for b in bounds]
    return plain(bounds) if np.isfinite(bounds).all() else None


def plain(value: Any) -> Any:
    """Numbers and nested lists of them, None for what is not finite: JSON has no nan."""
    array = np.asarray(value, dtype=np.float64)
    if array.ndim:
        return [plain(v) for v in array]
    return float(f"{array:.{DIGITS}g}") if np.isfinite(array) else None
