"""Quantities that come in groups whatever moves: a propensity with its ceiling, chi4 with its parts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gensample.comparison.averages import Averages, Bounds, Summary
from gensample.comparison.quantities import OfFields, Source
from gensample.comparison.view import View
from gensample.stats import dynamics, intervals, propensity
from gensample.stats.ensemble import Floats, Integers, as_array

Lengths = Callable[[View, Integers], Floats]
"""Lengths (R, n) of what n particles did in R fields."""
Shares = Callable[[View, Integers], Floats]
"""One number (R,) a field, a share of the particles."""


def propensity_of(
    prefix: str, label: str, symbol: str, source: Source, lengths: Lengths, *, main: bool = False
) -> tuple[OfFields, OfFields]:
    """Correlation of generated with simulated propensity of ``lengths``, and the best that it can be.

    The formulas of `gensample.stats.propensity`: the ceiling is a perfect sampler's, with as many draws.
    """

    def summarise(seen: View, made: View, members: Integers) -> Summary:
        ours, theirs = lengths(seen, members), lengths(made, members)
        split = propensity.split_variance(ours)
        x, y = ours.mean(axis=0), theirs.mean(axis=0)
        # Where nothing moves, a correlation says nothing: it counts as none.
        found = propensity.pearson(x, y)
        return {
            "pearson": as_array(found if np.isfinite(found) else 0.0),
            "delta": as_array(split.delta),
            "noise": as_array(split.iso / split.replicas),
            "draws_noise": as_array(split.iso / len(theirs)),
        }

    def ceiling(averages: Averages) -> Floats:
        return propensity.ceiling_sampler(averages["delta"], averages["noise"], averages["draws_noise"])

    best = OfFields(
        name=f"{prefix}_ceiling_sampler",
        label="best, as many draws",
        kind="reference",
        meaning=f"What a perfect sampler with as many draws would score as: {label.lower()}.",
        source=source,
        summarise=summarise,
        combine=ceiling,
        limits=(0.0, 1.0),
    )
    correlation = OfFields(
        name=prefix,
        label=label,
        symbol=symbol,
        kind="ceiling",
        meaning="Correlation over particles between generated and simulated means over replicas, averaged "
        "over configurations, beside the best that as many draws of a perfect sampler could reach.",
        source=source,
        summarise=summarise,
        combine=lambda averages: averages["pearson"],
        reference=best.name,
        limits=(-1.0, 1.0),
        aim=0.8,
        main=main,
    )
    return correlation, best


def chi4_of(
    prefix: str,
    label: str,
    meaning: str,
    source: Source,
    shares: Shares,
    *,
    parts: tuple[str, ...] = ("within", "between", "total"),
    main: bool = False,
) -> tuple[OfFields, ...]:
    """chi4 of a share of the particles: within configurations, between them, and both together.

    N times the variance of ``shares``, split as `gensample.stats.dynamics` does; names ``prefix_within`` ...
    """

    def summarise(view: View, members: Integers) -> Summary:
        share = shares(view, members)
        return {
            "mean": share.mean(),
            "square": share.mean() ** 2,
            "noise": len(members) * share.var(ddof=1) / len(share),
            "within": len(members) * share.var(ddof=1),
            "replicas": as_array(len(share)),
        }

    def quantity(part: str) -> OfFields:
        return OfFields(
            name=f"{prefix}_{part}",
            label=f"{label}, {_PLACES[part]}",
            kind="pair",
            meaning=f"Number of particles times the variance of {meaning} {_MEANINGS[part]}",
            source=source,
            summarise=summarise,
            combine=_COMBINE[part],
            bounds=_BOUNDS[part],
            draws=4,
            aim=0.30,
            needs=0.05,
            main=main and part == "within",
        )

    return tuple(quantity(part) for part in parts)


_PLACES = {"within": "within a configuration", "between": "between configurations", "total": "in all"}
_MEANINGS = {
    "within": "between replicas of one configuration.",
    "between": "between configurations, of its mean over replicas.",
    "total": "over all fields: the two parts together.",
}


def _within(averages: Averages) -> Floats:
    return averages["within"]


def _spread(averages: Averages) -> Floats:
    count = averages.configurations
    return dynamics.chi4_spread(averages["mean"], averages["square"], count, averages.particles)


def _between(averages: Averages) -> Floats:
    return _spread(averages) - averages["noise"]


def _total(averages: Averages) -> Floats:
    # One configuration shows no variance between configurations.
    return _within(averages) + _between(averages)


_COMBINE = {"within": _within, "between": _between, "total": _total}


def _parts(value: Averages, resampled: Averages) -> tuple[Bounds, Bounds]:
    count = value.configurations
    parts = (_within, _spread, lambda averages: averages["noise"])
    within, spread, noise = (
        (part(value)[0], intervals.standard_error(part(resampled), count)) for part in parts
    )
    return intervals.chi4(within, spread, noise, value.stacked["replicas"])


def _total_bounds(value: Averages, resampled: Averages) -> Bounds:
    within, between = _parts(value, resampled)
    # A sum is the difference from the negative.
    low, high = between
    negative = (-_between(value)[0], -high, -low)
    return intervals.difference((_within(value)[0], *within), negative)


_BOUNDS: dict[str, Callable[[Averages, Averages], Bounds]] = {
    "within": lambda value, resampled: _parts(value, resampled)[0],
    "between": lambda value, resampled: _parts(value, resampled)[1],
    "total": _total_bounds,
}
