"""What the inherent structure did: shares of hops, their collective fluctuations, where they happen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gensample.comparison.averages import Averages, Summary
from gensample.comparison.quantities import Axis, OfFields, mean_of, register
from gensample.comparison.quantities.families import chi4_of, propensity_of
from gensample.comparison.view import View
from gensample.stats import bonds, clusters, dynamics
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
    broken = bonds.bond_breaking(view.inherent_fields(), view.structure.inherent_neighbors)[:, members]
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
    sizes = clusters.sizes(hopping, view.structure.inherent_pairs(HOPPING_TOGETHER))
    fields = len(view.inherent_fields())
    return {
        "clusters": as_array(len(sizes) / fields),
        "particles": as_array(sizes.sum() / fields),
        "squares": as_array((sizes**2).sum() / fields),
    }


def _ratio(above: str, below: str) -> Callable[[Averages], Floats]:
    def combine(averages: Averages) -> Floats:
        denominator = averages[below]
        return averages[above] / np.where(denominator > 0, denominator, np.nan)

    return combine


register(
    OfFields(
        name="inherent_energy",
        label="Inherent energy of futures",
        symbol="e_IS",
        kind="pair",
        meaning="Energy per particle of the inherent structure of x + u, mean over fields: too high where "
        "the dynamics was too hot or too short to relax.",
        source="inherent",
        summarise=_energies,
        combine=mean_of("mean"),
        whole=True,
        absolute=True,
        aim=0.005,
        main=True,
    ),
    OfFields(
        name="inherent_energy_spread",
        label="Inherent energy, spread",
        symbol="σ(e_IS)",
        kind="pair",
        meaning="Standard deviation of the inherent energy between futures of one configuration, root of the "
        "mean variance.",
        source="inherent",
        summarise=_energies,
        combine=lambda averages: np.sqrt(averages["variance"]),
        whole=True,
        draws=4,
        aim=0.3,
    ),
    OfFields(
        name="hops",
        label="Share of hops",
        symbol="⟨|h| > 0.3⟩",
        kind="pair",
        meaning="Share of the particles whose inherent structure moved by more than 0.3 σ.",
        source="inherent",
        summarise=_hops,
        combine=mean_of("share"),
        positive=True,
        limits=(0.0, 1.0),
        aim=0.2,
        needs=0.005,
        main=True,
    ),
    OfFields(
        name="hop_lengths",
        label="P(log₁₀ |h|)",
        symbol="P(log₁₀ |h|)",
        kind="pair",
        meaning="Distribution of the logarithm of the displacement between inherent structures: elastic "
        "response to the left, hops to the right.",
        source="inherent",
        summarise=_hops,
        combine=mean_of("logarithms"),
        axis=Axis("log₁₀ |h|/σ", lambda structure: centers(LOG_EDGES)),
    ),
    *propensity_of("hop_pearson", "Propensity of h, Pearson", "ρ_h", "inherent", lengths, main=True),
    *chi4_of("hop_chi4", "χ₄ of hops", "the share of hops", "inherent", shares, main=True),
    OfFields(
        name="hop_cluster",
        label="Hop clusters, mean size",
        symbol="⟨s⟩",
        kind="pair",
        meaning="Mean number of particles in a cluster of hopping particles of any species; two belong "
        "together where they were nearer than 1.5 σ in the inherent structure at first.",
        source="inherent",
        summarise=_clusters,
        combine=_ratio("particles", "clusters"),
        whole=True,
        aim=0.3,
    ),
    OfFields(
        name="hop_cluster_weighted",
        label="Hop clusters, size a hopping particle sees",
        symbol="⟨s²⟩/⟨s⟩",
        kind="pair",
        meaning="Mean size of the cluster that a hopping particle is in.",
        source="inherent",
        summarise=_clusters,
        combine=_ratio("squares", "particles"),
        whole=True,
        aim=0.3,
    ),
    OfFields(
        name="inherent_bond_breaking",
        label="Bond breaking, inherent",
        symbol="C_B",
        kind="pair",
        meaning="Mean fraction of its neighbours in the inherent structure that a particle has lost in "
        "that of the future.",
        source="inherent",
        summarise=_hops,
        combine=mean_of("bonds"),
        positive=True,
        limits=(0.0, 1.0),
        aim=0.2,
        needs=0.005,
    ),
)
