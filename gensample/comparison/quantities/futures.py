"""A future is a configuration: its energy, closest pairs, inherent structure, and its own future."""

from __future__ import annotations

from typing import Any

import numpy as np

from gensample.comparison.quantities import Axis, chi4_of, propensity_pair, quantity, register
from gensample.comparison.view import Averages, Summary, View, levels
from gensample.stats import dynamics, futures, pairs
from gensample.stats.dynamics import Floats, Integers, as_array, magnitudes
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


@quantity(
    "Energy of futures, median", "U(x+u)/N", of=_whole, **FUTURE, percentile=True, absolute=True,
    aim=0.01, main=True,
)  # fmt: skip
def future_energy_median(averages: Averages) -> Floats:
    """Potential energy per particle of the configuration x + u, median over all fields."""
    return averages.quantile("levels", 0.5)


@quantity(
    "Energy of futures, mean", "⟨U(x+u)⟩/N", of=_whole, **FUTURE, percentile=True, absolute=True,
    aim=0.01,
)  # fmt: skip
def future_energy(averages: Averages) -> Floats:
    """The same, mean over all fields: a single pair of overlapping cores shows."""
    return averages["energy"]


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


HOPPING_TOGETHER = 1.5
"""Hopping particles nearer than this in the inherent structure belong to one cluster: first neighbours."""
LOG_EDGES: Floats = np.linspace(-4.0, 1.0, 51)


def _lengths(view: View, members: Integers) -> Floats:
    """|h| of the particles in each field, (R', n)."""
    return magnitudes(view.inherent_fields()[:, members])


def _shares(view: View, members: Integers) -> Floats:
    """Share of the particles that hop in each field, (R',)."""
    return (_lengths(view, members) > dynamics.HOP_LENGTH).mean(axis=1)


def _hops(view: View, members: Integers) -> Summary:
    broken = pairs.bond_breaking(view.inherent_fields(), view.structure.inherent_neighbors)[:, members]
    return {
        "share": _shares(view, members).mean(),
        "bonds": as_array(np.nan if np.isnan(broken).all() else np.nanmean(broken)),
        "logarithms": dynamics.log_displacement(view.inherent_fields()[:, members], LOG_EDGES),
    }


def _energies(view: View, members: Integers) -> Summary:
    energies = view.inherent_energies
    if energies is None:
        return {"mean": as_array(np.nan), "variance": as_array(np.nan)}
    return {"mean": energies.mean(), "variance": energies.var(ddof=1)}


def _clusters(view: View, members: Integers) -> Summary:
    """Sizes of clusters of hopping particles, as sums a field."""
    hopping = _lengths(view, members) > dynamics.HOP_LENGTH
    sizes = pairs.cluster_sizes(hopping, view.structure.inherent_pairs(HOPPING_TOGETHER))
    fields = len(view.inherent_fields())
    return {
        "clusters": as_array(len(sizes) / fields),
        "particles": as_array(sizes.sum() / fields),
        "squares": as_array((sizes**2).sum() / fields),
    }


INHERENT: dict[str, Any] = {"source": "inherent"}
WHOLE: dict[str, Any] = {"source": "inherent", "whole": True}


def _ratio(above: Floats, below: Floats) -> Floats:
    return above / np.where(below > 0, below, np.nan)


@quantity("Inherent energy of futures", "e_IS", of=_energies, **WHOLE, absolute=True, aim=0.005, main=True)
def inherent_energy(averages: Averages) -> Floats:
    """Energy per particle of the inherent structure of x + u, mean over fields: too high where the dynamics
    was too hot or too short to relax.
    """
    return averages["mean"]


@quantity("Inherent energy, spread", "σ(e_IS)", of=_energies, **WHOLE, draws=4, aim=0.3)
def inherent_energy_spread(averages: Averages) -> Floats:
    """Standard deviation of the inherent energy between futures of one configuration, root of the mean
    variance.
    """
    return np.sqrt(averages["variance"])


@quantity(
    "Share of hops", "⟨|h| > 0.3⟩", of=_hops, **INHERENT, positive=True, limits=(0.0, 1.0), aim=0.2,
    needs=0.005, main=True,
)  # fmt: skip
def hops(averages: Averages) -> Floats:
    """Share of the particles whose inherent structure moved by more than 0.3 σ."""
    return averages["share"]


_LOG = Axis("log₁₀ |h|/σ", lambda structure: centers(LOG_EDGES))


@quantity("P(log₁₀ |h|)", "P(log₁₀ |h|)", of=_hops, **INHERENT, axis=_LOG)
def hop_lengths(averages: Averages) -> Floats:
    """Distribution of the logarithm of the displacement between inherent structures: elastic response to the
    left, hops to the right.
    """
    return averages["logarithms"]


register(
    *propensity_pair("hop_pearson", "Propensity of h, Pearson", "ρ_h", "inherent", _lengths, main=True),
    *chi4_of("hop_chi4", "χ₄ of hops", "the share of hops", "inherent", _shares, main=True),
)


@quantity("Hop clusters, mean size", "⟨s⟩", of=_clusters, **WHOLE, aim=0.3)
def hop_cluster(averages: Averages) -> Floats:
    """Mean number of particles in a cluster of hopping particles of any species; two belong together where
    they were nearer than 1.5 σ in the inherent structure at first.
    """
    return _ratio(averages["particles"], averages["clusters"])


@quantity("Hop clusters, size a hopping particle sees", "⟨s²⟩/⟨s⟩", of=_clusters, **WHOLE, aim=0.3)
def hop_cluster_weighted(averages: Averages) -> Floats:
    """Mean size of the cluster that a hopping particle is in."""
    return _ratio(averages["squares"], averages["particles"])


@quantity(
    "Bond breaking, inherent", "C_B", of=_hops, **INHERENT, positive=True, limits=(0.0, 1.0), aim=0.2,
    needs=0.005,
)  # fmt: skip
def inherent_bond_breaking(averages: Averages) -> Floats:
    """Mean fraction of its neighbours in the inherent structure that a particle has lost in that of the
    future.
    """
    return averages["bonds"]
