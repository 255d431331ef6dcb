"""What the inherent structure did: shares of hops, their collective fluctuations, where they happen."""

from __future__ import annotations

from gensample.comparison.families import chi4_of, propensity_of
from gensample.comparison.quantities import Quantity, mean_of, register
from gensample.comparison.view import View
from gensample.stats.ensemble import Floats, Integers
from gensample.stats.propensity import magnitudes
from gensample.stats.summary import Summary

HOP = 0.3
"""A particle hops where the displacement between inherent structures exceeds this, in sigma_AA."""


def lengths(view: View, members: Integers) -> Floats:
    """|h| of the particles in each field, (R', n)."""
    return magnitudes(view.inherent_fields()[:, members])


def shares(view: View, members: Integers) -> Floats:
    """Share of the particles that hop in each field, (R',)."""
    return (lengths(view, members) > HOP).mean(axis=1)


def _hops(view: View, members: Integers) -> Summary:
    return {"share": shares(view, members).mean()}


register(
    Quantity(
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
    *propensity_of("hop_pearson", "Propensity of h, Pearson", "ρ_h", "inherent", lengths, main=True),
    *chi4_of("hop_chi4", "χ₄ of hops", "the share of hops", "inherent", shares, main=True),
)
