"""What a comparison found: numbers by group and level, a table, a report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gensample.comparison.quantities import EVERYONE, OfFields, named_quantity
from gensample.errors import DataError
from gensample.stats.intervals import NAN, Number

if TYPE_CHECKING:
    from gensample.comparison.rows import Row


@dataclass(frozen=True)
class Propensities:
    """Propensities of the compared configurations, with what a map of them needs.

    Shapes: ``simulated`` and ``generated`` (C, K, N), ``positions`` (C, N, d), ``box`` (C, d),
    ``species`` (N,), ``diameters`` (S,) sigma_aa of the mixture; ``names`` are the C numbers of the
    configurations in the simulated dataset.
    """

    simulated: np.ndarray
    generated: np.ndarray
    positions: np.ndarray
    box: np.ndarray
    species: np.ndarray
    diameters: np.ndarray
    names: Sequence[int]


@dataclass(frozen=True)
class Moves:
    """One field (N, d) of each source at the longest lag from row ``configuration`` of the propensities.

    ``inherent``: displacements between inherent structures, h, else of the particles, u; ``displacements``:
    always u, of the field with the median number of particles that moved.
    """

    configuration: int
    inherent: bool
    fields: Mapping[str, np.ndarray]
    displacements: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Comparison:
    """Generated beside simulated, of displacements or of configurations.

    ``result["A", 100.0]["chi4_iso"]`` is a `gensample.comparison.rows.Row`: value and interval of generated
    and of simulation, what it is measured by, the verdict. The first key is a group: a species, "all", a kind
    of pair; the second a level: a lag time or, of configurations, a temperature.

    Examples:
        >>> from gensample import zoo
        >>> released = Comparison.load(zoo.resolve("ka2d-mini-heated"))
        >>> released["A", 100.0]["pearson"]
        Propensity, Pearson: 0.810 [0.775, 0.845]; 0.864 the best possible

    ``metrics`` is the content of metrics.json (docs/statistics.md); ``curves`` are rows by name; the
    ``propensities`` and ``moves`` are for pictures.
    """

    metrics: Mapping[str, Any]
    curves: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    propensities: Propensities | None = None
    moves: Moves | None = None

    @classmethod
    def load(cls, path: str | Path) -> Comparison:
        """Read ``metrics.json`` or the one inside a report folder; DataError when it is something else."""
        path = Path(path)
        path = path / "metrics.json" if path.is_dir() else path
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: not a readable metrics.json ({error})") from error
        if not isinstance(data, dict) or not isinstance(data.get("lags", data.get("temperatures")), list):
            raise DataError(
                f"{path}: expected the metrics.json of `gensample compare`, found no list of lags"
            )
        return cls(data)

    def __repr__(self) -> str:
        of, names = ("configurations", "T") if self.of_sets else ("displacements", "t")
        sides = (str(self.meta.get(side, {}).get("name", side)) for side in ("generated", "simulated"))
        levels = ", ".join(f"{level:g}" for level in self.levels)
        return (
            f"Comparison({' against '.join(sides)}: {of} of {', '.join(self.groups)} at {names} = {levels})"
        )

    @property
    def of_sets(self) -> bool:
        """Whether sets of configurations were compared, and not displacements."""
        return "temperatures" in self.metrics

    @property
    def meta(self) -> dict[str, Any]:
        """What was compared, and how."""
        meta: dict[str, Any] = self.metrics.get("meta", {})
        return meta

    @property
    def blocks(self) -> Sequence[Mapping[str, Any]]:
        """The metrics of each level."""
        blocks: Sequence[Mapping[str, Any]] = self.metrics["temperatures" if self.of_sets else "lags"]
        return blocks

    @property
    def levels(self) -> list[float]:
        """Lag times or temperatures, ascending."""
        return [float(block["temperature" if self.of_sets else "time"]) for block in self.blocks]

    @property
    def groups(self) -> list[str]:
        """Names of the species and, where there are quantities of all particles together, "all"; or all that
        quantities of configurations are given for.
        """
        if not self.blocks:
            return []
        if self.of_sets:
            return list(dict.fromkeys(of for parts in self.blocks[0]["quantities"].values() for of in parts))
        return list(self.blocks[0]["species"])

    @property
    def species(self) -> list[str]:
        """Names of the species, in order."""
        return [name for name in self.groups if name != EVERYONE]

    @property
    def beside(self) -> list[str]:
        """Names of further sources, shown beside the generated one."""
        return list(self.meta.get("beside", []))

    def draws(self, source: str = "displacements") -> float:
        """Least number of replicas of either source in any configuration, NaN where it is not told.

        Of quantities of source "inherent": of those whose fields were quenched.
        """
        counts = self.meta.get("quenched" if source == "inherent" else "replicas", {})
        sides = (counts.get(side, []) for side in ("simulated", "generated"))
        return float(min((n for side in sides for n in side), default=NAN))

    def entry(self, k: int, group: str, source: str, name: str) -> Mapping[str, Any] | None:
        """The raw ``{"value", "interval"}`` of a quantity at level number ``k``; None where there is none.

        Of a pair [simulation, other] that of both: ``source`` names the other.
        """
        block, found = self.blocks[k], {}
        if self.of_sets:
            found = block["quantities"].get(name, {}).get(group, {}).get(source)
        else:
            found = block["species"].get(group, {}).get(source, {}).get(name)
        return found if found is not None and found.get("value") is not None else None

    def points(self, k: int, group: str, source: str, name: str) -> np.ndarray:
        """(points, 3) array of value, low, high: one point, or one for each bin of a function."""
        found = self.entry(
            k, group, "generated" if source == "simulated" and not self.of_sets else source, name
        )
        if found is None:
            return np.empty((0, 3))
        value, interval = found["value"], found.get("interval")
        q = None if self.of_sets else named_quantity(OfFields, name)
        if q is not None and q.kind == "pair":
            member = 0 if source == "simulated" else 1
            value, interval = value[member], interval[member] if interval else None
        elif source == "simulated" and not self.of_sets:
            return np.empty((0, 3))
        values, bounds = (value, interval) if isinstance(value, list) else ([value], [interval])
        ends = [b or (None, None) for b in bounds or [None] * len(values)]
        return np.array([(v, *b) for v, b in zip(values, ends, strict=True)], dtype=float)

    def get(self, k: int, group: str, source: str, name: str, at: float | None = None) -> Number:
        """One number at level number ``k``, of a function the nearest to ``at``; undefined where unknown."""
        found = self.points(k, group, source, name)
        return Number(*found[self.nearest(at, len(found))].tolist()) if len(found) else Number(NAN)

    def nearest(self, at: float | None, bins: int) -> int:
        """Number of the bin of initial pair distance that is nearest to ``at``; 0 without."""
        return 0 if at is None else int(np.abs(np.array(self.meta["r"][:bins]) - at).argmin())

    def series(self, group: str, source: str, name: str) -> np.ndarray:
        """(K, 3) array of value, low, high against the levels."""
        return np.array([self.get(k, group, source, name) for k in range(len(self.levels))], dtype=float)

    def labels(self, name: str) -> list[str]:
        """Groups of a curve, in order of appearance."""
        return list(dict.fromkeys(row["species"] for row in self.curves.get(name, ())))

    def curve(self, name: str, k: int, group: str, source: str) -> np.ndarray:
        """(points, 4) array of x, value, low, high of one curve, NaN where undefined."""
        level = "temperature" if self.of_sets else "time"
        wanted = (self.levels[k], group, source)
        rows = [row for row in self.curves[name] if (row[level], row["species"], row["source"]) == wanted]
        points = [[row[column] for column in ("x", "value", "lo", "hi")] for row in rows]
        return np.array(points, dtype=float).reshape(-1, 4)

    def __getitem__(self, place: tuple[str, float]) -> dict[str, Row]:
        from gensample.comparison.rows import rows

        group, level = place
        near = [k for k, each in enumerate(self.levels) if np.isclose(each, level, rtol=1e-4)]
        if not near or group not in self.groups:
            raise KeyError(f"{place}: the groups are {self.groups}, the levels {self.levels}")
        return {row.key: row for row in rows(self, near[0], group)}

    def table(self) -> str:
        """What `gensample compare` prints: the main quantities with their verdicts, and what they say."""
        from gensample.comparison.tables import to_text

        return to_text(self)

    def write(self, folder: str | Path) -> Path:
        """Write metrics.json, curves, figures and index.html; the path of the page.

        Raises:
            ConfigError: ``folder`` exists and is not an earlier report.
        """
        from gensample.comparison.tables import write_report

        return write_report(self, folder)
