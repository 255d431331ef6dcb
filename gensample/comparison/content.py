"""What a report is made from: the metrics, the curves, and the propensity of every particle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gensample.comparison.metrics import Metrics


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

    ``inherent``: displacements between inherent structures, h, else of the particles, u.
    """

    configuration: int
    inherent: bool
    fields: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Content:
    """Everything the figures and the page read; ``curves`` are those of `gensample.comparison.compare`."""

    metrics: Metrics
    curves: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    propensities: Propensities | None = None
    moves: Moves | None = None

    def curve(self, name: str, time: float, species: str, source: str) -> np.ndarray:
        """(points, 4) array of x, value, low, high of one curve, NaN where undefined."""
        wanted = (time, species, source)
        rows = [row for row in self.curves[name] if (row["time"], row["species"], row["source"]) == wanted]
        points = [[row[column] for column in ("x", "value", "lo", "hi")] for row in rows]
        return np.array(points, dtype=float).reshape(-1, 4)
