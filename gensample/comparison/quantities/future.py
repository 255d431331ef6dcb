"""A future is a configuration: its energy, its closest pairs, its structure, and what dynamics makes of
it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gensample.comparison.averages import Averages, Bounds, Summary, levels, percentile
from gensample.comparison.quantities import Axis, Combine, quantity
from gensample.comparison.view import View
from gensample.stats import futures
from gensample.stats.ensemble import Floats, Integers, as_array
from gensample.stats.intervals import centers

_R = Axis("r / σ", lambda structure: centers(futures.distance_edges(structure.mixture)))
_TIME = Axis("time after the future / τ", lambda structure: as_array(futures.TIMES))
FUTURE: dict[str, Any] = {"source": "future", "whole": True}
AFTERMATH: dict[str, Any] = {"source": "aftermath", "whole": True}


def _whole(view: View, members: Integers) -> Summary:
    found = view.future
    return {
        "levels": levels(found.energy),
        "energy": found.energy.mean(),
        "overlapping": (found.overlaps > 0).mean(),
        "overlaps": found.overlaps.mean(),
        "closest": found.closest.mean(),
    }


def _structure(view: View, members: Integers) -> Summary:
    species = int(view.species[members[0]])
    return {"like": view.future.like[species], "unlike": view.future.unlike[species]}


def _course(view: View, members: Integers) -> Summary:
    found = view.aftermath()
    return {"energy": found.energy.mean(axis=0), "overlap": found.overlap.mean(axis=0)}


def _percentile(combine: Combine) -> Callable[[Averages, Averages], Bounds]:
    return lambda value, resampled: percentile(combine(value)[0], combine(resampled))


def _median(averages: Averages) -> Floats:
    return averages.quantile("levels", 0.5)


def _mean(averages: Averages) -> Floats:
    return averages["energy"]


@quantity(
    "Energy of futures, median", "U(x+u)/N", of=_whole, **FUTURE, bounds=_percentile(_median), absolute=True,
    aim=0.01, main=True,
)  # fmt: skip
def future_energy_median(averages: Averages) -> Floats:
    """Potential energy per particle of the configuration x + u, median over all fields."""
    return _median(averages)


@quantity(
    "Energy of futures, mean", "⟨U(x+u)⟩/N", of=_whole, **FUTURE, bounds=_percentile(_mean), absolute=True,
    aim=0.01,
)  # fmt: skip
def future_energy(averages: Averages) -> Floats:
    """The same, mean over all fields: a single pair of overlapping cores shows."""
    return _mean(averages)


@quantity(
    "Share of futures with overlaps", of=_whole, **FUTURE, absolute=True, limits=(0.0, 1.0), aim=0.01,
    main=True,
)  # fmt: skip
def future_overlapping(averages: Averages) -> Floats:
    """Share of the fields in which a pair is nearer than 0.85 σ_ab, where it costs 17 ε and more."""
    return averages["overlapping"]


@quantity("Overlapping pairs per particle", of=_whole, **FUTURE)
def future_overlaps(averages: Averages) -> Floats:
    """Pairs nearer than 0.85 σ_ab, per particle."""
    return averages["overlaps"]


@quantity("Closest pair of futures", "min r/σ_ab", of=_whole, **FUTURE, absolute=True, aim=0.03)
def future_closest(averages: Averages) -> Floats:
    """Smallest distance of any pair of a future over its diameter σ_ab, mean over the fields."""
    return averages["closest"]


@quantity("g(r) of futures, like pairs", "g_aa(r)", of=_structure, source="future", axis=_R)
def future_g_like(averages: Averages) -> Floats:
    """Pair distribution of the future x + u, pairs of the species itself."""
    return averages["like"]


@quantity("g(r) of futures, unlike pairs", "g_ab(r)", of=_structure, source="future", axis=_R)
def future_g_unlike(averages: Averages) -> Floats:
    """Pair distribution of the future x + u, pairs of the species with all other ones."""
    return averages["unlike"]


# What happens next


@quantity("Energy 5 τ after the future", "U/N", of=_course, **AFTERMATH, absolute=True, aim=0.02)
def next_energy(averages: Averages) -> Floats:
    """Potential energy per particle after 5 τ of molecular dynamics that started from the future x + u: what
    a future that is none has turned into.
    """
    return averages["energy"][:, -1]


@quantity(
    "Overlap with the future, 5 τ after it", "Q", of=_course, **AFTERMATH, limits=(0.0, 1.0), aim=0.05,
    main=True,
)  # fmt: skip
def next_overlap(averages: Averages) -> Floats:
    """Share of the particles that 5 τ of molecular dynamics leave within 0.3 σ of where they were in the
    future x + u: few stay where that is no configuration of the liquid.
    """
    return averages["overlap"][:, -1]


@quantity("Energy after the future", "U/N", of=_course, **AFTERMATH, axis=_TIME)
def next_energy_course(averages: Averages) -> Floats:
    """Potential energy per particle, against the time of molecular dynamics from the future on."""
    return averages["energy"]


@quantity("Overlap with the future", "Q", of=_course, **AFTERMATH, limits=(0.0, 1.0), axis=_TIME)
def next_overlap_course(averages: Averages) -> Floats:
    """Share of the particles within 0.3 σ of their places in the future, against the time of molecular
    dynamics from there on.
    """
    return averages["overlap"]
