"""Every quantity once: its words, how it is found, how it is judged and how it is drawn.

To add one, write a function in a module here, or anywhere that is imported, under `quantity`, or call
`register`; tables, glossary, figures, verdicts and files follow. `OfFields` is for displacement fields and
futures, one configuration at a time; `OfSets` for two sets of configurations. The contract test is
``tests/comparison/test_quantities.py``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from gensample.comparison.view import Averages, Bounds, Structure, Summary, View
from gensample.stats import dynamics, intervals
from gensample.stats.dynamics import Floats, Integers, as_array

if TYPE_CHECKING:
    from gensample.comparison.sets import Sets

Kind = Literal["pair", "ceiling", "floor", "nominal", "gap", "shown", "curve", "reference"]
Source = Literal["displacements", "future", "inherent", "aftermath", "configurations"]
Entries = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""{name of a quantity: {what it is of: {source: {"value", "interval"}}}}"""
EVERYONE = "all"
"""In place of a species: all particles together, or whole configurations."""
CONTROLS = ("halves", "independent", "climatology")
"""Sources made of simulation, in the order of tables."""


@dataclass(frozen=True)
class Plot:
    """Where a quantity is drawn: ``figure``, one of those of `gensample.comparison.figures`, and its
    ``label`` there.

    ``sources`` are controls shown beside simulation, generated and further sources; ``log``: on a logarithmic
    axis; ``level`` and ``level_label``: a line at a known value; ``bars`` instead of lines.
    """

    figure: str
    label: str
    sources: tuple[str, ...] = ()
    log: bool = False
    bars: bool = False
    level: float | None = None
    level_label: str | None = None


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """What all quantities have; ``label``, ``symbol`` and ``meaning`` are the words of a row.

    ``kind`` says how it is judged: "pair" against simulation, "ceiling" as a share of the best possible,
    "floor" as a multiple of the least possible, "nominal" against a known number, "gap" in standard
    deviations of simulation, "shown" not at all; a "curve" is drawn alone, a "reference" is what others are
    judged by. ``aim`` is the largest deviation from simulation (pair, gap) or from the number (nominal), the
    least share (ceiling), the largest multiple (floor) or value (floor that is a number) called good; None:
    not judged. Deviations from simulation are relative unless ``absolute``. ``needs`` is the simulated
    magnitude below which a relative deviation means nothing, ``draws`` the number of replicas of either
    source below which nothing is judged. ``reference``: what a ceiling or floor is, the name of a quantity,
    or a number; ``beside``: further references to draw. ``at``: where a function is read for a row.
    ``places``: decimals to show, None for two or three significant digits. ``main`` rows are printed by
    ``gensample compare``; ``plot``: None for a figure with others of its ``source``, what it is made of:
    "displacements" u, "future" positions x + u and their energies, "inherent" displacements h, "aftermath"
    the dynamics that starts from futures, "configurations" whole sets of them.
    """

    name: str
    label: str
    kind: Kind
    meaning: str
    source: Source
    symbol: str = ""
    aim: float | None = None
    reference: str | float | None = None
    beside: tuple[str, ...] = ()
    absolute: bool = False
    needs: float = 0.0
    draws: int = 2
    at: tuple[float, ...] = ()
    places: int | None = None
    main: bool = False
    plot: Plot | None = None

    @property
    def is_row(self) -> bool:
        """Whether tables have a row of it: it is a number, or a function that is read somewhere."""
        return self.kind not in ("reference", "curve")


@dataclass(frozen=True)
class Axis:
    """What a function is a function of: its name with unit, and its points (bins,) for a configuration."""

    label: str
    points: Callable[[Structure], Floats]


@dataclass(frozen=True, kw_only=True)
class OfFields(Quantity):
    """A quantity of displacement fields.

    ``summarise`` makes a `Summary`, a dict of arrays, of one configuration at one lag: of a view and the
    particles counted, ``(view, members)``, where the kind is "pair" or there is a ``join``; else of both
    sources, ``(seen, made, members)``. Quantities that share the function share the work. ``join`` makes one
    stacked summary (C, ...) of those of all configurations of two sources. ``combine`` turns `Averages`,
    means of the summaries over configurations under B sets of weights, into values (B,) or, with an ``axis``,
    (B, bins).

    ``whole``: of all particles together, not species by species. ``positive`` values have intervals of their
    logarithm, ``limits`` bound every interval. In place of Student's there are ``percentile`` intervals, for
    energies of overlapping cores, of which a standard error says nothing, and what ``bounds`` makes of the
    averages under equal weights and under the resamples.
    """

    summarise: Callable[..., Summary]
    combine: Callable[[Averages], Floats]
    join: Callable[[Sequence[Summary], Sequence[Summary]], Summary] | None = field(default=None, repr=False)
    whole: bool = False
    axis: Axis | None = None
    positive: bool = False
    limits: tuple[float, float] = (float("-inf"), float("inf"))
    percentile: bool = False
    bounds: Callable[[Averages, Averages], Bounds] | None = field(default=None, repr=False)

    @property
    def is_row(self) -> bool:
        """Whether tables have a row of it."""
        return super().is_row and (self.axis is None or bool(self.at))

    @property
    def of_each(self) -> bool:
        """Whether it is summarised source by source."""
        return self.kind == "pair" or self.join is not None


@dataclass(frozen=True, kw_only=True)
class OfSets(Quantity):
    """A quantity of two sets of configurations.

    ``find`` gives the entries of all quantities that share it, from the two `Sets` and a generator for their
    resamples. What it does not find, such as energies of inherent structures that nobody knows, has no row.
    """

    find: Callable[[Sets, np.random.Generator], Entries]
    source: Source = "configurations"


_REGISTRY: dict[tuple[type[Quantity], str], Quantity] = {}


def register(*quantities: Quantity) -> None:
    """Enter quantities; every name once, of fields and of sets. ValueError for a name that is taken."""
    for quantity in quantities:
        key = (type(quantity), quantity.name)
        if key in _REGISTRY:
            raise ValueError(f"two quantities are called {quantity.name!r}; rename one of them")
        _REGISTRY[key] = quantity


@cache
def _load() -> None:
    """Import every module of the package, so that its quantities are registered; rows come in this order."""
    names = [m.name for m in pkgutil.iter_modules(__path__)]
    for name in sorted(names, key=lambda name: (name != "displacements", name)):
        importlib.import_module(f"{__name__}.{name}")


Q = TypeVar("Q", bound=Quantity)


def all_quantities(of: type[Q], **wanted: Any) -> tuple[Q, ...]:
    """Every registered quantity of a type, or those whose attributes are as ``wanted``, in order of rows."""
    _load()
    found = [q for q in _REGISTRY.values() if isinstance(q, of)]
    return tuple(q for q in found if all(getattr(q, k) == v for k, v in wanted.items()))


def named_quantity(of: type[Q], name: str) -> Q | None:
    """The quantity of that type and name; None for an unknown one."""
    _load()
    found = _REGISTRY.get((of, name))
    return found if isinstance(found, of) else None


Combine = Callable[[Averages], Floats]


def quantity(
    label: str, symbol: str = "", *, of: Callable[..., Summary], **settings: Any
) -> Callable[[Combine], Combine]:
    """Register the decorated function as the ``combine`` of a quantity of that name.

    The name is without a leading underscore, the docstring says what the quantity means; ``of`` is what it is
    summarised by, ``settings`` are further fields of `OfFields`, a "pair" of "displacements" unless said
    otherwise.
    """

    def enter(combine: Combine) -> Combine:
        words = {"name": combine.__name__.lstrip("_"), "label": label, "symbol": symbol}
        meaning = " ".join((combine.__doc__ or "").split())
        rest = {"kind": "pair", "source": "displacements", **words, **settings}
        register(OfFields(meaning=meaning, summarise=of, combine=combine, **rest))
        return combine

    return enter


def in_sentence(label: str) -> str:
    """A label in the middle of a sentence: "mean propensity", but "R" and "χ₄"."""
    return label[0].lower() + label[1:] if label[1:2].islower() else label


Lengths = Callable[[View, Integers], Floats]
"""Lengths (R, n) of what n particles did in R fields."""
Shares = Callable[[View, Integers], Floats]
"""One number (R,) a field, a share of the particles."""


def propensity_pair(
    prefix: str, label: str, symbol: str, source: Source, lengths: Lengths, *, main: bool = False
) -> tuple[OfFields, OfFields]:
    """Correlation of generated with simulated propensity of ``lengths``, and the best that it can be.

    The formulas of `gensample.stats.dynamics`: the ceiling is a perfect sampler's, with as many draws.
    """

    def summarise(seen: View, made: View, members: Integers) -> Summary:
        ours, theirs = lengths(seen, members), lengths(made, members)
        split = dynamics.split_variance(ours)
        x, y = ours.mean(axis=0), theirs.mean(axis=0)
        # Where nothing moves, a correlation says nothing: it counts as none.
        found = dynamics.pearson(x, y)
        return {
            "pearson": as_array(found if np.isfinite(found) else 0.0),
            "delta": as_array(split.delta),
            "noise": as_array(split.noise / len(ours)),
            "draws_noise": as_array(split.noise / len(theirs)),
        }

    def ceiling(averages: Averages) -> Floats:
        return dynamics.ceiling_sampler(averages["delta"], averages["noise"], averages["draws_noise"])

    best = OfFields(
        name=f"{prefix}_ceiling_sampler",
        label="best, as many draws",
        kind="reference",
        meaning=f"What a perfect sampler with as many draws would score as: {label.lower()}.",
        source=source,
        summarise=summarise,
        combine=ceiling,
        limits=(0.0, 1.0),
    )
    correlation = OfFields(
        name=prefix,
        label=label,
        symbol=symbol,
        kind="ceiling",
        meaning="Correlation over particles between generated and simulated means over replicas, averaged "
        "over configurations, beside the best that as many draws of a perfect sampler could reach.",
        source=source,
        summarise=summarise,
        combine=lambda averages: averages["pearson"],
        reference=best.name,
        limits=(-1.0, 1.0),
        aim=0.8,
        main=main,
    )
    return correlation, best


def chi4_of(
    prefix: str,
    label: str,
    meaning: str,
    source: Source,
    shares: Shares,
    *,
    parts: tuple[str, ...] = ("within", "between", "total"),
    main: bool = False,
) -> tuple[OfFields, ...]:
    """chi4 of a share of the particles: within configurations, between them, and both together.

    N times the variance of ``shares``, split as `gensample.stats.dynamics` does; names ``prefix_within`` ...
    """

    def summarise(view: View, members: Integers) -> Summary:
        share = shares(view, members)
        return {
            "mean": share.mean(),
            "square": share.mean() ** 2,
            "noise": len(members) * share.var(ddof=1) / len(share),
            "within": len(members) * share.var(ddof=1),
            "replicas": as_array(len(share)),
        }

    def quantity(part: str) -> OfFields:
        return OfFields(
            name=f"{prefix}_{part}",
            label=f"{label}, {_PLACES[part]}",
            kind="pair",
            meaning=f"Number of particles times the variance of {meaning} {_MEANINGS[part]}",
            source=source,
            summarise=summarise,
            combine=_COMBINE[part],
            bounds=_BOUNDS[part],
            draws=4,
            aim=0.30,
            needs=0.05,
            main=main and part == "within",
        )

    return tuple(quantity(part) for part in parts)


_PLACES = {"within": "within a configuration", "between": "between configurations", "total": "in all"}
_MEANINGS = {
    "within": "between replicas of one configuration.",
    "between": "between configurations, of its mean over replicas.",
    "total": "over all fields: the two parts together.",
}


def _within(averages: Averages) -> Floats:
    return averages["within"]


def _spread(averages: Averages) -> Floats:
    count = averages.configurations
    return dynamics.chi4_spread(averages["mean"], averages["square"], count, averages.particles)


def _between(averages: Averages) -> Floats:
    return _spread(averages) - averages["noise"]


def _total(averages: Averages) -> Floats:
    # One configuration shows no variance between configurations.
    return _within(averages) + _between(averages)


_COMBINE = {"within": _within, "between": _between, "total": _total}


def _parts(value: Averages, resampled: Averages) -> tuple[Bounds, Bounds]:
    count = value.configurations
    parts = (_within, _spread, lambda averages: averages["noise"])
    within, spread, noise = (
        (part(value)[0], intervals.standard_error(part(resampled), count)) for part in parts
    )
    return intervals.chi4_bounds(within, spread, noise, value.stacked["replicas"])


def _total_bounds(value: Averages, resampled: Averages) -> Bounds:
    within, between = _parts(value, resampled)
    # A sum is the difference from the negative.
    low, high = between
    negative = (-_between(value)[0], -high, -low)
    return intervals.difference((_within(value)[0], *within), negative)


_BOUNDS: dict[str, Callable[[Averages, Averages], Bounds]] = {
    "within": lambda value, resampled: _parts(value, resampled)[0],
    "between": lambda value, resampled: _parts(value, resampled)[1],
    "total": _total_bounds,
}
