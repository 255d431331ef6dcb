"""Reading of ``metrics.json``: numbers with intervals, series against lag time, missing values as NaN."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gensample.errors import DataError

NAN = float("nan")


class Number(NamedTuple):
    """A value and its 95 % bootstrap interval; NaN where undefined."""

    value: float
    low: float = NAN
    high: float = NAN

    @property
    def defined(self) -> bool:
        """Whether there is a finite value."""
        return bool(np.isfinite(self.value))


def _float(x: Any) -> float:
    return NAN if x is None else float(x)


def _bounds(interval: Any) -> tuple[float, float]:
    return (NAN, NAN) if interval is None else (_float(interval[0]), _float(interval[1]))


@dataclass(frozen=True)
class Metrics:
    """The content of ``metrics.json`` (schema in docs/statistics)."""

    data: dict[str, Any]

    @classmethod
    def load(cls, path: str | Path) -> "Metrics":
        """Read ``metrics.json`` or the one inside a report folder; DataError when it is something else."""
        path = Path(path)
        path = path / "metrics.json" if path.is_dir() else path
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: not a readable metrics.json ({error})") from error
        if not isinstance(data, dict) or not isinstance(data.get("lags"), list):
            raise DataError(
                f"{path}: expected the metrics.json of `gensample compare`, found no list of lags"
            )
        return cls(data)

    @property
    def meta(self) -> dict[str, Any]:
        """What was compared, and how."""
        meta: dict[str, Any] = self.data.get("meta", {})
        return meta

    @property
    def times(self) -> list[float]:
        """Lag times in tau."""
        return [float(lag["time"]) for lag in self.data["lags"]]

    @property
    def species(self) -> list[str]:
        """Names of the species, in order."""
        return [name for name in self.groups if name != "all"]

    @property
    def groups(self) -> list[str]:
        """Names of the species and, where there are quantities of all particles together, "all"."""
        return list(self.data["lags"][0]["species"]) if self.data["lags"] else []

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

    def entry(self, k: int, species: str, source: str, name: str) -> dict[str, Any] | None:
        """The raw ``{"value", "interval"}`` of one metric, None where it was not computed."""
        block: dict[str, Any] = self.data["lags"][k]["species"].get(species, {}).get(source, {})
        return block.get(name)

    def get(self, k: int, species: str, source: str, name: str) -> Number:
        """One metric at lag index ``k``; of a pair [simulation, other] the member that ``source`` names."""
        member = 0 if source == "simulated" else 1
        entry = self.entry(k, species, "generated" if source == "simulated" else source, name)
        if entry is None or entry.get("value") is None:
            return Number(NAN)
        value, interval = entry["value"], entry.get("interval")
        if isinstance(value, list):
            return Number(_float(value[member]), *_bounds(interval[member] if interval else None))
        return Number(NAN) if source == "simulated" else Number(_float(value), *_bounds(interval))

    def series(self, species: str, source: str, name: str) -> np.ndarray:
        """(K, 3) array of value, low, high against lag time."""
        return np.array([self.get(k, species, source, name) for k in range(len(self.times))], dtype=float)

    def profile(self, k: int, species: str, source: str, name: str) -> np.ndarray:
        """(bins, 3) array of value, low, high of a metric that is a list over distance."""
        member = 0 if source == "simulated" else 1
        entry = self.entry(k, species, "generated" if source == "simulated" else source, name)
        if entry is None or entry.get("value") is None:
            return np.empty((0, 3))
        values = entry["value"][member] or []
        interval = entry.get("interval")
        bounds = (interval[member] if interval else None) or [None] * len(values)
        points = [(_float(v), *_bounds(b)) for v, b in zip(values, bounds, strict=True)]
        return np.array(points, dtype=float).reshape(-1, 3)

    @property
    def distances(self) -> np.ndarray:
        """Centres of the bins of ``profile``, in sigma."""
        return np.array(self.meta.get("r", []), dtype=float)
