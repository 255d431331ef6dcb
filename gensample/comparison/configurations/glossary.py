"""Every number of the report on configurations once: its name, how it is judged, and plain words.

Formulas and sources are in docs/statistics.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["gap", "pair", "floor", "shown"]


@dataclass(frozen=True)
class Quantity:
    """One row of a table, or one for each kind of pair.

    ``places``: decimals to show, None for two or three significant digits. ``kind`` says how it is judged:
    "gap" in standard deviations of the simulated energies, "pair" against simulation, "floor" as a multiple
    of what halves of simulation give, "shown" not at all. ``aim`` is the largest gap, relative deviation or
    multiple called good.
    """

    name: str
    label: str
    kind: Kind
    meaning: str
    aim: float | None = None
    main: bool = False
    places: int | None = None


def _energies(name: str, label: str, meaning: str) -> tuple[Quantity, ...]:
    return (
        Quantity(
            f"{name}_gap",
            f"{label}: gap",
            "gap",
            f"Mean generated minus mean simulated {meaning} A sampler of nearly right structure shows here "
            "first what is wrong: overlapping particles cost much.",
            aim=0.25,
            main=True,
            places=4,
        ),
        Quantity(
            f"{name}_W1",
            f"{label}: distance W₁",
            "floor",
            "Wasserstein distance between the generated and simulated histograms of energies per particle: "
            "the mean distance by which one must be moved to become the other.",
            aim=2.0,
            main=True,
            places=4,
        ),
        Quantity(name, f"{label}: mean", "shown", f"Mean {meaning}", main=True, places=4),
        Quantity(
            f"{name}_sd",
            f"{label}: std. dev.",
            "pair",
            "Between configurations, per particle.",
            aim=0.15,
            places=4,
        ),
        Quantity(f"{name}_median", f"{label}: median", "shown", "Insensitive to a few overlaps.", places=4),
        Quantity(
            f"{name}_not_finite",
            f"{label}: infinite",
            "shown",
            "Number of configurations whose energy is not finite: particles on one point.",
        ),
    )


QUANTITIES: tuple[Quantity, ...] = (
    *_energies("energy", "Energy U/N", "potential energy per particle."),
    Quantity(
        "temperature_offset",
        "Gap as a temperature ΔT",
        "shown",
        "The energy gap over the excess heat capacity of simulation: how much hotter an equilibrium liquid "
        "of this energy would be. A small gap only: the heat capacity is taken as constant.",
        main=True,
    ),
    *_energies("inherent_energy", "Inherent energy", "energy per particle of the inherent structure."),
    Quantity(
        "heat_capacity_excess",
        "Heat capacity, excess",
        "pair",
        "N Var(U/N) / T²: the part of the heat capacity per particle that is due to the potential energy.",
        aim=0.15,
        main=True,
    ),
    Quantity("heat_capacity", "Heat capacity, total", "shown", "The excess part and the kinetic d/2."),
    Quantity(
        "pair_distribution_distance",
        "g(r): distance",
        "floor",
        "Integral of |Δg| over the integral of g, all kinds of pairs weighed by their share.",
        aim=2.0,
        main=True,
    ),
    Quantity(
        "structure_factor_distance",
        "S(q): distance",
        "floor",
        "The same for the partial structure factors. Only for boxes of one size, which allow the same wave "
        "vectors.",
        aim=2.0,
        main=True,
    ),
    Quantity(
        "closest",
        "Closest pair / σ",
        "pair",
        "Smallest distance of this kind of pair in a configuration, over its diameter; mean over "
        "configurations.",
        aim=0.02,
        main=True,
    ),
    Quantity(
        "closest_least",
        "Closest pair of all / σ",
        "shown",
        "The smallest in any configuration; falls with their number.",
    ),
    Quantity(
        "closest_below",
        "Closer than ever simulated",
        "floor",
        "Fraction of the generated configurations with a pair closer than any in simulation. The floor is "
        "what a perfect sampler has: 1 / (number of simulated configurations + 1).",
        aim=3.0,
        main=True,
    ),
    Quantity(
        "coordination",
        "Neighbours",
        "pair",
        "Mean number of neighbours within 1.4 σ: AB counts the B particles around an A.",
        aim=0.02,
    ),
    Quantity(
        "coordination_distance",
        "Neighbours: distance",
        "floor",
        "Relative distance, as for g(r), of the distributions of the number of neighbours.",
        aim=2.0,
        main=True,
    ),
    Quantity(
        "angles_distance",
        "Bond angles: distance",
        "floor",
        "The same for the angles between neighbours, seen from the particle between them.",
        aim=2.0,
        main=True,
    ),
    Quantity(
        "propensity_mean",
        "Predicted propensity: mean",
        "pair",
        "Mean over particles of the propensity, as a predictor reads it off the structure.",
        aim=0.03,
    ),
    Quantity(
        "propensity_sd",
        "Predicted propensity: std. dev.",
        "pair",
        "Over all particles of all configurations.",
        aim=0.10,
    ),
    Quantity(
        "propensity_W1",
        "Predicted propensity: W₁",
        "floor",
        "Wasserstein distance between the histograms over particles.",
        aim=2.0,
        main=True,
    ),
)
