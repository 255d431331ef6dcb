"""All quantities of displacement fields: every configuration is summed up and forgotten, then come the
numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from gensample.comparison.pairing import check_distinct
from gensample.comparison.quantities import CONTROLS, EVERYONE, OfFields, all_quantities
from gensample.comparison.result import Comparison, Propensities
from gensample.comparison.sources import PAIRINGS, SHOWN, Fields, check_names, sources_of
from gensample.comparison.view import Averages, Structure, Summary, View, stack
from gensample.errors import DataError
from gensample.physics.mixtures import Mixture
from gensample.seeding import numpy_generator
from gensample.stats import intervals, pairs
from gensample.stats.dynamics import (
    OVERLAP_LENGTH,
    Ensemble,
    Floats,
    Integers,
    as_array,
    propensity,
    require_replicas,
)
from gensample.stats.intervals import resample_weights

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
    gathered = Gathered(
        first, count, mixture, seed, tuple(others), follow, np.broadcast_to(temperature, count), lags
    )
    for c in range(count):
        sources = {"simulated": simulated, "generated": generated, **others}
        gathered.add(c, {name: source[c] for name, source in sources.items()})
        if progress is not None:
            progress(f"statistics of configuration {c + 1} of {count}")
    return gathered.result(to_digits(temperature), bootstrap)


def _check(c: int, ensembles: Mapping[str, Ensemble], first: Ensemble) -> None:
    """DataError unless all sources have the same configuration ``c``, like the first, and other fields."""
    simulated = ensembles["simulated"]
    for name, ensemble in ensembles.items():
        require_replicas(ensemble.num_replicas, 2, f"comparing configuration {c} ({name})")
        if ensemble.positions.shape != first.positions.shape or ensemble.num_lags != first.num_lags:
            raise DataError(
                f"configuration {c} ({name}) has {ensemble.num_lags} lags and positions "
                f"{ensemble.positions.shape}, the first one {first.num_lags} and "
                f"{first.positions.shape}; compare datasets of one system and one set of lag times"
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
        if name != "simulated":
            check_distinct(simulated.displacements, ensemble.displacements, c)


@dataclass
class Gathered:
    """Summaries of all configurations so far, and what these share.

    The ``first`` ensemble, the number of ``configurations``, ``temperatures`` (C,), lag ``times`` (K,); the
    others as for `compare_ensembles`.
    """

    first: Ensemble
    configurations: int
    mixture: Mixture
    seed: int
    beside: tuple[str, ...]
    follow: int
    temperatures: Floats
    times: Floats
    replicas: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    quenched: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    structures: list[Structure] = field(default_factory=list)
    propensities: dict[str, list[Floats]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        species, kinds = self.first.species, range(self.first.num_species)
        self.told = ("simulated", "generated", *self.beside)
        self.pairings = {**PAIRINGS, **{name: ("simulated", name) for name in self.beside}}
        self.groups = {chr(ord("A") + a): np.flatnonzero(species == a) for a in kinds}
        self.groups[EVERYONE] = np.arange(len(species))
        self._axes: dict[str, Any] = {}
        # By lag, group and source, or the block of a pair of sources.
        self._found: dict[tuple[int, str, str], Summaries] = defaultdict(lambda: defaultdict(list))

    def add(self, c: int, ensembles: Mapping[str, Ensemble]) -> None:
        """Summarise configuration ``c`` and forget its fields."""
        _check(c, ensembles, self.first)
        one, t = ensembles["simulated"], float(self.temperatures[c])
        # The inherent structure that any of the sources knows.
        inherent = next((e.inherent for e in ensembles.values() if e.inherent is not None), None)
        place = Structure(one.positions, one.box, one.species, self.mixture, t, inherent, self.first.box)
        self._axes = self._axes or {
            q.name: to_digits(q.axis.points(place)) for q in all_quantities(OfFields) if q.axis is not None
        }
        found = sources_of(c, ensembles, self.seed)
        for name, fields in found.items():
            self.replicas[name].append(len(fields.u))
            if fields.h is not None:
                self.quenched[name].append(len(fields.h))
        for name in ("simulated", "generated"):
            self.propensities[name].append(propensity(ensembles[name].displacements))
        self.structures.append(place)
        for lag in range(len(self.times)):
            views = dict(self._views(c, place, found, lag))
            for group, members in self.groups.items():
                self._summarise(lag, group, views, members)

    def _views(
        self, c: int, structure: Structure, found: Mapping[str, Fields], lag: int
    ) -> Iterator[tuple[str, View]]:
        for number, (name, fields) in enumerate(found.items()):
            yield (
                name,
                View(
                    structure,
                    float(self.times[lag]),
                    fields.u[:, lag].astype(np.float64),
                    None if fields.h is None else fields.h[:, lag].astype(np.float64),
                    None if fields.energies is None else fields.energies[:, lag],
                    self.follow if name in self.told else 0,
                    name == "independent",
                    self.seed,
                    (c, lag),
                    number,
                    self.configurations,
                ),
            )

    def _summarise(self, lag: int, group: str, views: Mapping[str, View], members: Integers) -> None:
        wanted = all_quantities(OfFields, whole=group == EVERYONE)
        alone: dict[str, tuple[View, ...]] = {name: (view,) for name, view in views.items()}
        there = {name: pair for name, pair in self.pairings.items() if views.keys() >= {*pair}}
        together = {f"{name} pair": (views[a], views[b]) for name, (a, b) in there.items()}
        for of_each, several in ((True, alone), (False, together)):
            # Each function once, whichever quantities share it.
            sources = {q.summarise: q.source for q in wanted if q.of_each == of_each}
            for name, each in several.items():
                for summarise, source in sources.items():
                    if all(view.shows(source) for view in each):
                        self._found[lag, group, name][summarise].append(summarise(*each, members))

    def _complete(self, lag: int, group: str, source: str) -> Summaries:
        """Summaries that all configurations have."""
        found = self._found.get((lag, group, source), {})
        return {f: s for f, s in found.items() if len(s) == self.configurations}

    def result(self, temperature: Any, samples: int) -> Comparison:
        """The comparison of everything gathered."""
        weights = None
        if self.configurations > 1 and samples > 0:
            weights = resample_weights(self.configurations, samples, numpy_generator(self.seed, 4))
        entries: list[dict[str, Any]] = []
        rows: Rows = {}
        for lag, time in enumerate(self.times):
            blocks = {}
            for group in self.groups:
                found = {name: self._block(lag, group, name, weights) for name in self.pairings}
                if any(found.values()):
                    blocks[group] = {name: entry for name, entry in found.items() if entry}
                self._histograms(lag, group, weights, rows)
            entries.append({"time": float(time), "species": blocks})
        metrics = {"meta": self._meta(temperature, samples), "lags": entries}
        mu = {name: np.stack(each) for name, each in self.propensities.items()}
        seen = Propensities(
            mu["simulated"],
            mu["generated"],
            np.stack([place.positions for place in self.structures]),
            np.stack([place.box for place in self.structures]),
            self.first.species,
            np.diag(np.asarray(self.mixture.sigma)),
            list(range(self.configurations)),
        )
        return Comparison(metrics, rows | curves_of(metrics, self._axes), seen)

    def _size(self, group: str) -> Size:
        return len(self.groups[group]), self.first.dimension

    def _block(self, lag: int, group: str, name: str, weights: Floats | None) -> dict[str, Any]:
        """Entries of every quantity that all configurations have."""
        sides = Sides(*(self._complete(lag, group, of) for of in (*self.pairings[name], f"{name} pair")))
        wanted = [q for q in all_quantities(OfFields, whole=group == EVERYONE) if q.kind != "curve"]
        if name in CONTROLS:  # half of the file, and no figure shows them
            wanted = [q for q in wanted if q.axis is None or q.at]
        return block(wanted, sides, self._size(group), weights)

    def _histograms(self, lag: int, group: str, weights: Floats | None, rows: Rows) -> None:
        """Add the rows of the curves of every source to ``rows``."""
        for q in all_quantities(OfFields, kind="curve", whole=group == EVERYONE):
            simulated = self._complete(lag, group, "simulated").get(q.summarise)
            for source in (*SHOWN, *self.beside):
                own = self._complete(lag, group, source).get(q.summarise)
                if own and simulated and q.join:
                    joined = q.join(simulated, own)
                    value, bounds, _ = estimate(q, joined, self._size(group), weights)
                    ends = [(None, None)] * len(value) if bounds is None else bounds.tolist()
                    rows.setdefault(q.name, []).extend(
                        _row(float(self.times[lag]), group, source, x, v, *end)
                        for x, v, end in zip(joined["x"][0].tolist(), value.tolist(), ends, strict=True)
                    )

    def _meta(self, temperature: Any, samples: int) -> dict[str, Any]:
        told, follow = self.told, self.follow
        read = {q.name for q in all_quantities(OfFields) if q.at}
        return {
            "configurations": self.configurations,
            "particles": self.first.num_particles,
            "dimension": self.first.dimension,
            "replicas": {name: numbers for name, numbers in self.replicas.items() if name in told},
            "quenched": {name: numbers for name, numbers in self.quenched.items() if name in told},
            "followed": {name: [min(follow, n) for n in self.replicas[name]] for name in told if follow},
            "beside": list(self.beside),
            "times": to_digits(self.times),
            "temperature": temperature,
            "seed": self.seed,
            "bootstrap": samples,
            "interval": "95 %, standard errors by bootstrap over configurations",
            "r": self._axes["corr_longitudinal"],
            "axes": {name: points for name, points in self._axes.items() if name not in read},
            "overlap_length": OVERLAP_LENGTH,
            "bond_formed": pairs.BOND_FORMED,
            "bond_broken": pairs.BOND_BROKEN,
            "mixture": self.mixture.name,
            "sigma": to_digits(self.mixture.sigma),
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


Summaries = dict[Callable[..., Summary], list[Summary]]
"""Summaries of all configurations by the function that made them."""
DIGITS = 8
"""Significant digits of numbers in metrics.json: more than any of them is known to, half the file."""


class Sides(NamedTuple):
    """Summaries of an observed source, of a drawn one, and of the two together."""

    seen: Summaries
    made: Summaries
    paired: Summaries


Size = tuple[int, int]
"""Particles that are counted in a configuration, and the dimension."""
Estimate = tuple[Floats, Floats | None, Floats]
"""A value, the bounds (..., 2) of its interval, None without, and its resamples (B, ...)."""


def block(quantities: Sequence[OfFields], sides: Sides, size: Size, weights: Floats | None) -> dict[str, Any]:
    """{name: {"value", "interval", "correlation"}} of the quantities whose summaries are there.

    ``weights`` (B, C) of the resamples or None. Pairs hold [observed, drawn]; those measured by another have
    the correlation of the two errors.
    """
    found: dict[str, Any] = {}
    resampled: dict[str, Floats] = {}
    for q in quantities:
        tables = _tables(q, sides)
        if tables is None:
            continue
        each = [estimate(q, table, size, weights) for table in tables]
        values, bounds_of = [to_digits(value) for value, _, _ in each], [_interval(b) for _, b, _ in each]
        if q.kind != "pair":
            found[q.name] = {"value": values[0], "interval": bounds_of[0]}
            resampled[q.name] = each[0][2]
        elif weights is None:
            found[q.name] = {"value": values, "interval": None}
        else:
            together = intervals.correlation(each[0][2], each[1][2])
            found[q.name] = {"value": values, "interval": bounds_of, "correlation": to_digits(together)}
    for q in (q for q in quantities if weights is not None and q.name in resampled):
        if str(q.reference) in resampled:
            together = intervals.correlation(resampled[q.name], resampled[str(q.reference)])
            found[q.name]["correlation"] = to_digits(together)
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


def estimate(q: OfFields, table: Summary, size: Size, weights: Floats | None) -> Estimate:
    """Value and interval of a quantity from a stacked summary."""
    uniform = Averages.uniform(table, *size)
    value = np.asarray(q.combine(uniform)[0])
    if weights is None:
        return value, None, value[None]
    resamples = Averages(table, weights, *size)
    resampled = q.combine(resamples)
    if q.bounds is not None:
        bounds = q.bounds(uniform, resamples)
    elif q.percentile:
        low, high = intervals.percentile_interval(resampled)
        bounds = np.fmin(low, value), np.fmax(high, value)
    else:
        error = intervals.standard_error(resampled, uniform.configurations)
        bounds = intervals.student(value, error, uniform.configurations, q.positive)
    return value, np.stack(bounds, axis=-1).clip(*q.limits), resampled


def _interval(bounds: Floats | None) -> Any:
    """[low, high], a list of them for bins (bins, 2), and None for each that is undefined."""
    if bounds is None:
        return None
    if bounds.ndim == 2:
        return [_interval(b) for b in bounds]
    return to_digits(bounds) if np.isfinite(bounds).all() else None


def to_digits(value: Any) -> Any:
    """Numbers and nested lists of them, None for what is not finite: JSON has no nan."""
    array = np.asarray(value, dtype=np.float64)
    if array.ndim:
        return [to_digits(v) for v in array]
    return float(f"{array:.{DIGITS}g}") if np.isfinite(array) else None
