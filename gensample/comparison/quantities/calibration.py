"""Calibration of the length, the propensity and the overlap: rank histograms and coverage of intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from zlib import crc32

import numpy as np

from gensample.comparison.averages import Averages, Summary
from gensample.comparison.quantities import Axis, OfFields, register
from gensample.comparison.view import Structure, View
from gensample.seeding import numpy_generator
from gensample.stats import calibration, dynamics
from gensample.stats.ensemble import Floats, Integers
from gensample.stats.propensity import magnitudes


def _length(seen: View, made: View, members: Integers) -> Summary:
    ours, theirs = (magnitudes(view.u[:, members]) for view in (seen, made))
    return {"cdf": calibration.ensemble_pit(ours, theirs)}


def _propensity(seen: View, made: View, members: Integers) -> Summary:
    ours, theirs = (magnitudes(view.u[:, members]) for view in (seen, made))
    # A key of the configuration: splits common to all of them would leave an error that no interval shows.
    generator = numpy_generator(crc32(seen.positions.tobytes()), len(ours), len(theirs))
    return {"cdf": calibration.mean_pit(ours, theirs, generator)}


def _overlap(seen: View, made: View, members: Integers) -> Summary:
    ours, theirs = (dynamics.overlap(view.u[:, members])[:, None] for view in (seen, made))
    return {"cdf": calibration.ensemble_pit(ours, theirs)}


def _coverage(number: int) -> Callable[[Averages], Floats]:
    return lambda averages: calibration.coverage(averages["cdf"])[:, number]


def _histogram(averages: Averages) -> Floats:
    return calibration.rank_histogram(averages["cdf"])


def _centres(structure: Structure) -> Floats:
    return (np.arange(calibration.BINS) + 0.5) / calibration.BINS


def _quantities(
    prefix: str, label: str, what: str, summarise: Callable[..., Summary], draws: int
) -> Iterator[OfFields]:
    for number, level in enumerate(calibration.LEVELS):
        percent = f"{100 * level:.0f}"
        yield OfFields(
            name=f"{prefix}_coverage_{percent}",
            label=f"Coverage of {percent} %, {label}",
            symbol="",
            kind="nominal",
            meaning=f"Share of {what} that lie in the central {percent} % of what the draws allow. Fewer: "
            "the generator is too sure of itself, or wrong; more: too unsure.",
            source="displacements",
            summarise=summarise,
            combine=_coverage(number),
            reference=level,
            limits=(0.0, 1.0),
            draws=draws,
            aim=0.05,
            main=prefix == "propensity" and level == 0.8,
        )
    yield OfFields(
        name=f"{prefix}_ranks",
        label=f"Rank histogram, {label}",
        symbol="PIT",
        kind="nominal",
        meaning="Where simulated values lie among the draws, from the lowest to the highest: flat where "
        "calibrated, a bowl where the draws are too narrow, a hill where too wide, a slope where off.",
        source="displacements",
        summarise=summarise,
        combine=_histogram,
        axis=Axis("place among the draws", _centres),
        reference=1.0,
        limits=(0.0, np.inf),
    )


register(
    *_quantities("length", "|u|", "the simulated lengths |u|", _length, 4),
    *_quantities("propensity", "propensity", "the simulated propensities", _propensity, 4),
    *_quantities("overlap", "overlap", "the overlaps of the simulated fields", _overlap, 8),
)
