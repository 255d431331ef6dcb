"""Displacements relative to the cage: size, propensity and chi4 without the long waves of two dimensions."""

from __future__ import annotations

from gensample.comparison.averages import Averages, Summary
from gensample.comparison.quantities import quantity, register
from gensample.comparison.quantities.families import chi4_of, propensity_of
from gensample.comparison.view import View
from gensample.stats import dynamics
from gensample.stats.ensemble import Floats, Integers, as_array
from gensample.stats.propensity import magnitudes


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
    *propensity_of("cr_pearson", "Propensity, cage-relative, Pearson", "ρ_cr", "displacements", _lengths),
    *chi4_of(
        "cr_chi4",
        "χ₄, cage-relative",
        "the share of the particles that moved less than 0.3 σ relative to their cage",
        "displacements",
        _shares,
    ),
)
