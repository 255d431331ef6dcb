"""What the inherent structure did: shares of hops, their collective fluctuations, where they happen."""

from __future__ import annotations

from typing import Any

import numpy as np

from gensample.comparison.averages import Averages, Summary
from gensample.comparison.quantities import Axis, quantity, register
from gensample.comparison.quantities.families import chi4_of, propensity_of
from gensample.comparison.view import View
from gensample.stats import dynamics, pairs
from gensample.stats.ensemble import Floats, Integers, as_array
from gensample.stats.intervals import centers
from gensample.stats.propensity import magnitudes

HOPPING_TOGETHER = 1.5
"""Hopping particles nearer than this in the inherent structure belong to one cluster: first neighbours."""
LOG_EDGES: Floats = np.linspace(-4.0, 1.0, 51)


def lengths(view: View, members: Integers) -> Floats:
    """|h| of the particles in each field, (R', n)."""
    return magnitudes(view.inherent_fields()[:, members])


def shares(view: View, members: Integers) -> Floats:
    """Share of the particles that hop in each field, (R',)."""
    return (lengths(view, members) > dynamics.HOP_LENGTH).mean(axis=1)


def _hops(view: View, members: Integers) -> Summary:
    broken = pairs.bond_breaking(view.inherent_fields(), view.structure.inherent_neighbors)[:, members]
    return {
        "share": shares(view, members).mean(),
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
    hopping = lengths(view, members) > dynamics.HOP_LENGTH
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
    *propensity_of("hop_pearson", "Propensity of h, Pearson", "ρ_h", "inherent", lengths, main=True),
    *chi4_of("hop_chi4", "χ₄ of hops", "the share of hops", "inherent", shares, main=True),
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
