"""All quantities of displacement fields: every configuration is summed up and forgotten, then come the
numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gensample.comparison.pairing import check_distinct
from gensample.comparison.quantities import CONTROLS, EVERYONE, OfFields, all_quantities
from gensample.comparison.result import Comparison, Propensities
from gensample.comparison.sources import PAIRINGS, SHOWN, Fields, check_names, sources_of
from gensample.comparison.view import Averages, Key, Structure, Summary, View, stack, student_interval
from gensample.errors import DataError
from gensample.physics.mixtures import Mixture
from gensample.seeding import numpy_generator
from gensample.stats import intervals, pairs
from gensample.stats.dynamics import OVERLAP_LENGTH, propensity, require_replicas
from gensample.stats.ensemble import Ensemble, Floats, Integers, as_array
from gensample.stats.intervals import resample_weights

ALL = -1
"""In place of a species: all particles together."""

Rows = dict[str, list[dict[str, Any]]]
"""Curves by name: dicts of time, species, source, x, value, lo, hi; None for what is not known."""


def compare_ensembles(
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
) -> Comparison:
    """All quantities of docs/statistics.md for each lag and species, with controls and 95 % intervals.

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
    lags, others = as_array(times).ravel(), dict(beside or {})
    check_names(others)
    for name, drawn in {"generated": generated, **others}.items():
        if len(simulated) == 0 or len(simulated) != len(drawn):
            raise DataError(
                f"compare pairs configurations: got {len(simulated)} simulated and {len(drawn)} {name}; "
                "pass the same configurations in the same order, at least one"
            )
    first, count = simulated[0], len(simulated)
    if lags.size != first.num_lags:
        raise DataError(f"times must hold {first.num_lags} lag times, got {lags.size}")
    plan = Plan(first, count, mixture, seed, tuple(others), follow, np.broadcast_to(temperature, count))
    gathered = Gathered(plan, lags)
    for c in range(count):
        sources = {"simulated": simulated, "generated": generated, **others}
        gathered.add(c, {name: source[c] for name, source in sources.items()})
        if progress is not None:
            progress(f"statistics of configuration {c + 1} of {count}")
    return gathered.result(plain(temperature), bootstrap)


class Plan(NamedTuple):
    """What all configurations share."""

    first: Ensemble
    configurations: int
    mixture: Mixture
    seed: int
    beside: tuple[str, ...]
    follow: int
    temperatures: Floats

    @property
    def told(self) -> tuple[str, ...]:
        """Sources that are no controls."""
        return ("simulated", "generated", *self.beside)

    @property
    def pairings(self) -> dict[str, tuple[str, str]]:
        """Blocks of the result: which source is observed and which is drawn."""
        return {**PAIRINGS, **{name: ("simulated", name) for name in self.beside}}

    @property
    def groups(self) -> dict[int, Integers]:
        """Particles of every species and of all."""
        species = self.first.species
        each = {a: np.flatnonzero(species == a) for a in range(self.first.num_species)}
        return {**each, ALL: np.arange(len(species))}

    def check(self, c: int, ensembles: Mapping[str, Ensemble]) -> None:
        """DataError unless all sources have the same configuration ``c``, like the first, and other
        fields.
        """
        simulated, first = ensembles["simulated"], self.first
        for name, ensemble in ensembles.items():
            require_replicas(ensemble.num_replicas, 2, f"comparing configuration {c} ({name})")
            if ensemble.positions.shape != first.positions.shape or ensemble.num_lags != first.num_lags:
                raise DataError(
                    f"configuration {c} ({name}) has {ensemble.num_lags} lags and positions "
                    f"{ensemble.positions.shape}, the first one {first.num_lags} and "
                    f"{first.positions.shape}; compare datasets of one system and one set of lag times"
                )
            if not np.array_equal(ensemble.species, first.species):
                raise DataError(
                    f"configuration {c} ({name}) has other species than the first; order them alike"
                )
            gap = simulated.positions - ensemble.positions
            gap -= simulated.box * np.round(gap / simulated.box)
            if np.abs(gap).max() > 1e-3:
                raise DataError(
                    f"configuration {c} differs between simulated and {name} by up to "
                    f"{np.abs(gap).max():.3g}: generate from the configurations that were simulated, in the "
                    "same order"
                )
            if name != "simulated":
                check_distinct(simulated.displacements, ensemble.displacements, c)

    def structure(self, c: int, ensembles: Mapping[str, Ensemble]) -> Structure:
        """The configuration, with the inherent structure that any of the sources knows."""
        one = ensembles["simulated"]
        inherent = next((e.inherent for e in ensembles.values() if e.inherent is not None), None)
        t = float(self.temperatures[c])
        return Structure(one.positions, one.box, one.species, self.mixture, t, inherent, self.first.box)


def group_name(index: int) -> str:
    """A, B, C ... for 0, 1, 2 ..., "all" for all particles together."""
    return EVERYONE if index == ALL else chr(ord("A") + index)


Place = tuple[int, int]
"""(lag index, species or ALL)"""


class Gathered:
    """Summaries of all configurations so far."""

    def __init__(self, plan: Plan, times: Floats) -> None:
        self.plan, self.times = plan, times
        self.replicas: dict[str, list[int]] = defaultdict(list)
        self.quenched: dict[str, list[int]] = defaultdict(list)
        self.positions: list[Floats] = []
        self.boxes: list[Floats] = []
        self.propensities: dict[str, list[Floats]] = defaultdict(list)
        self._axes: dict[str, Any] = {}
        self._found: dict[tuple[Place, str], Table] = defaultdict(lambda: defaultdict(list))

    def add(self, c: int, ensembles: Mapping[str, Ensemble]) -> None:
        """Summarise configuration ``c`` and forget its fields."""
        self.plan.check(c, ensembles)
        structure = self.plan.structure(c, ensembles)
        self._axes = self._axes or {
            q.name: plain(q.axis.points(structure)) for q in all_quantities(OfFields) if q.axis is not None
        }
        found = sources_of(c, ensembles, self.plan.seed)
        for name, fields in found.items():
            self.replicas[name].append(len(fields.u))
            if fields.h is not None:
                self.quenched[name].append(len(fields.h))
        for name in ("simulated", "generated"):
            self.propensities[name].append(propensity(ensembles[name].displacements))
        self.positions.append(structure.positions)
        self.boxes.append(structure.box)
        for lag in range(len(self.times)):
            views = dict(self._views(c, structure, found, lag))
            for group, members in self.plan.groups.items():
                self._summarise((lag, group), views, members)

    def _views(
        self, c: int, structure: Structure, found: Mapping[str, Fields], lag: int
    ) -> Iterator[tuple[str, View]]:
        for number, (name, fields) in enumerate(found.items()):
            view = View(
                structure,
                float(self.times[lag]),
                fields.u[:, lag].astype(np.float64),
                None if fields.h is None else fields.h[:, lag].astype(np.float64),
                None if fields.energies is None else fields.energies[:, lag],
                self.plan.follow if name in self.plan.told else 0,
                Key(self.plan.seed, (c, lag), number, self.plan.configurations),
                name == "independent",
            )
            yield name, view

    def _summarise(self, place: Place, views: Mapping[str, View], members: Integers) -> None:
        wanted = all_quantities(OfFields, whole=place[1] == ALL)
        alone = {q.summarise: q for q in wanted if q.of_each}
        together = {q.summarise: q for q in wanted if not q.of_each}
        for name, view in views.items():
            self._add((place, name), alone.values(), (view,), members)
        for name, pair in self.plan.pairings.items():
            if all(source in views for source in pair):
                both = (views[pair[0]], views[pair[1]])
                self._add((place, f"{name} pair"), together.values(), both, members)

    def _add(
        self,
        key: tuple[Place, str],
        quantities: Iterable[OfFields],
        views: tuple[View, ...],
        members: Integers,
    ) -> None:
        for q in quantities:
            if all(view.shows(q.source) for view in views):
                self._found[key][q.summarise].append(q.summarise(*views, members))

    def _complete(self, place: Place, source: str) -> Table:
        found = self._found.get((place, source), {})
        return {f: s for f, s in found.items() if len(s) == self.plan.configurations}

    def result(self, temperature: Any, samples: int) -> Comparison:
        """The comparison of everything gathered."""
        weights = None
        if self.plan.configurations > 1 and samples > 0:
            weights = resample_weights(self.plan.configurations, samples, numpy_generator(self.plan.seed, 4))
        entries: list[dict[str, Any]] = []
        rows: Rows = {}
        for lag, time in enumerate(self.times):
            blocks = {}
            for group, members in self.plan.groups.items():
                counted = Counted(len(members), self.plan.first.dimension)
                found = {
                    name: self._block((lag, group), name, counted, weights) for name in self.plan.pairings
                }
                if any(found.values()):
                    blocks[group_name(group)] = {name: entry for name, entry in found.items() if entry}
                self._histograms((lag, group), counted, weights, rows)
            entries.append({"time": float(time), "species": blocks})
        metrics = {"meta": self._meta(temperature, samples), "lags": entries}
        return Comparison(metrics, rows | curves_of(metrics, self._axes), self._propensities())

    def _block(self, place: Place, name: str, counted: Counted, weights: Floats | None) -> dict[str, Any]:
        """Entries of every quantity that all configurations have."""
        seen, made = self.plan.pairings[name]
        sides = Sides(*(self._complete(place, source) for source in (seen, made, f"{name} pair")))
        wanted = [q for q in all_quantities(OfFields, whole=place[1] == ALL) if q.kind != "curve"]
        if name in CONTROLS:  # half of the file, and no figure shows them
            wanted = [q for q in wanted if q.axis is None or q.at]
        return block(wanted, sides, counted, weights)

    def _histograms(self, place: Place, counted: Counted, weights: Floats | None, rows: Rows) -> None:
        """Add the rows of the curves of every source to ``rows``."""
        for q in all_quantities(OfFields, kind="curve", whole=place[1] == ALL):
            simulated = self._complete(place, "simulated").get(q.summarise)
            for source in (*SHOWN, *self.plan.beside):
                own = self._complete(place, source).get(q.summarise)
                if own and simulated and q.join:
                    joined = q.join(simulated, own)
                    value, bounds, _ = estimate(q, joined, counted, weights)
                    ends = [(None, None)] * len(value) if bounds is None else bounds.tolist()
                    head = (float(self.times[place[0]]), group_name(place[1]), source)
                    rows.setdefault(q.name, []).extend(
                        _row(*head, x, v, *end)
                        for x, v, end in zip(joined["x"][0].tolist(), value.tolist(), ends, strict=True)
                    )

    def _propensities(self) -> Propensities:
        stacked = {name: np.stack(mu) for name, mu in self.propensities.items()}
        return Propensities(
            stacked["simulated"],
            stacked["generated"],
            np.stack(self.positions),
            np.stack(self.boxes),
            self.plan.first.species,
            np.diag(np.asarray(self.plan.mixture.sigma)),
            list(range(self.plan.configurations)),
        )

    def _meta(self, temperature: Any, samples: int) -> dict[str, Any]:
        plan, told, follow = self.plan, self.plan.told, self.plan.follow
        read = {q.name for q in all_quantities(OfFields) if q.at}
        return {
            "configurations": plan.configurations,
            "particles": plan.first.num_particles,
            "dimension": plan.first.dimension,
            "replicas": {name: numbers for name, numbers in self.replicas.items() if name in told},
            "quenched": {name: numbers for name, numbers in self.quenched.items() if name in told},
            "followed": {name: [min(follow, n) for n in self.replicas[name]] for name in told if follow},
            "beside": list(plan.beside),
            "times": plain(self.times),
            "temperature": temperature,
            "seed": plan.seed,
            "bootstrap": samples,
            "interval": "95 %, standard errors by bootstrap over configurations",
            "r": self._axes["corr_longitudinal"],
            "axes": {name: points for name, points in self._axes.items() if name not in read},
            "overlap_length": OVERLAP_LENGTH,
            "bond_formed": pairs.BOND_FORMED,
            "bond_broken": pairs.BOND_BROKEN,
            "mixture": plan.mixture.name,
            "sigma": plain(plan.mixture.sigma),
        }


def _row(
    time: float, species: str, source: str, x: float, value: Any, lo: Any = None, hi: Any = None
) -> dict[str, Any]:
    return {"time": time, "species": species, "source": source, "x": x, "value": value, "lo": lo, "hi": hi}


def curves_of(metrics: Mapping[str, Any], axes: Mapping[str, Any]) -> Rows:
    """Every quantity of the finished metrics against lag time, or against the axis of a function."""
    rows: Rows = {}
    for q in all_quantities(OfFields):
        if q.kind in ("curve", "reference"):
            continue
        for lag in metrics["lags"]:
            for group, blocks in lag["species"].items():
                for source, value, interval in _sides(q, blocks):
                    points = [lag["time"]] if q.axis is None else axes[q.name]
                    values, bounds = ([value], [interval]) if q.axis is None else (value, interval)
                    rows.setdefault(q.name, []).extend(
                        _row(lag["time"], group, source, x, v, *(b or (None, None)))
                        for x, v, b in zip(points, values, bounds or [None] * len(points), strict=True)
                    )
    return rows


def _sides(q: OfFields, blocks: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(source, value, interval) of a quantity for every source, simulation and references included."""
    for source, entries in blocks.items():
        if q.name not in entries:
            continue
        value, interval = entries[q.name]["value"], entries[q.name]["interval"]
        if q.kind == "pair":
            parts = interval or (None, None)
            if source == "generated":
                yield "simulated", value[0], parts[0]
            yield source, value[1], parts[1]
        else:
            yield source, value, interval
    for reference in (q.reference, *q.beside):
        found = blocks.get("generated", {}).get(reference)
        if found is not None:
            yield str(reference).removeprefix(f"{q.name}_"), found["value"], found["interval"]


Table = dict[Callable[..., Summary], list[Summary]]
"""Summaries of all configurations by the function that made them."""
DIGITS = 8
"""Significant digits of numbers in metrics.json: more than any of them is known to, half the file."""


class Sides(NamedTuple):
    """Summaries of an observed source, of a drawn one, and of the two together."""

    seen: Table
    made: Table
    paired: Table


class Counted(NamedTuple):
    """What is counted: ``particles`` of a configuration in ``dimension`` dimensions."""

    particles: int
    dimension: int


class Estimate(NamedTuple):
    """A value, the bounds (..., 2) of its interval, None without, and its resamples (B, ...)."""

    value: Floats
    bounds: Floats | None
    resampled: Floats


def block(
    quantities: Sequence[OfFields], sides: Sides, counted: Counted, weights: Floats | None
) -> dict[str, Any]:
    """{name: {"value", "interval", "correlation"}} of the quantities whose summaries are there.

    ``weights`` (B, C) of the resamples or None. Pairs hold [observed, drawn]; those measured by another have
    the correlation of the two errors.
    """
    found: dict[str, Any] = {}
    estimates: dict[str, Estimate] = {}
    for q in quantities:
        tables = _tables(q, sides)
        if tables is None:
            continue
        each = [estimate(q, table, counted, weights) for table in tables]
        if q.kind == "pair":
            found[q.name] = {
                name: [part[name] for part in map(entry, each)] for name in ("value", "interval")
            }
            if weights is None:
                found[q.name]["interval"] = None
            else:
                found[q.name]["correlation"] = plain(intervals.correlation(*(one.resampled for one in each)))
        else:
            estimates[q.name], found[q.name] = each[0], entry(each[0])
    for q in (q for q in quantities if weights is not None and q.name in estimates):
        theirs = estimates.get(str(q.reference))
        if theirs is not None:
            together = intervals.correlation(estimates[q.name].resampled, theirs.resampled)
            found[q.name]["correlation"] = plain(together)
    return found


def _tables(q: OfFields, sides: Sides) -> list[Summary] | None:
    """The stacked summaries that a quantity is made of: two sources' or one of both together; None
    without.
    """
    if not q.of_each:
        return [stack(sides.paired[q.summarise])] if q.summarise in sides.paired else None
    if q.summarise not in sides.seen or q.summarise not in sides.made:
        return None
    seen, made = sides.seen[q.summarise], sides.made[q.summarise]
    return [stack(seen), stack(made)] if q.join is None else [q.join(seen, made)]


def estimate(q: OfFields, table: Summary, counted: Counted, weights: Floats | None) -> Estimate:
    """Value and interval of a quantity from a stacked summary."""
    uniform = Averages.uniform(table, *counted)
    value = np.asarray(q.combine(uniform)[0])
    if weights is None:
        return Estimate(value, None, value[None])
    resamples = Averages(table, weights, *counted)
    resampled = q.combine(resamples)
    if q.bounds is None:
        bounds = student_interval(value, resampled, uniform.configurations, q.positive)
    else:
        bounds = q.bounds(uniform, resamples)
    return Estimate(value, np.stack(bounds, axis=-1).clip(*q.limits), resampled)


def entry(found: Estimate) -> dict[str, Any]:
    """{"value", "interval"} as JSON."""
    return {
        "value": plain(found.value),
        "interval": None if found.bounds is None else _interval(found.bounds),
    }


def _interval(bounds: Floats) -> Any:
    """[low, high], a list of them for bins (bins, 2), and None for each that is undefined."""
    if bounds.ndim == 2:
        return [_interval(b) for b in bounds]
    return plain(bounds) if np.isfinite(bounds).all() else None


def plain(value: Any) -> Any:
    """Numbers and nested lists of them, None for what is not finite: JSON has no nan."""
    array = np.asarray(value, dtype=np.float64)
    if array.ndim:
        return [plain(v) for v in array]
    return float(f"{array:.{DIGITS}g}") if np.isfinite(array) else None
