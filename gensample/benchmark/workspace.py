"""The folder of a benchmark: one folder for each trained row, what is done is not done again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gensample.benchmark.content import fingerprint, parts_read, weights_of
from gensample.benchmark.settings import BenchmarkSettings, RowSettings, slug, training_sets
from gensample.errors import ConfigError
from gensample.predictors.base import FORMAT
from gensample.work import atomic, empty, remove

RECORD, KEY = "record.json", "key"
SECONDS = "seconds.json"


@dataclass(frozen=True, eq=False)
class Unit:
    """One training (or loading) of one row: its input, target, training datasets and their size."""

    row: RowSettings
    input: str
    target: str
    train: tuple[str, ...]
    size: int | None = None

    @property
    def folder(self) -> str:
        """Path of its folder below that of the benchmark."""
        trained = "+".join(self.train) or "untrained"
        size = "" if self.size is None else f"-first{self.size}"
        return "/".join(slug(word) for word in (self.row.name, self.input, self.target, trained + size))


def units(settings: BenchmarkSettings) -> list[Unit]:
    """All trainings of a benchmark, rows in order."""
    found = []
    for row in settings.rows:
        trainings: list[tuple[tuple[str, ...], int | None]] = [((), None)]
        if row.trained:
            sizes = settings.sizes if row.sizes is None else row.sizes
            sets = training_sets(settings, row)
            trainings = [(names, size) for names in sets for size in (*sizes, None)]
        for target in row.targets or settings.targets:
            found += [Unit(row, name, target, *training) for name in row.inputs for training in trainings]
    return found


class Workspace:
    """Folder of a unit; knows whether what lies there belongs to these settings and data."""

    def __init__(self, root: Path, unit: Unit, settings: BenchmarkSettings) -> None:
        self.unit, self.folder = unit, root / "rows" / unit.folder
        self._datasets, self._parts = settings.datasets, parts_read(unit.row, unit.input)
        self.key = _digest(
            {
                "row": {name: value for name, value in asdict(unit.row).items() if name in _DECIDING},
                # Of networks the checkpoint says by itself what it is.
                **({"format": FORMAT} if unit.row.estimator else {}),
                "config": Path(unit.row.fit).read_text(encoding="utf-8") if unit.row.fit else None,
                "weights": weights_of(unit.row),
                "unit": [unit.input, unit.target, list(unit.train), unit.size],
                "seed": settings.seed,
                "data": {name: self._content(name, *_TRAINING) for name in unit.train},
            }
        )

    def _content(self, name: str, *deciding: str) -> list[Any]:
        """What results depend on of a dataset: its content, and those of its settings that matter."""
        dataset = self._datasets[name]
        return [fingerprint(dataset.dataset, self._parts), *(getattr(dataset, key) for key in deciding)]

    def mark(self, test: str) -> str:
        """Tells whether predictions for a test set are of this training and of what is judged now."""
        return _digest({"key": self.key, "data": self._content(test, *_JUDGING)})

    def record(self) -> dict[str, Any] | None:
        """What was kept of a finished training with the same settings and data; None where there is none."""
        path = self.folder / RECORD
        if not path.is_file():
            return None
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return record if record.get("key") == self.key else None

    def begin(self) -> Path:
        """The folder to train in, emptied of what belongs to other settings.

        Raises:
            ConfigError: what is there was not made by a benchmark.
        """
        marker = self.folder / KEY
        self.folder.mkdir(parents=True, exist_ok=True)
        if not marker.is_file() and any(not path.name.startswith(".") for path in self.folder.iterdir()):
            raise ConfigError(f"{self.folder} is of no benchmark; remove it or choose another --out")
        if not (marker.is_file() and marker.read_text(encoding="utf-8") == self.key):
            empty(self.folder, marker.name)
            with atomic(marker, replace=True) as temporary:
                temporary.write_text(self.key, encoding="utf-8")
        return self.folder

    def abandon(self) -> None:
        """Remove the folder where nothing but the notes of this class are in it."""
        files = {path.name for path in self.folder.rglob("*") if path.is_file()}
        if files <= {KEY, SECONDS}:
            remove(self.folder)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the seconds within to those of earlier, interrupted attempts."""
        path, start = self.folder / SECONDS, time.perf_counter()
        before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else 0.0
        try:
            yield
        finally:
            with atomic(path, replace=True) as temporary:
                temporary.write_text(json.dumps(before + time.perf_counter() - start), encoding="utf-8")

    def finish(self, parameters: int | None, **more: Any) -> dict[str, Any]:
        """Record the training as done."""
        path = self.folder / SECONDS
        seconds = (
            json.loads(path.read_text(encoding="utf-8")) if path.is_file() and self.unit.row.trained else None
        )
        record = {"key": self.key, "parameters": parameters, "seconds": seconds, **more}
        with atomic(self.folder / RECORD, replace=True) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        return record

    def predictions(self, test: str) -> dict[str, np.ndarray] | None:
        """Kept predictions for a test set, where they are of this training and these data."""
        path = self._path(test)
        if not path.is_file():
            return None
        with np.load(path) as file:
            found = dict(file)
        return found if str(found.pop("key")) == self.mark(test) else None

    def keep(self, test: str, found: dict[str, np.ndarray]) -> None:
        """Keep predictions for a test set."""
        with atomic(self._path(test), replace=True) as temporary:
            arrays: dict[str, Any] = {"key": self.mark(test), **found}
            np.savez(temporary, **arrays)

    def _path(self, test: str) -> Path:
        return self.folder / f"predictions-{slug(test)}.npz"


# Settings of a row that decide what is trained; names and references may change.
_DECIDING = (
    "estimator",
    "fit",
    "model",
    "generator",
    "indicator",
    "prediction",
    "set",
    "lag_by_lag",
    "draws",
    "data",
    "all_training",
)


# Settings of a dataset that decide what is trained, and what is predicted for it.
_TRAINING = ("lags", "validation", "train_limit", "passes")
_JUDGING = ("lags", "validation", "split")


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
