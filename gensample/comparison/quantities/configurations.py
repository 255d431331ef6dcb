"""Quantities of two sets of configurations: energies, arrangement, and what a predictor reads off them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from gensample.comparison.quantities import EVERYONE, Entries, Kind, OfSets, register
from gensample.comparison.sets import Entry, Sets, Side, group_letters
from gensample.stats import sets as stats
from gensample.stats.dynamics import Floats
from gensample.stats.intervals import percentile_interval, resampled_sums
from gensample.stats.scores import cdf_on, wasserstein_from_gap
from gensample.stats.sets import Distance, profile_distance, sample_distance, split_weights, splits

PROPENSITY_GRID = 400
Generator = np.random.Generator


def _entry(value: Any, low: Any = np.nan, high: Any = np.nan) -> Entry:
    """{"value": v, "interval": [lo, hi]}; the interval is None where there is none."""
    bounds = [float(low), float(high)]
    return {"value": float(value), "interval": None if np.isnan(bounds).any() else bounds}


def _mean(of: Sets, values: Floats, generator: Generator, log_w: Floats | None = None) -> Entry:
    return _entry(*stats.reweighted_mean(values, generator, log_w, of.bootstrap))


def _means(
    of: Sets, sim: Floats, gen: Floats, generator: Generator, log_w: Floats | None
) -> dict[str, Entry]:
    """Means of one number a configuration."""
    found = {"simulated": _mean(of, sim, generator), "generated": _mean(of, gen, generator)}
    return found if log_w is None else found | {"reweighted": _mean(of, gen, generator, log_w)}


def _distance(found: Distance) -> dict[str, Entry]:
    """Means of a distance over splits and the range that 95 % of the splits lie in; nan without a split."""

    def spread(values: Floats) -> Entry:
        if not len(values):
            return _entry(np.nan)
        with np.errstate(invalid="ignore"):
            return _entry(values.mean(), *np.quantile(values, [0.025, 0.975]))

    return {"generated": spread(found.generated), "halves": spread(found.halves)}


# Energies


def _energies(name: str, of: Sets, generator: Generator) -> Entries:
    sim, gen = (getattr(side, name) for side in (of.simulated, of.generated))
    if sim is None or gen is None:
        return {}
    logs = {"generated": None} | ({} if of.log_weights is None else {"reweighted": of.log_weights})
    found = {
        "gap": {source: _gap(of, sim, gen, log_w, generator) for source, log_w in logs.items()},
        "W1": _distance(sample_distance(sim, gen, generator)),
        "": _means(of, sim, gen, generator, of.log_weights),
        "sd": {"simulated": _deviation(of, sim, None, generator)}
        | {source: _deviation(of, gen, log_w, generator) for source, log_w in logs.items()},
        "median": {"simulated": _entry(np.median(sim)), "generated": _entry(np.median(gen))},
        "not_finite": {
            "simulated": _entry((~np.isfinite(sim)).sum()),
            "generated": _entry((~np.isfinite(gen)).sum()),
        },
    }
    return {f"{name}_{part}".rstrip("_"): {EVERYONE: entries} for part, entries in found.items()}


def _gap(of: Sets, sim: Floats, gen: Floats, log_w: Floats | None, generator: Generator) -> Entry:
    """Difference of mean energies from simulation, the two sets resampled independently."""
    value = _mean(of, gen, generator, log_w)["value"] - _mean(of, sim, generator)["value"]
    if min(len(sim), len(gen)) < 2:
        return _entry(value)
    draws = [
        stats.resampled_means(x, generator, logs, of.bootstrap) for x, logs in ((gen, log_w), (sim, None))
    ]
    with np.errstate(invalid="ignore"):
        return _entry(value, *percentile_interval(draws[0] - draws[1]))


def _deviation(of: Sets, values: Floats, logs: Floats | None, generator: Generator) -> Entry:
    found = stats.reweighted_variance(values, generator, logs, of.bootstrap)
    return _entry(*(np.sqrt(np.maximum(x, 0.0)) for x in found))


def _heat_capacity(of: Sets, generator: Generator) -> Entries:
    cases: dict[str, tuple[Side, Floats | None]] = {
        "simulated": (of.simulated, None),
        "generated": (of.generated, None),
    }
    if of.log_weights is not None:
        cases["reweighted"] = (of.generated, of.log_weights)
    found = {
        source: stats.heat_capacity(
            side.energy, of.temperature, len(side.species), side.dimension, generator, logs, of.bootstrap
        )
        for source, (side, logs) in cases.items()
        if side.energy is not None
    }
    if not found:
        return {}
    excess = found["simulated"].excess.value
    gaps = of.found["energy_gap"][EVERYONE]
    return {
        "temperature_offset": {EVERYONE: {k: _divided(gap, excess) for k, gap in gaps.items()}},
        "heat_capacity_excess": {EVERYONE: {k: _entry(*c.excess) for k, c in found.items()}},
        "heat_capacity": {EVERYONE: {k: _entry(*c.total) for k, c in found.items()}},
    }


def _divided(gap: Entry, by: float) -> Entry:
    """A gap and its interval over a number that is taken as exact."""
    if not by > 0:
        return _entry(np.nan)
    interval = gap["interval"]
    return {"value": gap["value"] / by, "interval": interval and [x / by for x in interval]}


# Arrangement


def _profiles(of: Sets, generator: Generator) -> Entries:
    same_box = np.allclose(of.simulated.box[:1], of.generated.box, rtol=1e-6)
    theirs = of.generated.tables.profiles
    return {
        f"{name}_distance": {EVERYONE: _distance(profile_distance(ours, theirs[name], generator))}
        for name, ours in of.simulated.tables.profiles.items()
        # Boxes of different size allow different wave vectors, even within one bin.
        if name != "structure_factor" or same_box
    }


def _closest(of: Sets, generator: Generator) -> Entries:
    found: dict[str, dict[str, Any]] = {"closest": {}, "closest_least": {}, "closest_below": {}}
    for k, label in enumerate(of.simulated.tables.pairs):
        ours, theirs = (side.tables.closest[:, k] for side in (of.simulated, of.generated))
        below = (theirs < ours.min()).astype(float)
        found["closest"][label] = _means(of, ours, theirs, generator, of.log_weights)
        found["closest_least"][label] = {
            "simulated": _entry(ours.min()),
            "generated": _entry(theirs.min()),
        }
        # Of n + 1 exchangeable configurations each is equally likely to have the closest pair.
        found["closest_below"][label] = {
            "generated": _mean(of, below, generator),
            "halves": _entry(1 / (len(ours) + 1)),
        }
    return found


def _coordination(of: Sets, generator: Generator) -> Entries:
    ours, theirs = (side.tables.coordination for side in (of.simulated, of.generated))
    shells = enumerate(of.simulated.tables.shells)
    means = {label: _means(of, ours[:, k], theirs[:, k], generator, of.log_weights) for k, label in shells}
    return {"coordination": means}


# Propensities


def _propensities(of: Sets, generator: Generator) -> Entries:
    """Mean and standard deviation over particles, and W1, of each species and lag time."""
    if of.simulated.propensity is None or of.generated.propensity is None:
        return {}
    found: dict[str, dict[str, Any]] = {"propensity_mean": {}, "propensity_sd": {}, "propensity_W1": {}}
    for label, ours, theirs in zip(
        group_letters(of.simulated), of.simulated.by_group(), of.generated.by_group(), strict=True
    ):
        found["propensity_mean"][label] = _means(of, ours.mean(1), theirs.mean(1), generator, None)
        found["propensity_sd"][label] = {
            "simulated": _pooled_deviation(of, ours, generator),
            "generated": _pooled_deviation(of, theirs, generator),
        }
        found["propensity_W1"][label] = _distance(_propensity_distance(ours, theirs, generator))
    return found


def _pooled_deviation(of: Sets, values: Floats, generator: Generator) -> Entry:
    """Standard deviation over all particles of all configurations, (C, n); configurations resampled."""
    centred = values - values.mean()
    table = np.stack([centred.mean(1), (centred**2).mean(1)], axis=1)
    draws = resampled_sums(table, of.bootstrap, generator) / len(table)
    value = np.sqrt(table[:, 1].mean())
    if len(table) < 2:
        return _entry(value)
    return _entry(value, *percentile_interval(np.sqrt(np.maximum(draws[:, 1] - draws[:, 0] ** 2, 0.0))))


def _propensity_distance(sim: Floats, gen: Floats, generator: Generator) -> Distance:
    """W1 of the values of all particles, (C, n): whole configurations are split, never particles."""
    grid = np.linspace(min(sim.min(), gen.min()), max(sim.max(), gen.max()), PROPENSITY_GRID)
    parts = list(splits(len(sim), len(gen), generator))
    if not parts:
        return Distance(np.empty(0), np.empty(0))
    ours, theirs = cdf_on(sim, grid), cdf_on(gen, grid)
    first, second = (split_weights([p[k] for p in parts], len(sim)) @ ours for k in range(2))
    drawn = split_weights([p.drawn for p in parts], len(gen)) @ theirs
    return Distance(wasserstein_from_gap(first - drawn, grid), wasserstein_from_gap(first - second, grid))


# Words: name, label, kind, aim, whether it is a main row, how it is found, meaning

_Words = tuple[str, str, Kind, float | None, bool, Callable[[Sets, Generator], Entries], str]

# fmt: off


def _energy_words(name: str, label: str, meaning: str) -> tuple[_Words, ...]:
    find = partial(_energies, name)
    return (
        (f"{name}_gap", f"{label}: gap", "gap", 0.25, True, find,
         f"Mean generated minus mean simulated {meaning} A sampler of nearly right structure shows here "
         "first what is wrong: overlapping particles cost much."),
        (f"{name}_W1", f"{label}: distance W₁", "floor", 2.0, True, find,
         "Wasserstein distance between the generated and simulated histograms of energies per particle: the "
         "mean distance by which one must be moved to become the other."),
        (name, f"{label}: mean", "shown", None, True, find, f"Mean {meaning}"),
        (f"{name}_sd", f"{label}: std. dev.", "pair", 0.15, False, find,
         "Between configurations, per particle."),
        (f"{name}_median", f"{label}: median", "shown", None, False, find, "Insensitive to a few overlaps."),
        (f"{name}_not_finite", f"{label}: infinite", "shown", None, False, find,
         "Number of configurations whose energy is not finite: particles on one point."),
    )


_WORDS: tuple[_Words, ...] = (
    *_energy_words("energy", "Energy U/N", "potential energy per particle."),
    ("temperature_offset", "Gap as a temperature ΔT", "shown", None, True, _heat_capacity,
     "The energy gap over the excess heat capacity of simulation: how much hotter an equilibrium liquid of "
     "this energy would be. A small gap only: the heat capacity is taken as constant."),
    *_energy_words("inherent_energy", "Inherent energy", "energy per particle of the inherent structure."),
    ("heat_capacity_excess", "Heat capacity, excess", "pair", 0.15, True, _heat_capacity,
     "N Var(U/N) / T²: the part of the heat capacity per particle that is due to the potential energy."),
    ("heat_capacity", "Heat capacity, total", "shown", None, False, _heat_capacity,
     "The excess part and the kinetic d/2."),
    ("pair_distribution_distance", "g(r): distance", "floor", 2.0, True, _profiles,
     "Integral of |Δg| over the integral of g, all kinds of pairs weighed by their share."),
    ("structure_factor_distance", "S(q): distance", "floor", 2.0, True, _profiles,
     "The same for the partial structure factors. Only for boxes of one size, which allow the same wave "
     "vectors."),
    ("closest", "Closest pair / σ", "pair", 0.02, True, _closest,
     "Smallest distance of this kind of pair in a configuration, over its diameter; mean over "
     "configurations."),
    ("closest_least", "Closest pair of all / σ", "shown", None, False, _closest,
     "The smallest in any configuration; falls with their number."),
    ("closest_below", "Closer than ever simulated", "floor", 3.0, True, _closest,
     "Fraction of the generated configurations with a pair closer than any in simulation. The floor is what "
     "a perfect sampler has: 1 / (number of simulated configurations + 1)."),
    ("coordination", "Neighbours", "pair", 0.02, False, _coordination,
     "Mean number of neighbours within 1.4 σ: AB counts the B particles around an A."),
    ("coordination_distance", "Neighbours: distance", "floor", 2.0, True, _profiles,
     "Relative distance, as for g(r), of the distributions of the number of neighbours."),
    ("angles_distance", "Bond angles: distance", "floor", 2.0, True, _profiles,
     "The same for the angles between neighbours, seen from the particle between them."),
    ("propensity_mean", "Predicted propensity: mean", "pair", 0.03, False, _propensities,
     "Mean over particles of the propensity, as a predictor reads it off the structure."),
    ("propensity_sd", "Predicted propensity: std. dev.", "pair", 0.10, False, _propensities,
     "Over all particles of all configurations."),
    ("propensity_W1", "Predicted propensity: W₁", "floor", 2.0, True, _propensities,
     "Wasserstein distance between the histograms over particles."),
)
# fmt: on

for _name, _label, _kind, _aim, _main, _find, _meaning in _WORDS:
    # Energies differ in the fourth decimal; what counts configurations has none.
    _places = 4 if "energy" in _name and not _name.endswith("_not_finite") else None
    register(
        OfSets(
            name=_name, label=_label, kind=_kind, meaning=_meaning, find=_find, aim=_aim, main=_main,
            places=_places,
        )
    )  # fmt: skip
