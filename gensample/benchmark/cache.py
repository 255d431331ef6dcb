"""The folder of a benchmark: one folder for each trained row, what is done is not done again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gensample.benchmark.bench import Bench
from gensample.benchmark.settings import slug
from gensample.benchmark.units import Unit, config_of, weights_of
from gensample.data.catalog import resolve
from gensample.data.store import Store
from gensample.errors import ConfigError
from gensample.predictors.base import FORMAT
from gensample.reads import Reads
from gensample.work import atomic, empty, remove

RECORD, KEY = "record.json", "key"
SECONDS = "seconds.json"
# Settings of a row that decide what is trained; names and references may change.
ROW = (
    *("estimator", "fit", "model", "generator", "indicator", "prediction"),
    *("set", "lag_by_lag", "draws", "data", "all_training"),
)
# Settings of a dataset that decide what is trained, and what is predicted for it.
TRAINING = ("lags", "validation", "train_limit", "passes")
JUDGING = ("lags", "validation", "split")


class Kept:
    """Folder of a unit; knows whether what lies there belongs to these settings and data."""

    def __init__(self, root: Path, unit: Unit, bench: Bench) -> None:
        self.unit, self.folder = unit, root / "rows" / unit.folder
        self._datasets, self._parts = bench.settings.datasets, parts_read(unit, bench)
        self.key = _digest(
            {
                "row": {name: value for name, value in asdict(unit.row).items() if name in ROW},
                # Of networks the checkpoint says by itself what it is.
                **({"format": FORMAT} if unit.row.estimator else {}),
                "config": Path(unit.row.fit).read_text(encoding="utf-8") if unit.row.fit else None,
                "weights": weights_of(unit.row),
                "unit": [unit.input, unit.target, list(unit.train), unit.size],
                "seed": bench.settings.seed,
                "data": {name: self._content(name, TRAINING) for name in unit.train},
            }
        )

    def _content(self, name: str, deciding: tuple[str, ...]) -> list[Any]:
        """What results depend on of a dataset: its content, and those of its settings that matter."""
        dataset = self._datasets[name]
        return [fingerprint(dataset.dataset, self._parts), *(getattr(dataset, key) for key in deciding)]

    def mark(self, test: str) -> str:
        """Tells whether predictions for a test set are of this training and of what is judged now."""
        return _digest({"key": self.key, "data": self._content(test, JUDGING)})

    def record(self) -> dict[str, Any] | None:
        """What was kept of a finished training with the same settings and data; None where there is none."""
        record: dict[str, Any] = _read(self.folder / RECORD, {})
        return record if record.get("key") == self.key else None

    def begin(self) -> None:
        """Make the folder to train in, emptied of what belongs to other settings.

        Raises:
            ConfigError: what is there was not made by a benchmark.
        """
        marker = self.folder / KEY
        self.folder.mkdir(parents=True, exist_ok=True)
        if not marker.is_file() and any(not path.name.startswith(".") for path in self.folder.iterdir()):
            raise ConfigError(f"{self.folder} is of no benchmark; remove it or choose another --out")
        if not (marker.is_file() and marker.read_text(encoding="utf-8") == self.key):
            empty(self.folder, marker.name)
            _write(marker, self.key)

    def abandon(self) -> None:
        """Remove the folder where nothing is in it but notes and the configs of networks."""
        files = {path.name for path in self.folder.rglob("*") if path.is_file()}
        if all(name in (KEY, SECONDS) or name.startswith("network-") for name in files):
            remove(self.folder)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the seconds within to those of earlier, interrupted attempts."""
        path, start = self.folder / SECONDS, time.perf_counter()
        before = _read(path, 0.0)
        try:
            yield
        finally:
            _write(path, json.dumps(before + time.perf_counter() - start))

    def finish(self, parameters: int | None, **more: Any) -> dict[str, Any]:
        """Record the training as done."""
        seconds = _read(self.folder / SECONDS, None) if self.unit.row.trained else None
        record = {"key": self.key, "parameters": parameters, "seconds": seconds, **more}
        _write(self.folder / RECORD, json.dumps(record, indent=1) + "\n")
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


def _read(path: Path, default: Any) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else default


def _write(path: Path, text: str) -> None:
    with atomic(path, replace=True) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


# What counts as the same data

Parts = frozenset[str]
"""Of "inherent", "cage", "probe" and "predictions": what may be added to a dataset at any time."""


def parts_read(unit: Unit, bench: Bench) -> Parts:
    """Parts of a dataset that a unit reads."""
    row, reads = unit.row, _reads(unit, bench)
    found = {"cage", "probe"} & {*reads.descriptors, reads.input}
    if reads.input != "thermal" or reads.cage_vectors:
        found.add("inherent")
    return frozenset({"predictions"} if row.prediction is not None else found)


def _reads(unit: Unit, bench: Bench) -> Reads:
    row = unit.row
    if row.model is not None or row.generator is not None:
        found: Reads = bench.model(str(row.model or row.generator)).reads
        return found
    config = (config_of(row).get("data") or {}).get("init_args", {})
    of_row = {key.removeprefix("data."): value for key, value in row.set.items() if key.startswith("data.")}
    given = ({**config, **row.data, **of_row}).get("descriptors") or ()
    # The vector to the inherent structure is kept from rows on thermal positions.
    vectors = bool({**row.data, **of_row}.get("cage_vectors", unit.input != "thermal"))
    names = ("invariants",) if given is True else given
    return Reads(input=unit.input, descriptors=names, cage_vectors=vectors)  # type: ignore[arg-type]


def fingerprint(dataset: str, parts: Parts) -> str:
    """Tells whether a dataset is the same to one who reads these ``parts`` beside what every dataset has."""
    path = resolve(dataset)
    return _fingerprint(path, path.stat().st_mtime_ns, parts)


@cache
def _fingerprint(path: Path, modified: int, parts: Parts) -> str:
    with Store.open(path) as store:
        digest = hashlib.sha256(f"{store.mixture},{','.join(store.split)}".encode())
        arrays: list[np.ndarray | None]
        arrays = [store.positions, store.times, store.species, store.box, store.temperature]
        arrays += [store.propensity, store.bond_breaking]
        arrays += [store.inherent] if "inherent" in parts else []
        arrays += [store.cage, store.cage_spread] if "cage" in parts else []
        for name, group in (("probe", store.probe or {}), ("predictions", store.predictions)):
            if name in parts:
                arrays += [np.frombuffer(key.encode(), np.uint8) for key in sorted(group)]
                arrays += [group[key] for key in sorted(group)]
        for array in arrays:
            digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        for row in range(store.num_configurations if store.has_displacements else 0):
            if store.done[row].any():
                digest.update(np.ascontiguousarray(store.displacements(row)).tobytes())
    return digest.hexdigest()
