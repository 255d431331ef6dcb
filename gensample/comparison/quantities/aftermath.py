"""What happens next: futures as starting points of molecular dynamics."""

from __future__ import annotations

from gensample.comparison.averages import Averages, Summary
from gensample.comparison.quantities import Axis, OfFields, mean_of, register
from gensample.comparison.view import View
from gensample.stats import aftermath
from gensample.stats.ensemble import Floats, Integers, as_array


def _course(view: View, members: Integers) -> Summary:
    found = view.aftermath()
    return {"energy": found.energy.mean(axis=0), "overlap": found.overlap.mean(axis=0)}


def _energy_at_last(averages: Averages) -> Floats:
    return averages["energy"][:, -1]


def _overlap_at_last(averages: Averages) -> Floats:
    return averages["overlap"][:, -1]


_AXIS = Axis("time after the future / τ", lambda structure: as_array(aftermath.TIMES))

register(
    OfFields(
        name="next_energy",
        label="Energy 5 τ after the future",
        symbol="U/N",
        kind="pair",
        meaning="Potential energy per particle after 5 τ of molecular dynamics that started from the future "
        "x + u: what a future that is none has turned into.",
        source="aftermath",
        summarise=_course,
        combine=_energy_at_last,
        whole=True,
        absolute=True,
        aim=0.02,
    ),
    OfFields(
        name="next_overlap",
        label="Overlap with the future, 5 τ after it",
        symbol="Q",
        kind="pair",
        meaning="Share of the particles that 5 τ of molecular dynamics leave within 0.3 σ of where they were "
        "in the future x + u: few stay where that is no configuration of the liquid.",
        source="aftermath",
        summarise=_course,
        combine=_overlap_at_last,
        whole=True,
        limits=(0.0, 1.0),
        aim=0.05,
        main=True,
    ),
    OfFields(
        name="next_energy_course",
        label="Energy after the future",
        symbol="U/N",
        kind="pair",
        meaning="Potential energy per particle, against the time of molecular dynamics from the future on.",
        source="aftermath",
        summarise=_course,
        combine=mean_of("energy"),
        whole=True,
        axis=_AXIS,
    ),
    OfFields(
        name="next_overlap_course",
        label="Overlap with the future",
        symbol="Q",
        kind="pair",
        meaning="Share of the particles within 0.3 σ of their places in the future, against the time of "
        "molecular dynamics from there on.",
        source="aftermath",
        summarise=_course,
        combine=mean_of("overlap"),
        whole=True,
        limits=(0.0, 1.0),
        axis=_AXIS,
    ),
)
