"""What scattering would see: F_s(q), and the four-point structure factor S4(q) with its length."""

from __future__ import annotations

from typing import Any

import numpy as np

from gensample.comparison.averages import Averages, Summary
from gensample.comparison.quantities import Axis, quantity, register
from gensample.comparison.quantities.families import chi4_of
from gensample.comparison.view import Structure, View
from gensample.stats import correlations, dynamics
from gensample.stats.ensemble import Floats, Integers
from gensample.stats.structure import wave_vectors

WAVE_NUMBERS: Floats = np.arange(1.0, 13.0)


def _self_scattering(view: View, members: Integers) -> Summary:
    values = dynamics.self_scattering(view.u[:, members], [dynamics.WAVE_NUMBER, *WAVE_NUMBERS])
    return {"peak": values[0], "curve": values[1:]}


def _overlap(view: View, members: Integers) -> Floats:
    return dynamics.overlap(view.u[:, members])


def _four_point(view: View, members: Integers) -> Summary:
    u, edges = view.u[:, members], correlations.wave_edges(view.box)
    sums = correlations.four_point_sums(u, view.positions[members], view.box, edges)
    return {"overlap": dynamics.overlap(u).mean(), **sums._asdict()}


def _sums(averages: Averages) -> correlations.FourPointSums:
    return correlations.FourPointSums(*(averages[name] for name in correlations.FourPointSums._fields))


def _length(averages: Averages, s4: Floats) -> Floats:
    sums = _sums(averages)
    vectors = np.where(sums.vectors > 0, sums.vectors, np.nan)
    return correlations.ornstein_zernike(sums.square / vectors, s4, sums.vectors)


def _moduli(structure: Structure) -> Floats:
    """Root mean square |q| of the wave vectors in each bin."""
    edges = correlations.wave_edges(structure.box)
    square = (wave_vectors(structure.box, float(edges[-1])) ** 2).sum(axis=1)
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
    return correlations.four_point(_sums(averages), averages["overlap"]).total


@quantity("Four-point structure factor, within a configuration", "S₄(q)", of=_four_point, axis=_Q)
def s4_within(averages: Averages) -> Floats:
    """The same less the mean over the replicas of a configuration: what the velocities decide."""
    return correlations.four_point(_sums(averages), averages["overlap"]).within


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
