"""The registry: every quantity of futures once, with its words, how it is found and how it is judged."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from gensample.comparison.averages import Averages, Bounds
from gensample.comparison.view import Structure
from gensample.stats.ensemble import Floats
from gensample.stats.summary import Summary

Kind = Literal["pair", "ceiling", "floor", "nominal", "reference"]
Source = Literal["displacements", "future", "inherent", "aftermath"]


@dataclass(frozen=True)
class Words:
    """One row of a table.

    ``kind`` says how it is judged: "pair" against simulation, "ceiling" as a share of the best possible,
    "floor" as a multiple of the least possible, "nominal" against a known number; a "reference" is what
    others are judged by and no row. ``aim`` is the largest deviation from simulation (pair) or from the
    number (nominal), the least share (ceiling) or the largest multiple (floor) called good; None is not
    judged.
    Deviations from simulation are relative unless ``absolute``. ``needs`` is the simulated magnitude below
    which a relative deviation means nothing. ``at`` is where a function is read. ``draws`` is the number of
    replicas below which the row is not judged, for either source. ``reference``: what a ceiling or floor is,
    the name of a quantity, or the number of a nominal one. ``source`` is what it reads: "displacements" u,
    "future" positions x + u and their energies, "inherent" displacements h, "aftermath" the dynamics that
    starts from futures.
    """

    name: str
    label: str
    symbol: str
    kind: Kind
    meaning: str
    aim: float | None = None
    needs: float = 0.0
    at: float | None = None
    draws: int = 2
    absolute: bool = False
    reference: str | float | None = None
    source: Source = "displacements"

    @property
    def short(self) -> str:
        """Name for a terminal."""
        return self.label if self.at is None else f"{self.label}, r={self.at:g}"


@dataclass(frozen=True)
class Axis:
    """What a function is a function of: its name with unit, and its points (bins,) for a configuration."""

    label: str
    points: Callable[[Structure], Floats]


@dataclass(frozen=True, kw_only=True)
class Quantity(Words):
    """A row and how to find it.

    ``summarise`` makes a summary, a dict of arrays, of one configuration at one lag:
    of a view and the particles counted, ``(view, members)``, where the kind is "pair"; else of both sources,
    ``(seen, made, members)``. Quantities that share the function share the work. ``combine`` turns
    `Averages`, means of the summaries over configurations under B sets of weights, into values (B,) or, with
    an ``axis``, (B, bins).

    ``whole``: of all particles together, not species by species. ``positive`` values have intervals of their
    logarithm, ``limits`` bound every interval, ``bounds`` makes others than Student's from the averages under
    equal weights and under the resamples. ``main`` rows are printed by ``gensample compare``.
    """

    summarise: Callable[..., Summary]
    combine: Callable[[Averages], Floats]
    whole: bool = False
    axis: Axis | None = None
    positive: bool = False
    limits: tuple[float, float] = (float("-inf"), float("inf"))
    bounds: Callable[[Averages, Averages], Bounds] | None = field(default=None, repr=False)
    main: bool = False


_REGISTRY: dict[str, Quantity] = {}


def register(*quantities: Quantity) -> None:
    """Enter quantities; every name once. ValueError for a name that is taken."""
    for quantity in quantities:
        if quantity.name in _REGISTRY:
            raise ValueError(f"two quantities are called {quantity.name!r}; rename one of them")
        _REGISTRY[quantity.name] = quantity


@cache
def _load() -> None:
    """Import every module of the package, so that its quantities are registered."""
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        importlib.import_module(f"{__name__}.{module}")


def all_quantities(**wanted: Any) -> tuple[Quantity, ...]:
    """Every registered quantity, or those whose attributes are as ``wanted``; in the order of the modules."""
    _load()
    return tuple(q for q in _REGISTRY.values() if all(getattr(q, k) == v for k, v in wanted.items()))


def mean_of(name: str) -> Callable[[Averages], Floats]:
    """``combine`` of a quantity that is a mean over configurations: that of the summary's entry ``name``."""
    return lambda averages: averages[name]
