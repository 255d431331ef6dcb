"""The registered quantities of a comparison: summaries of every configuration, then entries and curves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from gensample.comparison.estimate import Counted, Sides, Table, block
from gensample.comparison.quantities import Quantity, all_quantities
from gensample.comparison.sources import PAIRINGS
from gensample.comparison.view import Structure, View
from gensample.stats import curves, metrics
from gensample.stats.ensemble import Floats, Integers
from gensample.stats.summary import Summary

EVERYONE = -1
"""In place of a species: all particles together."""

CONTROLS = tuple(name for name in PAIRINGS if name != "generated")

Key = tuple[int, int]
"""(lag index, species or EVERYONE)"""
Function = Callable[..., Summary]


def species_name(index: int) -> str:
    """A, B, C ... for 0, 1, 2 ..., "all" for EVERYONE."""
    return "all" if index == EVERYONE else chr(ord("A") + index)


class Registered:
    """Summaries by the functions of the registry, over ``configurations`` of ``species`` species."""

    def __init__(self, configurations: int, species: int, dimension: int) -> None:
        self.configurations, self.species, self.dimension = configurations, species, dimension
        self.axes: dict[str, Any] = {}
        self._particles: dict[int, int] = {}
        self._found: dict[tuple[Key, str], dict[Function, list[Summary]]] = defaultdict(
            lambda: defaultdict(list)
        )

    def add(self, lag: int, views: Mapping[str, View], paired: Iterable[tuple[str, tuple[str, str]]]) -> None:
        """Summarise one configuration at one lag: every source, and every pair (block, (seen, made))."""
        structure = next(iter(views.values())).structure
        self._keep_axes(structure)
        pairs = [(name, (views[seen], views[made])) for name, (seen, made) in paired]
        for species in (*range(self.species), EVERYONE):
            members = structure.members(species) if species >= 0 else np.arange(len(structure.species))
            self._particles[species] = len(members)
            wanted = all_quantities(whole=species == EVERYONE)
            alone = {q.summarise: q for q in wanted if q.kind == "pair"}
            together = {q.summarise: q for q in wanted if q.kind != "pair"}
            for name, view in views.items():
                self._add(((lag, species), name), alone.values(), (view,), members)
            for name, both in pairs:
                self._add(((lag, species), f"{name} pair"), together.values(), both, members)

    def _add(
        self,
        place: tuple[Key, str],
        quantities: Iterable[Quantity],
        views: tuple[View, ...],
        members: Integers,
    ) -> None:
        for quantity in quantities:
            if all(view.shows(quantity.source) for view in views):
                self._found[place][quantity.summarise].append(quantity.summarise(*views, members))

    def _keep_axes(self, structure: Structure) -> None:
        if not self.axes:
            for quantity in all_quantities():
                if quantity.axis is not None:
                    self.axes[quantity.name] = metrics.plain(quantity.axis.points(structure))

    def block(self, key: Key, name: str, sources: tuple[str, str], weights: Floats | None) -> dict[str, Any]:
        """Entries of one block: every quantity that all configurations have."""
        places = [(key, sources[0]), (key, sources[1]), (key, f"{name} pair")]
        sides = Sides(*(self._complete(place) for place in places))
        counted = Counted(self._particles.get(key[1], 0), self.dimension)
        wanted = all_quantities(whole=key[1] == EVERYONE)
        if name in CONTROLS:
            wanted = tuple(q for q in wanted if q.axis is None)  # half of the file, and no figure shows them
        return block(wanted, sides, counted, weights)

    def _complete(self, place: tuple[Key, str]) -> Table:
        found = self._found.get(place, {})
        return {f: metrics.stack(s) for f, s in found.items() if len(s) == self.configurations}

    def rows(self, result: Mapping[str, Any]) -> curves.Rows:
        """Curves of the finished metrics: against lag time, or against the axis of a function."""
        found: curves.Rows = {}
        for quantity in (q for q in all_quantities() if q.kind != "reference"):
            points = None if quantity.axis is None else self.axes.get(quantity.name)
            reference = {"best": quantity.reference} if isinstance(quantity.reference, str) else {}
            rows = curves.rows_of(result, quantity.name, quantity.kind == "pair", points, reference)
            if rows:
                found[quantity.name] = rows
        return found
