"""Compare generated with simulated isoconfigurational ensembles: every statistic, ceiling and control."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gensample.comparison.registered import EVERYONE, Registered, species_name
from gensample.comparison.sources import SHOWN, Fields, check_names, pairings, sources_of
from gensample.comparison.view import Sequel, Structure, View
from gensample.errors import DataError
from gensample.physics.mixtures import Mixture
from gensample.seeding import numpy_generator
from gensample.stats import bonds, c2st, curves, distinct, metrics, summary
from gensample.stats.bootstrap import resample_weights
from gensample.stats.dynamics import OVERLAP_LENGTH
from gensample.stats.ensemble import Ensemble, Floats, as_array
from gensample.stats.propensity import require_replicas

Key = tuple[int, int]
"""(lag index, species)"""


class Result(NamedTuple):
    """``metrics`` is JSON-ready; ``curves`` maps a name to rows, dicts of `curves.CurveRow`."""

    metrics: dict[str, Any]
    curves: curves.Curves


def compare(
    simulated: Sequence[Ensemble],
    generated: Sequence[Ensemble],
    times: Any,
    *,
    mixture: Mixture,
    temperature: Any,
    seed: int,
    bootstrap: int = 1000,
    beside: Mapping[str, Sequence[Ensemble]] | None = None,
    follow: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Result:
    """All metrics of docs/statistics.md for each lag and species, with controls and 95 % intervals.

    ``simulated`` and ``generated`` pair the same configurations in the same order (numbers of replicas may
    differ) and are read one item at a time, as are further sources ``beside``, by name; ``times`` (K,) lag
    times; ``mixture``, truncated as the data are, for diameters and energies; ``temperature`` one number or
    (C,); ``seed`` decides controls, half samples, classifier samples and resamples; ``bootstrap`` is the
    number of resamples of configurations; molecular dynamics starts from the first ``follow`` futures of
    every configuration, lag and source that is no control; ``progress`` is called with a line after each
    configuration.

    Raises DataError where the sources are not ensembles of the same configurations, or hold a field
    twice, ConfigError where a further source has a name that is taken.
    """
    lags = as_array(times).ravel()
    others = dict(beside or {})
    check_names(others)
    _check(simulated, {"generated": generated, **others}, lags)
    temperatures = np.broadcast_to(as_array(temperature), len(simulated))
    plan = _Plan.of(simulated[0], len(simulated), mixture, seed, tuple(others))._replace(follow=follow)
    gathered = _Gathered(plan, lags, temperatures)
    for c in range(plan.configurations):
        gathered.add(c, simulated[c], generated[c], {name: source[c] for name, source in others.items()})
        if progress is not None:
            progress(f"statistics of configuration {c + 1} of {plan.configurations}")
    return gathered.result(temperature, bootstrap)


def _check(simulated: Sequence[Ensemble], others: Mapping[str, Sequence[Ensemble]], lags: Floats) -> None:
    for name, drawn in others.items():
        if len(simulated) == 0 or len(simulated) != len(drawn):
            raise DataError(
                f"compare pairs configurations: got {len(simulated)} simulated and {len(drawn)} {name}; "
                "pass the same configurations in the same order, at least one"
            )
    if lags.size != simulated[0].num_lags:
        raise DataError(f"times must hold {simulated[0].num_lags} lag times, got {lags.size}")


def _check_paired(c: int, first: Ensemble, ensembles: Mapping[str, Ensemble], lags: int) -> None:
    """The same configuration in all sources, and the same species in all of them."""
    simulated = ensembles["simulated"]
    for name, ensemble in ensembles.items():
        require_replicas(ensemble.num_replicas, 2, f"comparing configuration {c} ({name})")
        if ensemble.positions.shape != first.positions.shape or ensemble.num_lags != lags:
            raise DataError(
                f"configuration {c} ({name}) has {ensemble.num_lags} lags and positions "
                f"{ensemble.positions.shape}, the first one {lags} and {first.positions.shape}; "
                "compare datasets of one system and one set of lag times"
            )
        if not np.array_equal(ensemble.species, first.species):
            raise DataError(f"configuration {c} ({name}) has other species than the first; order them alike")
        gap = simulated.positions - ensemble.positions
        gap -= simulated.box * np.round(gap / simulated.box)
        if np.abs(gap).max() > 1e-3:
            raise DataError(
                f"configuration {c} differs between simulated and {name} by up to {np.abs(gap).max():.3g}: "
                "generate from the configurations that were simulated, in the same order"
            )


class _Plan(NamedTuple):
    """What all configurations share."""

    first: Ensemble
    configurations: int
    species: int
    mixture: Mixture
    edges: Floats
    seed: int
    pairings: dict[str, tuple[str, str]]
    shown: tuple[str, ...]
    follow: int = 0

    @classmethod
    def of(
        cls, first: Ensemble, configurations: int, mixture: Mixture, seed: int, beside: tuple[str, ...]
    ) -> _Plan:
        edges, blocks = summary.correlation_edges(first.box), pairings(dict.fromkeys(beside))
        shown = (*SHOWN, *beside)
        return cls(first, configurations, first.num_species, mixture, edges, seed, blocks, shown)

    @property
    def told(self) -> tuple[str, ...]:
        """Sources that are no controls."""
        return ("simulated", "generated", *self.shown[len(SHOWN) :])

    def sequel(self, c: int, lag: int, name: str, replicas: int) -> Sequel | None:
        """What is to be followed of a source, with the same random numbers for all of them."""
        if not self.follow or name not in self.told:
            return None
        return Sequel(min(self.follow, replicas), (self.seed, 5, c, lag))

    def among(self, available: Any) -> list[tuple[str, tuple[str, str]]]:
        """Blocks whose two sources are available."""
        return [(b, pair) for b, pair in self.pairings.items() if all(name in available for name in pair)]


class _Gathered:
    """Summaries of all configurations so far."""

    def __init__(self, plan: _Plan, times: Floats, temperatures: Floats) -> None:
        self.plan, self.times, self.temperatures = plan, times, temperatures
        self.sources: dict[Key, dict[str, list[summary.Summary]]] = defaultdict(lambda: defaultdict(list))
        self.paired: dict[Key, dict[str, list[summary.Summary]]] = defaultdict(lambda: defaultdict(list))
        self.features: dict[Key, dict[str, list[Floats]]] = defaultdict(lambda: defaultdict(list))
        self.replicas: dict[str, list[int]] = defaultdict(list)
        self.quenched: dict[str, list[int]] = defaultdict(list)
        self.registered = Registered(plan.configurations, plan.species, plan.first.dimension)

    def add(self, c: int, simulated: Ensemble, generated: Ensemble, beside: Mapping[str, Ensemble]) -> None:
        """Summarise configuration ``c`` and forget its particles."""
        ensembles = {"simulated": simulated, "generated": generated, **beside}
        _check_paired(c, self.plan.first, ensembles, len(self.times))
        for drawn in (generated, *beside.values()):
            distinct.check_distinct(simulated.displacements, drawn.displacements, c)
        structure = self._structure(c, ensembles)
        space = summary.geometry(simulated, structure.sigma, self.plan.species, self.plan.edges)
        found = sources_of(c, simulated, generated, beside, self.plan.seed)
        self._count(found)
        for lag in range(len(self.times)):
            views = self._views(c, structure, found, lag)
            broken = {name: bonds.bond_breaking(v.u, space.neighbors) for name, v in views.items()}
            fields = {name: view.u for name, view in views.items()}
            for species in range(self.plan.species):
                self._add_species(c, (lag, species), fields, broken, space)
            self.registered.add(lag, views, self.plan.among(views))

    def _structure(self, c: int, ensembles: Mapping[str, Ensemble]) -> Structure:
        """The configuration, with the inherent structure that any of the sources knows."""
        one = ensembles["simulated"]
        inherent = next((e.inherent for e in ensembles.values() if e.inherent is not None), None)
        temperature = float(self.temperatures[c])
        return Structure(one.positions, one.box, one.species, self.plan.mixture, temperature, inherent)

    def _count(self, found: Mapping[str, Fields]) -> None:
        for name, fields in found.items():
            self.replicas[name].append(len(fields.u))
            if fields.h is not None:
                self.quenched[name].append(len(fields.h))

    def _views(self, c: int, structure: Structure, found: Mapping[str, Fields], lag: int) -> dict[str, View]:
        time = float(self.times[lag])
        return {
            name: View(
                structure,
                time,
                fields.u[:, lag].astype(np.float64),
                None if fields.h is None else fields.h[:, lag].astype(np.float64),
                None if fields.energies is None else fields.energies[:, lag],
                self.plan.sequel(c, lag, name, len(fields.u)),
            )
            for name, fields in found.items()
        }

    def _add_species(
        self, c: int, key: Key, fields: dict[str, Floats], broken: dict[str, Floats], space: summary.Geometry
    ) -> None:
        lag, species = key
        size = max(summary.C2ST_SAMPLES // self.plan.configurations, 1)
        for number, (name, u) in enumerate(fields.items()):
            self.sources[key][name].append(summary.source_summary(u, broken[name], species, space))
            sample = summary.feature_sample(
                u, species, space, size, self.plan.seed, 2, c, lag, species, number
            )
            self.features[key][name].append(sample)
        members = space.members[species]
        for block, (seen, made) in self.plan.among(fields):
            generator = numpy_generator(self.plan.seed, 3, c, lag, species)
            pair = summary.paired_summary(
                fields[seen][:, members], fields[made][:, members], generator, block == "independent"
            )
            self.paired[key][block].append(pair)

    def result(self, temperature: Any, samples: int) -> Result:
        """Metrics and curves of everything gathered."""
        weights = None
        if self.plan.configurations > 1 and samples > 0:
            generator = numpy_generator(self.plan.seed, 4)
            weights = resample_weights(self.plan.configurations, samples, generator)
        found: curves.Rows = defaultdict(list)
        entries: list[dict[str, Any]] = []
        for lag, time in enumerate(self.times):
            blocks = {}
            for species in range(self.plan.species):
                name, stacks = species_name(species), self._stacks((lag, species))
                ours = self._blocks((lag, species), stacks, weights)
                blocks[name] = self._with_registered(ours, (lag, species), weights)
                shown = {source: stacks[source] for source in self.plan.shown}
                for curve, rows in curves.histogram_rows(shown, weights, float(time), name).items():
                    found[curve] += rows
            whole = self._with_registered({}, (lag, EVERYONE), weights)
            blocks |= {species_name(EVERYONE): whole} if whole else {}
            entries.append({"time": float(time), "species": blocks})
        result = {"meta": self._meta(temperature, samples), "lags": entries}
        derived = curves.metric_rows(result) | self.registered.rows(result)
        return Result(result, curves.as_dicts({**found, **derived}))

    def _with_registered(self, blocks: dict[str, Any], key: Key, weights: Floats | None) -> dict[str, Any]:
        """Blocks of a lag and species with what the registry adds to them."""
        added = {b: self.registered.block(key, b, pair, weights) for b, pair in self.plan.pairings.items()}
        names = [b for b in self.plan.pairings if b in blocks or added[b]]
        return {name: blocks.get(name, {}) | added[name] for name in names}

    def _stacks(self, key: Key) -> dict[str, summary.Summary]:
        complete = {n: s for n, s in self.sources[key].items() if len(s) == self.plan.configurations}
        return {name: metrics.stack(summaries) for name, summaries in complete.items()}

    def _blocks(self, key: Key, stacks: dict[str, summary.Summary], weights: Floats | None) -> dict[str, Any]:
        blocks = {}
        particles = int((self.plan.first.species == key[1]).sum())
        for name, (seen, made) in self.plan.among(stacks):
            paired = metrics.stack(self.paired[key][name])
            features = self.features[key]
            paired["c2st"] = c2st.classifier_accuracy(features[seen], features[made])
            comparison = metrics.Comparison(
                stacks[seen], stacks[made], paired, particles, self.plan.first.dimension
            )
            blocks[name] = metrics.block(comparison, weights)
        return blocks

    def _meta(self, temperature: Any, samples: int) -> dict[str, Any]:
        told, follow = self.plan.told, self.plan.follow
        return {
            "configurations": self.plan.configurations,
            "particles": self.plan.first.num_particles,
            "dimension": self.plan.first.dimension,
            "replicas": {name: numbers for name, numbers in self.replicas.items() if name in told},
            "quenched": {name: numbers for name, numbers in self.quenched.items() if name in told},
            "followed": {name: [min(follow, n) for n in self.replicas[name]] for name in told if follow},
            "beside": list(told[2:]),
            "times": metrics.plain(self.times),
            "temperature": metrics.plain(temperature),
            "seed": self.plan.seed,
            "bootstrap": samples,
            "interval": "95 %, standard errors by bootstrap over configurations",
            "r": metrics.plain(curves.centers(self.plan.edges)),
            "axes": self.registered.axes,
            "overlap_length": OVERLAP_LENGTH,
            "bond_formed": bonds.BOND_FORMED,
            "bond_broken": bonds.BOND_BROKEN,
            "mixture": self.plan.mixture.name,
            "sigma": metrics.plain(self.plan.mixture.sigma),
        }
