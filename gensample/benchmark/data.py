"""Data modules of a benchmark, each made once: graphs and averages are shared by all rows that use them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gensample.benchmark.settings import TARGETS, BenchmarkSettings, DatasetSettings
from gensample.benchmark.workspace import Unit
from gensample.data.catalog import resolve
from gensample.data.datamodule import KADataModule
from gensample.data.store import Store, lag_rows
from gensample.errors import ConfigError

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


def benchmark_lags(dataset: DatasetSettings, store: Store) -> list[float]:
    """Lag times of a dataset that the benchmark asks for, ascending."""
    return [float(t) for t in store.times[lag_rows(store.times, dataset.lags)]]


def same_state(first: Store, second: Store) -> bool:
    """Whether two datasets are of one liquid and share a temperature: their lag times then mean the same."""
    shared = np.isclose(first.temperature[:, None], second.temperature, rtol=1e-6).any()
    return first.mixture == second.mixture and bool(shared)


def lag_columns(trained: Sequence[float], asked: Sequence[float], elsewhere: bool) -> list[int]:
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


class DataModules:
    """Makes, sets up and keeps the data modules that units ask for."""

    def __init__(self, settings: BenchmarkSettings) -> None:
        self.settings = settings
        self._kept: dict[str, KADataModule] = {}

    def arguments(self, name: str, unit: Unit) -> dict[str, Any]:
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

    def get(self, name: str, unit: Unit, **more: Any) -> KADataModule:
        """The data module that serves the dataset ``name`` to a unit; ``more`` are settings that win.

        How many configurations are trained on is set on the module that is kept.
        """
        arguments = self.arguments(name, unit) | more
        key = repr(sorted(arguments.items(), key=lambda item: item[0]))
        if key not in self._kept:
            module = KADataModule(**arguments)
            module.setup()
            self._kept[key] = module
        module = self._kept[key]
        module.settings = replace(module.settings, train_limit=self.train_limit(name, unit))
        return module

    def train_limit(self, name: str, unit: Unit) -> int | None:
        """How many training configurations of a dataset a unit may see."""
        return self.settings.datasets[name].train_limit if unit.size is None else unit.size

    def training(self, unit: Unit) -> list[KADataModule]:
        """Those of the training sets of a unit."""
        return [self.get(name, unit) for name in unit.train]

    def columns(self, unit: Unit, test: str) -> list[int]:
        """Columns of the predictions of a trained unit that belong to the lag times of a test set."""
        first = unit.train[0]
        with self._store(first) as trained, self._store(test) as tested:
            elsewhere = not same_state(trained, tested)
        return lag_columns(self.lag_times(first), self.lag_times(test), elsewhere)

    def lag_times(self, name: str) -> list[float]:
        """Lag times of a dataset that the benchmark asks for, ascending."""
        with self._store(name) as store:
            return benchmark_lags(self.settings.datasets[name], store)

    def _store(self, name: str) -> Store:
        return Store.open(resolve(self.settings.datasets[name].dataset))

    def drop(self) -> None:
        """Let all of them go: rows that follow read the data in another way."""
        self._kept.clear()
