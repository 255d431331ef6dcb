"""What the units of one benchmark share: datasets, data modules and models, each opened once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gensample import zoo
from gensample.benchmark.settings import TARGETS, BenchmarkSettings, DatasetSettings
from gensample.benchmark.units import Unit
from gensample.data.catalog import resolve
from gensample.data.datamodule import KADataModule
from gensample.data.store import Store, lag_rows
from gensample.errors import ConfigError
from gensample.predictors import of_model
from gensample.predictors.network import Network

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


class Bench:
    """Opens, makes and keeps what units ask for."""

    def __init__(self, settings: BenchmarkSettings) -> None:
        self.settings = settings
        self._stores: dict[str, Store] = {}
        self._models: dict[str, Any] = {}
        self._modules: dict[str, KADataModule] = {}

    def store(self, name: str) -> Store:
        """A dataset of the benchmark. Raises DataError when it is missing or damaged."""
        if name not in self._stores:
            self._stores[name] = Store.open(resolve(self.settings.datasets[name].dataset))
        return self._stores[name]

    def model(self, name: str | Path) -> Any:
        """A model by released name, folder or checkpoint."""
        if str(name) not in self._models:
            self._models[str(name)] = zoo.load_model(name)
        return self._models[str(name)]

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

    def columns(self, unit: Unit, test: str) -> list[int]:
        """Columns of the predictions of a trained unit that belong to the lag times of a test set."""
        first = unit.train[0]
        one, two = self.store(first), self.store(test)
        shared = np.isclose(one.temperature[:, None], two.temperature, rtol=1e-6).any()
        elsewhere = one.mixture != two.mixture or not shared
        return lag_columns(self.lag_times(first), self.lag_times(test), elsewhere)

    # Data modules

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

    def train_limit(self, name: str, unit: Unit) -> int | None:
        """How many training configurations of a dataset a unit may see."""
        return self.settings.datasets[name].train_limit if unit.size is None else unit.size

    def served(self, name: str, unit: Unit) -> KADataModule:
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
            self._modules[key].use_descriptor_statistics(*statistics, reads.levels)
        return self._modules[key]

    def drop(self) -> None:
        """Let all data modules go: rows that follow read the data in another way."""
        self._modules.clear()
