"""Numbers that compare two sets of configurations: quantity, of what, source, value and interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gensample.stats import weights
from gensample.stats.bootstrap import percentile_interval, resampled_sums
from gensample.stats.configuration_tables import Tables, letters
from gensample.stats.ensemble import Floats, Integers
from gensample.stats.halves import Distance, part_size, sample_distance, split_weights, splits
from gensample.stats.profiles import profile_distance
from gensample.stats.scores import cdf_on, wasserstein_from_gap
from gensample.stats.weights import Estimate

WHOLE = "all"
"""What a quantity is of when it is of the configuration as a whole."""
PROPENSITY_GRID = 400

Entry = dict[str, Any]
Table = dict[str, dict[str, dict[str, Entry]]]


@dataclass(frozen=True)
class Side:
    """One set of configurations, reduced: ``energy`` and ``inherent_energy`` (C,) per particle, the rest as
    in `Configurations` and `Tables`.
    """

    energy: Floats
    inherent_energy: Floats | None
    log_weights: Floats | None
    tables: Tables
    species: Integers
    box: Floats
    propensity: Floats | None
    times: tuple[float, ...]
    dimension: int


def entry(estimate: Estimate) -> Entry:
    """{"value": v, "interval": [lo, hi]}; the interval is None where there is none."""
    bounds = [estimate.low, estimate.high]
    return {"value": estimate.value, "interval": None if np.isnan(bounds).any() else bounds}


def spread(values: Floats) -> Entry:
    """Mean of a distance over splits and the range that 95 % of the splits lie in; nan without a split."""
    if not len(values):
        return entry(Estimate(float("nan")))
    with np.errstate(invalid="ignore"):
        low, high = np.quantile(values, [0.025, 0.975])
    return entry(Estimate(float(values.mean()), float(low), float(high)))


class Quantities:
    """All numbers of one temperature; every method gives {quantity: {of: {source: entry}}}."""

    def __init__(
        self,
        simulated: Side,
        generated: Side,
        temperature: float,
        generator: np.random.Generator,
        bootstrap: int,
    ) -> None:
        self.sim, self.gen, self.temperature = simulated, generated, temperature
        self.generator, self.bootstrap = generator, bootstrap
        self.part = part_size(len(simulated.energy), len(generated.energy))

    def all(self) -> Table:
        """Energies, arrangement, and propensities where both sets have them."""
        found = self._energies("energy", self.sim.energy, self.gen.energy, self.gen.log_weights)
        found |= self._heat_capacity(found["energy_gap"][WHOLE])
        if self.sim.inherent_energy is not None and self.gen.inherent_energy is not None:
            found |= self._energies(
                "inherent_energy", self.sim.inherent_energy, self.gen.inherent_energy, self.gen.log_weights
            )
        found |= self._profiles() | self._closest() | self._coordination()
        if self.sim.propensity is not None and self.gen.propensity is not None:
            found |= self._propensity(self.sim.propensity, self.gen.propensity)
        return found

    def weights(self) -> dict[str, Any] | None:
        """Diagnostics of the weights, None without a log density."""
        logs = self.gen.log_weights
        return None if logs is None else weights.effective_sample_size(logs)._asdict()

    def _mean(self, values: Floats, log_w: Floats | None = None) -> Estimate:
        return weights.reweighted_mean(values, self.generator, log_w, self.bootstrap)

    def _sources(self, sim: Floats, gen: Floats, log_w: Floats | None) -> dict[str, Entry]:
        """Means of one number a configuration."""
        found = {"simulated": entry(self._mean(sim)), "generated": entry(self._mean(gen))}
        return found if log_w is None else found | {"reweighted": entry(self._mean(gen, log_w))}

    # Energies

    def _energies(self, name: str, sim: Floats, gen: Floats, log_w: Floats | None) -> Table:
        finite = {"simulated": np.isfinite(sim), "generated": np.isfinite(gen)}
        return {
            f"{name}_gap": {WHOLE: self._gaps(sim, gen, log_w)},
            f"{name}_W1": {WHOLE: self._distance(sample_distance(sim, gen, self.generator))},
            name: {WHOLE: self._sources(sim, gen, log_w)},
            f"{name}_sd": {WHOLE: self._deviations(sim, gen, log_w)},
            f"{name}_median": {
                WHOLE: {"simulated": _plain(np.median(sim)), "generated": _plain(np.median(gen))}
            },
            f"{name}_not_finite": {WHOLE: {k: _plain((~v).sum()) for k, v in finite.items()}},
        }

    def _gaps(self, sim: Floats, gen: Floats, log_w: Floats | None) -> dict[str, Entry]:
        """Differences of mean energies from simulation, the two sets resampled independently."""
        found = {"generated": entry(self._gap(sim, gen, None))}
        return found if log_w is None else found | {"reweighted": entry(self._gap(sim, gen, log_w))}

    def _gap(self, sim: Floats, gen: Floats, log_w: Floats | None) -> Estimate:
        value = self._mean(gen, log_w).value - self._mean(sim).value
        if min(len(sim), len(gen)) < 2:
            return Estimate(value)
        draws = [
            weights.resampled_means(x, self.generator, logs, self.bootstrap)
            for x, logs in ((gen, log_w), (sim, None))
        ]
        with np.errstate(invalid="ignore"):
            low, high = percentile_interval(draws[0] - draws[1])
        return Estimate(value, float(low), float(high))

    def _deviations(self, sim: Floats, gen: Floats, log_w: Floats | None) -> dict[str, Entry]:
        def deviation(values: Floats, logs: Floats | None) -> Entry:
            found = weights.reweighted_variance(values, self.generator, logs, self.bootstrap)
            return entry(Estimate(*(float(np.sqrt(np.maximum(x, 0.0))) for x in found)))

        found = {"simulated": deviation(sim, None), "generated": deviation(gen, None)}
        return found if log_w is None else found | {"reweighted": deviation(gen, log_w)}

    def _heat_capacity(self, gaps: dict[str, Entry]) -> Table:
        cases: dict[str, tuple[Side, Floats | None]] = {
            "simulated": (self.sim, None),
            "generated": (self.gen, None),
        }
        if self.gen.log_weights is not None:
            cases["reweighted"] = (self.gen, self.gen.log_weights)
        found = {
            source: weights.heat_capacity(
                side.energy, self.temperature, len(side.species), side.dimension, self.generator, logs,
                self.bootstrap,
            )
            for source, (side, logs) in cases.items()
        }  # fmt: skip
        excess = found["simulated"].excess.value
        return {
            "temperature_offset": {WHOLE: {k: _divided(gap, excess) for k, gap in gaps.items()}},
            "heat_capacity_excess": {WHOLE: {k: entry(c.excess) for k, c in found.items()}},
            "heat_capacity": {WHOLE: {k: entry(c.total) for k, c in found.items()}},
        }

    # Arrangement

    def _distance(self, distance: Distance) -> dict[str, Entry]:
        return {"generated": spread(distance.generated), "halves": spread(distance.halves)}

    def _profiles(self) -> Table:
        same_box = np.allclose(self.sim.box[:1], self.gen.box, rtol=1e-6)
        found: Table = {}
        for name, ours in self.sim.tables.profiles.items():
            # Boxes of different size allow different wave vectors, even within one bin.
            if name != "structure_factor" or same_box:
                theirs = self.gen.tables.profiles[name]
                found[f"{name}_distance"] = {
                    WHOLE: self._distance(profile_distance(ours, theirs, self.generator))
                }
        return found

    def _closest(self) -> Table:
        found: Table = {"closest": {}, "closest_least": {}, "closest_below": {}}
        for k, label in enumerate(self.sim.tables.pairs):
            ours, theirs = self.sim.tables.closest[:, k], self.gen.tables.closest[:, k]
            below = (theirs < ours.min()).astype(float)
            found["closest"][label] = self._sources(ours, theirs, self.gen.log_weights)
            found["closest_least"][label] = {
                "simulated": _plain(ours.min()),
                "generated": _plain(theirs.min()),
            }
            # Of n + 1 exchangeable configurations each is equally likely to have the closest pair.
            found["closest_below"][label] = {
                "generated": entry(self._mean(below)),
                "halves": _plain(1 / (len(ours) + 1)),
            }
        return found

    def _coordination(self) -> Table:
        ours, theirs = self.sim.tables, self.gen.tables
        return {
            "coordination": {
                label: self._sources(ours.coordination[:, k], theirs.coordination[:, k], self.gen.log_weights)
                for k, label in enumerate(ours.shells)
            }
        }

    # Propensities

    def _propensity(self, sim: Floats, gen: Floats) -> Table:
        """Mean and standard deviation over particles, and W1, of each species and lag time."""
        found: Table = {"propensity_mean": {}, "propensity_sd": {}, "propensity_W1": {}}
        for k, time in enumerate(self.sim.times):
            for a in range(int(self.sim.species.max()) + 1):
                label = f"{letters(a)}, t = {time:g}"
                ours, theirs = (x[:, s.species == a, k] for x, s in ((sim, self.sim), (gen, self.gen)))
                found["propensity_mean"][label] = self._sources(ours.mean(1), theirs.mean(1), None)
                found["propensity_sd"][label] = {
                    "simulated": self._pooled_deviation(ours),
                    "generated": self._pooled_deviation(theirs),
                }
                found["propensity_W1"][label] = self._distance(self._propensity_distance(ours, theirs))
        return found

    def _pooled_deviation(self, values: Floats) -> Entry:
        """Standard deviation over all particles of all configurations, (C, n); configurations resampled."""
        centred = values - values.mean()
        table = np.stack([centred.mean(1), (centred**2).mean(1)], axis=1)
        draws = resampled_sums(table, self.bootstrap, self.generator) / len(table)
        value = float(np.sqrt(table[:, 1].mean()))
        if len(table) < 2:
            return entry(Estimate(value))
        low, high = percentile_interval(np.sqrt(np.maximum(draws[:, 1] - draws[:, 0] ** 2, 0.0)))
        return entry(Estimate(value, float(low), float(high)))

    def _propensity_distance(self, sim: Floats, gen: Floats) -> Distance:
        """W1 of the values of all particles, (C, n): whole configurations are split, never particles."""
        grid = np.linspace(min(sim.min(), gen.min()), max(sim.max(), gen.max()), PROPENSITY_GRID)
        parts = list(splits(len(sim), len(gen), self.generator))
        if not parts:
            return Distance(np.empty(0), np.empty(0))
        ours, theirs = cdf_on(sim, grid), cdf_on(gen, grid)
        first, second = (split_weights([p[k] for p in parts], len(sim)) @ ours for k in range(2))
        drawn = split_weights([p.drawn for p in parts], len(gen)) @ theirs
        return Distance(wasserstein_from_gap(first - drawn, grid), wasserstein_from_gap(first - second, grid))


def _plain(value: Any) -> Entry:
    return {"value": float(value), "interval": None}


def _divided(gap: Entry, by: float) -> Entry:
    """A gap and its interval over a number that is taken as exact."""
    if not by > 0:
        return _plain(float("nan"))
    interval = gap["interval"]
    return {"value": gap["value"] / by, "interval": interval and [x / by for x in interval]}
