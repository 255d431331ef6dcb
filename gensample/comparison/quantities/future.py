"""A future is a configuration: its energy, its closest pairs, its structure."""

from __future__ import annotations

from collections.abc import Callable

from gensample.comparison.averages import Averages, Bounds, Summary, levels, percentile
from gensample.comparison.quantities import Axis, OfFields, mean_of, register
from gensample.comparison.view import Structure, View
from gensample.stats.ensemble import Floats, Integers
from gensample.stats.futures import distance_edges
from gensample.stats.intervals import centers


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


def _median(averages: Averages) -> Floats:
    return averages.quantile("levels", 0.5)


def _percentile(combine: Callable[[Averages], Floats]) -> Callable[[Averages, Averages], Bounds]:
    return lambda value, resampled: percentile(combine(value)[0], combine(resampled))


def _distances(structure: Structure) -> Floats:
    return centers(distance_edges(structure.mixture))


register(
    OfFields(
        name="future_energy_median",
        label="Energy of futures, median",
        symbol="U(x+u)/N",
        kind="pair",
        meaning="Potential energy per particle of the configuration x + u, median over all fields.",
        source="future",
        summarise=_whole,
        combine=_median,
        bounds=_percentile(_median),
        whole=True,
        absolute=True,
        aim=0.01,
        main=True,
    ),
    OfFields(
        name="future_energy",
        label="Energy of futures, mean",
        symbol="⟨U(x+u)⟩/N",
        kind="pair",
        meaning="The same, mean over all fields: a single pair of overlapping cores shows.",
        source="future",
        summarise=_whole,
        combine=mean_of("energy"),
        bounds=_percentile(mean_of("energy")),
        whole=True,
        absolute=True,
        aim=0.01,
    ),
    OfFields(
        name="future_overlapping",
        label="Share of futures with overlaps",
        symbol="",
        kind="pair",
        meaning="Share of the fields in which a pair is nearer than 0.85 σ_ab, where it costs 17 ε and more.",
        source="future",
        summarise=_whole,
        combine=mean_of("overlapping"),
        whole=True,
        absolute=True,
        limits=(0.0, 1.0),
        aim=0.01,
        main=True,
    ),
    OfFields(
        name="future_overlaps",
        label="Overlapping pairs per particle",
        symbol="",
        kind="pair",
        meaning="Pairs nearer than 0.85 σ_ab, per particle.",
        source="future",
        summarise=_whole,
        combine=mean_of("overlaps"),
        whole=True,
    ),
    OfFields(
        name="future_closest",
        label="Closest pair of futures",
        symbol="min r/σ_ab",
        kind="pair",
        meaning="Smallest distance of any pair of a future over its diameter σ_ab, mean over the fields.",
        source="future",
        summarise=_whole,
        combine=mean_of("closest"),
        whole=True,
        absolute=True,
        aim=0.03,
    ),
    OfFields(
        name="future_g_like",
        label="g(r) of futures, like pairs",
        symbol="g_aa(r)",
        kind="pair",
        meaning="Pair distribution of the future x + u, pairs of the species itself.",
        source="future",
        summarise=_structure,
        combine=mean_of("like"),
        axis=Axis("r / σ", _distances),
    ),
    OfFields(
        name="future_g_unlike",
        label="g(r) of futures, unlike pairs",
        symbol="g_ab(r)",
        kind="pair",
        meaning="Pair distribution of the future x + u, pairs of the species with all other ones.",
        source="future",
        summarise=_structure,
        combine=mean_of("unlike"),
        axis=Axis("r / σ", _distances),
    ),
)
