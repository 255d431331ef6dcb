"""What the units of one benchmark share while it runs, and what is kept of each on disk."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gensample import registry, zoo
from gensample.benchmark.settings import (
    SIMULATION,
    TARGETS,
    BenchmarkSettings,
    DatasetSettings,
    RowSettings,
    RowUnit,
    config_of,
    slug,
)
from gensample.data.catalog import dataset_file
from gensample.data.datamodule import KADataModule
from gensample.data.store import Store, lag_rows
from gensample.errors import ConfigError
from gensample.generators.base import Generator
from gensample.predictors import of_model
from gensample.predictors.base import FORMAT
from gensample.predictors.network import Network
from gensample.reads import Reads
from gensample.work import atomic, empty, remove

RECORD, KEY = "record.json", "key"
SECONDS = "seconds.json"
# Settings of a row that decide what is trained; names and references may change.
ROW = (
    *("estimator", "fit", "model", "generator", "sampler", "indicator", "prediction"),
    *("set", "lag_by_lag", "draws", "data", "all_training"),
)
# Settings of a dataset that decide what is trained, and what is predicted for it.
TRAINING = ("lags", "validation", "train_limit", "passes")
JUDGING = ("lags", "validation", "split")


# Lag times that are within this of each other are the same: published ones are rounded.
SAME_LAG = 0.01


def judged_rows(dataset: DatasetSettings, store: Store) -> np.ndarray:
    """Rows that predictions are judged on, the same for every kind of row."""
    if dataset.split == "val" and dataset.validation is not None:
        return np.asarray(dataset.validation)
    rows = store.indices(dataset.split)
    return np.setdiff1d(rows, dataset.validation or []) if dataset.split == "train" else rows


def training_rows(dataset: DatasetSettings, store: Store, everything: bool) -> np.ndarray:
    """Rows that may be trained on; with ``everything`` those of them to validate on too."""
    rows = store.indices("train")
    return rows if everything else np.setdiff1d(rows, dataset.validation or [])


def lag_columns(trained: Sequence[float], asked: Sequence[float], elsewhere: bool = False) -> list[int]:
    """Columns, of predictions at the lag times ``trained``, for those that are ``asked`` for.

    On a dataset ``elsewhere``, of another temperature or liquid and hence another relaxation time, the first
    column serves the first lag time and so on, where there are as many.

    Raises:
        ConfigError: a lag time was not trained.
    """
    same = [[k for k, t in enumerate(trained) if math.isclose(t, lag, rel_tol=SAME_LAG)] for lag in asked]
    in_order = all(not found or k in found for k, found in enumerate(same))
    if elsewhere and len(asked) == len(trained) and in_order:
        return list(range(len(asked)))
    if not all(same):
        raise ConfigError(f"asked for predictions at lag times {list(asked)}, there are {list(trained)}")
    return [found[0] for found in same]


class Opened:
    """Opens, makes and keeps what units ask for."""

    def __init__(self, settings: BenchmarkSettings) -> None:
        self.settings = settings
        self._stores: dict[str, Store] = {}
        self._models: dict[str, Any] = {}
        self._modules: dict[str, KADataModule] = {}

    def store(self, name: str) -> Store:
        """A dataset of the benchmark. Raises DataError when it is missing or damaged."""
        if name not in self._stores:
            self._stores[name] = Store.open(dataset_file(self.settings.datasets[name].dataset))
        return self._stores[name]

    def model(self, name: str | Path) -> Any:
        """A model by released name, folder or checkpoint."""
        if str(name) not in self._models:
            self._models[str(name)] = zoo.load_model(name)
        return self._models[str(name)]

    def sampler(self, row: RowSettings, test: str) -> Generator | None:
        """What draws for a test set; None for simulation itself.

        Raises:
            ConfigError: no such model.
        """
        if row.sampler == SIMULATION:
            return None
        key = f"{row.name}, {test}"
        if key not in self._models and isinstance(row.sampler, dict):
            found: Generator = registry.build(row.sampler, registry.GENERATORS)
            found.name, found.digest = row.name, _digest(row.sampler)
            self._models[key] = found
        elif key not in self._models:
            data = dataset_file(self.settings.datasets[test].dataset)
            self._models[key] = zoo.load_model(row.sampler, data=data)
        drawing: Generator = self._models[key]
        return drawing

    def network(self, name: str | Path) -> Network:
        """What such a model predicts, also outside its domain: a benchmark may ask how it does elsewhere."""
        return of_model(self.model(name), str(name), force=True)

    def lag_times(self, name: str) -> list[float]:
        """Lag times of a dataset that the benchmark asks for, ascending."""
        times = self.store(name).times
        return [float(t) for t in times[lag_rows(times, self.settings.datasets[name].lags)]]

    def judged(self, name: str) -> np.ndarray:
        """Rows of a test set that predictions are judged on."""
        return judged_rows(self.settings.datasets[name], self.store(name))

    def columns(self, unit: RowUnit, test: str) -> list[int]:
        """Columns of the predictions of a trained unit that belong to the lag times of a test set."""
        first = unit.train[0]
        one, two = self.store(first), self.store(test)
        shared = np.isclose(one.temperature[:, None], two.temperature, rtol=1e-6).any()
        elsewhere = one.mixture != two.mixture or not shared
        return lag_columns(self.lag_times(first), self.lag_times(test), elsewhere)

    def model_columns(self, name: str, test: str) -> list[int]:
        """Outputs of a model that belong to the lag times of a test set; one that does not say has as many.

        Raises:
            ConfigError: it lacks one of them.
        """
        network, lags = self.network(name), self.lag_times(test)
        if network.stated:
            return lag_columns(network.times, lags)
        if len(network.times) != len(lags):
            raise ConfigError(
                f"{name} has {len(network.times)} lag times and does not say which; asked for {lags}"
            )
        return list(range(len(lags)))

    # Data modules

    def arguments(self, name: str, unit: RowUnit) -> dict[str, Any]:
        """Settings of the data module that serves the dataset ``name`` to a unit."""
        dataset = self.settings.datasets[name]
        return {
            "dataset": dataset.dataset,
            "input": unit.input,
            # Rows that read thermal positions read nothing else: no vector to the inherent structure.
            "cage_vectors": unit.input != "thermal",
            "lags": dataset.lags,
            "validation": None if unit.row.all_training else dataset.validation,
            "quantity": TARGETS[unit.target],
            **unit.row.data,
        }

    def train_limit(self, name: str, unit: RowUnit) -> int | None:
        """How many training configurations of a dataset a unit may see."""
        return self.settings.datasets[name].train_limit if unit.size is None else unit.size

    def served(self, name: str, unit: RowUnit) -> KADataModule:
        """The data module that serves the dataset ``name`` to a unit.

        How many configurations are trained on is set on the module that is kept.
        """
        arguments = self.arguments(name, unit)
        key = repr(sorted(arguments.items(), key=lambda item: item[0]))
        if key not in self._modules:
            module = KADataModule(**arguments)
            module.setup()
            self._modules[key] = module
        module = self._modules[key]
        module.settings = replace(module.settings, train_limit=self.train_limit(name, unit))
        return module

    def read_by(self, network: Network, name: str, lags: list[float]) -> KADataModule:
        """A test set as a network reads it, with labels at ``lags``."""
        reads, model = network.reads, network.model
        key = repr((name, lags, {key: value for key, value in reads.plain().items() if key != "domain"}))
        if key not in self._modules:
            dataset = self.settings.datasets[name].dataset
            self._modules[key] = network.open(dataset, self.judged(name), target="propensity", lags=lags)
        elif reads.descriptors:
            statistics = (model.descriptor_mean, model.descriptor_scale)
            self._modules[key].described.use(*statistics, reads.levels)
        return self._modules[key]

    def drop(self) -> None:
        """Let all data modules go: rows that follow read the data in another way."""
        self._modules.clear()


def named(row: RowSettings) -> str | None:
    """The released model or folder that a sampler is, if it is one."""
    known = isinstance(row.sampler, str) and row.sampler != SIMULATION and row.sampler not in zoo.BARE
    return row.sampler if known else None


def weights_of(row: RowSettings) -> dict[str, str]:
    """Digests of the weights that a row starts from, or is.

    Raises:
        ConfigError: a model or a file of weights is not found.
    """
    found = {name: zoo.model_digest(name) for name in (row.model, row.generator, named(row)) if name}
    start = row.set.get(
        "model.init_from", config_of(row).get("model", {}).get("init_args", {}).get("init_from")
    )
    if start is not None:
        try:
            found[str(start)] = hashlib.sha256(Path(start).read_bytes()).hexdigest()
        except OSError as error:
            raise ConfigError(f"row {row.name!r} starts from weights that are not there: {error}") from None
    return found


class Cache:
    """Folder of a unit; knows whether what lies there belongs to these settings and data."""

    def __init__(self, root: Path, unit: RowUnit, opened: Opened) -> None:
        self.unit, self.folder = unit, root / "rows" / unit.folder
        self._datasets, self._parts = opened.settings.datasets, parts_read(unit, opened)
        self.key = _digest(
            {
                "row": {name: value for name, value in asdict(unit.row).items() if name in ROW},
                # Of networks the checkpoint says by itself what it is.
                **({"format": FORMAT} if unit.row.estimator else {}),
                "config": Path(unit.row.fit).read_text(encoding="utf-8") if unit.row.fit else None,
                "weights": weights_of(unit.row),
                "unit": [unit.input, unit.target, list(unit.train), unit.size],
                "seed": opened.settings.seed,
                "data": {name: self._content(name, TRAINING) for name in unit.train},
                **({"bootstrap": opened.settings.bootstrap} if unit.row.sampler is not None else {}),
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
"""Of "inherent", "futures", "cage", "probe" and "predictions": what may be added to a dataset at any time."""


def parts_read(unit: RowUnit, opened: Opened) -> Parts:
    """Parts of a dataset that a unit reads."""
    row, reads = unit.row, _reads(unit, opened)
    found = {"cage", "probe"} & {*reads.descriptors, reads.input}
    if reads.input != "thermal" or reads.cage_vectors:
        found.add("inherent")
    found |= {"inherent", "futures"} if row.sampler is not None else set()
    return frozenset({"predictions"} if row.prediction is not None else found)


def _reads(unit: RowUnit, opened: Opened) -> Reads:
    row = unit.row
    if name := row.model or row.generator or named(row):
        found: Reads = opened.model(name).reads
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
    path = dataset_file(dataset)
    return _fingerprint(path, path.stat().st_mtime_ns, parts)


@cache
def _fingerprint(path: Path, modified: int, parts: Parts) -> str:
    with Store.open(path) as store:
        digest = hashlib.sha256(f"{store.mixture},{','.join(store.split)}".encode())
        arrays: list[np.ndarray | None]
        arrays = [store.positions, store.times, store.species, store.box, store.temperature]
        arrays += [store.propensity, store.bond_breaking]
        arrays += [store.inherent] if "inherent" in parts else []
        arrays += [np.array(store.has_inherent_displacements)] if "futures" in parts else []
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
