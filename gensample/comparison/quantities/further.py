"""Further statistics of displacements: relative to the cage, calibration, what scattering would see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from zlib import crc32

import numpy as np

from gensample.comparison.quantities import Axis, OfFields, chi4_of, propensity_pair, quantity, register
from gensample.comparison.view import Averages, Structure, Summary, View
from gensample.seeding import numpy_generator
from gensample.stats import dynamics, pairs, scores
from gensample.stats.dynamics import Floats, Integers, as_array, magnitudes


def _lengths(view: View, members: Integers) -> Floats:
    return magnitudes(view.cage_relative[:, members])


def _shares(view: View, members: Integers) -> Floats:
    return dynamics.overlap(view.cage_relative[:, members])


def _size(view: View, members: Integers) -> Summary:
    return {"msd": as_array(dynamics.msd(view.cage_relative[:, members]))}


@quantity("Mean squared displacement, cage-relative", "⟨u_cr²⟩ / σ²", of=_size, positive=True, aim=0.06)
def cr_msd(averages: Averages) -> Floats:
    """Mean square of the displacement relative to the cage: that of a particle minus the mean of its initial
    neighbours'. Long waves, which move whole neighbourhoods in two dimensions, drop out.
    """
    return averages["msd"]


register(
    *propensity_pair("cr_pearson", "Propensity, cage-relative, Pearson", "ρ_cr", "displacements", _lengths),
    *chi4_of(
        "cr_chi4",
        "χ₄, cage-relative",
        "the share of the particles that moved less than 0.3 σ relative to their cage",
        "displacements",
        _shares,
    ),
)


def _length_pit(seen: View, made: View, members: Integers) -> Summary:
    ours, theirs = (magnitudes(view.u[:, members]) for view in (seen, made))
    return {"cdf": scores.ensemble_pit(ours, theirs)}


def _propensity_pit(seen: View, made: View, members: Integers) -> Summary:
    ours, theirs = (magnitudes(view.u[:, members]) for view in (seen, made))
    # A key of the configuration: splits common to all of them would leave an error that no interval shows.
    generator = numpy_generator(crc32(seen.positions.tobytes()), len(ours), len(theirs))
    return {"cdf": scores.mean_pit(ours, theirs, generator)}


def _overlap_pit(seen: View, made: View, members: Integers) -> Summary:
    ours, theirs = (dynamics.overlap(view.u[:, members])[:, None] for view in (seen, made))
    return {"cdf": scores.ensemble_pit(ours, theirs)}


def _coverage(number: int) -> Callable[[Averages], Floats]:
    return lambda averages: scores.coverage(averages["cdf"])[:, number]


def _histogram(averages: Averages) -> Floats:
    return scores.rank_histogram(averages["cdf"])


def _centres(structure: Structure) -> Floats:
    return (np.arange(scores.PIT_BINS) + 0.5) / scores.PIT_BINS


def _quantities(
    prefix: str, label: str, what: str, summarise: Callable[..., Summary], draws: int
) -> Iterator[OfFields]:
    for number, level in enumerate(scores.PIT_LEVELS):
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
    *_quantities("length", "|u|", "the simulated lengths |u|", _length_pit, 4),
    *_quantities("propensity", "propensity", "the simulated propensities", _propensity_pit, 4),
    *_quantities("overlap", "overlap", "the overlaps of the simulated fields", _overlap_pit, 8),
)


WAVE_NUMBERS: Floats = np.arange(1.0, 13.0)


def _self_scattering(view: View, members: Integers) -> Summary:
    values = dynamics.self_scattering(view.u[:, members], [dynamics.WAVE_NUMBER, *WAVE_NUMBERS])
    return {"peak": values[0], "curve": values[1:]}


def _overlap(view: View, members: Integers) -> Floats:
    return dynamics.overlap(view.u[:, members])


def _four_point(view: View, members: Integers) -> Summary:
    u, edges = view.u[:, members], pairs.wave_edges(view.box)
    sums = pairs.four_point_sums(u, view.positions[members], view.box, edges)
    return {"overlap": dynamics.overlap(u).mean(), **sums._asdict()}


def _sums(averages: Averages) -> pairs.FourPointSums:
    return pairs.FourPointSums(*(averages[name] for name in pairs.FourPointSums._fields))


def _length(averages: Averages, s4: Floats) -> Floats:
    sums = _sums(averages)
    vectors = np.where(sums.vectors > 0, sums.vectors, np.nan)
    return pairs.ornstein_zernike(sums.square / vectors, s4, sums.vectors)


def _moduli(structure: Structure) -> Floats:
    """Root mean square |q| of the wave vectors in each bin."""
    edges = pairs.wave_edges(structure.box)
    square = (pairs.wave_vectors(structure.box, float(edges[-1])) ** 2).sum(axis=1)
    count, _ = np.histogram(square, edges**2)
    total, _ = np.histogram(square, edges**2, weights=square)
    return np.sqrt(total / np.where(count > 0, count, np.nan))


_Q = Axis("wave number q σ", _moduli)
_NUMBERS = Axis("wave number q σ", lambda structure: WAVE_NUMBERS)


@quantity(
    "Self scattering at the first peak", "F_s(q = 7.25)", of=_self_scattering, limits=(-1.0, 1.0), aim=0.05,
    needs=0.02,
)  # fmt: skip
def scattering(averages: Averages) -> Floats:
    """Mean of exp(i q·u) at the wave number of the first peak of the structure factor: what neutrons see of
    the motion of single particles. It falls to 1/e in the relaxation time.
    """
    return averages["peak"]


@quantity("Self scattering", "F_s(q)", of=_self_scattering, limits=(-1.0, 1.0), axis=_NUMBERS)
def scattering_curve(averages: Averages) -> Floats:
    """Mean of exp(i q·u), averaged over the directions of q."""
    return averages["curve"]


register(*chi4_of("chi4", "χ₄", "the overlap", "displacements", _overlap, parts=("total",)))


@quantity("Four-point structure factor", "S₄(q)", of=_four_point, axis=_Q)
def s4(averages: Averages) -> Floats:
    """Structure factor of the field that is 1 where a particle has moved less than 0.3 σ and 0 elsewhere,
    less its mean over all fields. It rises at small q where slow particles sit together; at q = 0 it is χ₄.
    """
    return pairs.four_point(_sums(averages), averages["overlap"]).total


@quantity("Four-point structure factor, within a configuration", "S₄(q)", of=_four_point, axis=_Q)
def s4_within(averages: Averages) -> Floats:
    """The same less the mean over the replicas of a configuration: what the velocities decide."""
    return pairs.four_point(_sums(averages), averages["overlap"]).within


_LENGTH: dict[str, Any] = {"limits": (0.0, np.inf), "draws": 4, "aim": 0.25, "needs": 0.5}


@quantity("Four-point length", "ξ₄ / σ", of=_four_point, **_LENGTH)
def s4_length(averages: Averages) -> Floats:
    """Length of the regions that are slow together, from S₄(q) = S₄(0) / (1 + q²ξ²) at q σ ≤ 1.5; undefined
    in boxes below about 13 σ.
    """
    return _length(averages, s4(averages))


@quantity("Four-point length, within a configuration", "ξ₄ / σ", of=_four_point, **_LENGTH)
def s4_length_within(averages: Averages) -> Floats:
    """Length of the regions that are slow together, from S₄(q) = S₄(0) / (1 + q²ξ²) at q σ ≤ 1.5; undefined
    in boxes below about 13 σ; of the fluctuations between replicas of one configuration alone.
    """
    return _length(averages, s4_within(averages))
