"""What the report on configurations is made from: the metrics of each temperature, and the curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gensample.comparison.metrics import NAN, Number

WHOLE = "all"


@dataclass(frozen=True)
class Content:
    """``data`` is the content of metrics.json (docs/statistics.md); ``curves`` as `stats` gives them."""

    data: Mapping[str, Any]
    curves: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    @property
    def meta(self) -> dict[str, Any]:
        """What was compared, and how."""
        meta: dict[str, Any] = self.data.get("meta", {})
        return meta

    @property
    def temperatures(self) -> list[float]:
        """Temperatures compared, ascending."""
        return [float(block["temperature"]) for block in self.data["temperatures"]]

    def block(self, k: int) -> dict[str, Any]:
        """The metrics of temperature number ``k``."""
        block: dict[str, Any] = self.data["temperatures"][k]
        return block

    def parts(self, k: int, name: str) -> list[str]:
        """What a quantity is given for: the whole configuration, kinds of pairs, species and lag times."""
        return list(self.block(k)["quantities"].get(name, {}))

    def get(self, k: int, name: str, of: str, source: str) -> Number:
        """One number with its interval; undefined where it was not computed."""
        entry = self.block(k)["quantities"].get(name, {}).get(of, {}).get(source)
        if entry is None or entry["value"] is None:
            return Number(NAN)
        low, high = entry["interval"] or (None, None)
        return Number(float(entry["value"]), *(NAN if x is None else float(x) for x in (low, high)))

    def labels(self, name: str) -> list[str]:
        """Labels of the functions of a curve, in order of appearance."""
        return list(dict.fromkeys(row["species"] for row in self.curves.get(name, ())))

    def curve(self, name: str, k: int, label: str, source: str) -> np.ndarray:
        """(points, 4) array of x, value, low, high of one curve, NaN where undefined."""
        wanted = (self.temperatures[k], label, source)
        rows = [
            row for row in self.curves[name] if (row["temperature"], row["species"], row["source"]) == wanted
        ]
        points = [[row[column] for column in ("x", "value", "lo", "hi")] for row in rows]
        return np.array(points, dtype=float).reshape(-1, 4)
