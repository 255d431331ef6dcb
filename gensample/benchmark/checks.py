"""What cannot work or would mislead is refused before anything is trained."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from gensample import zoo
from gensample.benchmark.content import weights_of
from gensample.benchmark.data import (
    benchmark_lags,
    judged_rows,
    lag_columns,
    same_state,
    training_rows,
)
from gensample.benchmark.settings import TARGETS, BenchmarkSettings, RowSettings, test_sets
from gensample.benchmark.workspace import Unit
from gensample.data.catalog import resolve
from gensample.data.store import Store
from gensample.errors import ConfigError


class Checks:
    """Checks of the units of one benchmark; each dataset is opened once."""

    def __init__(self, settings: BenchmarkSettings) -> None:
        self.settings = settings
        self._stores: dict[str, Store] = {}

    def store(self, name: str) -> Store:
        """A dataset of the benchmark. Raises DataError when it is missing or damaged."""
        if name not in self._stores:
            self._stores[name] = Store.open(resolve(self.settings.datasets[name].dataset))
        return self._stores[name]

    def possible(self, found: Sequence[Unit]) -> list[Unit]:
        """Units that have as many training configurations as they ask for; says which have not."""
        kept = []
        for unit in found:
            most = min([self._available(name) for name in unit.train], default=0)
            if unit.size is None or unit.size <= most:
                kept.append(unit)
            else:
                print(f"{unit.folder}: left out, there are {most} training configurations", file=sys.stderr)
        return kept

    def _available(self, name: str) -> int:
        dataset = self.settings.datasets[name]
        return len(training_rows(dataset, self.store(name), everything=True)[: dataset.train_limit])

    def refuse(self, units: Sequence[Unit]) -> None:
        """Raise ConfigError, or DataError for a dataset, at the first unit that cannot work or misleads."""
        for row in {unit.row.name: unit.row for unit in units}.values():
            weights_of(row)
            _refuse_model(row, self.settings.targets)
        for unit in units:
            for name in unit.train:
                self._refuse_validation(name)
            counts = {name: len(self._lag_times(name)) for name in unit.train}
            if len(set(counts.values())) > 1:
                raise ConfigError(
                    f"row {unit.row.name!r}: different numbers of lag times, {counts}; set lags"
                )
            for test in test_sets(self.settings, unit.row):
                self._refuse_judging(unit, test)

    def _lag_times(self, name: str) -> list[float]:
        return benchmark_lags(self.settings.datasets[name], self.store(name))

    def _refuse_validation(self, name: str) -> None:
        dataset, split = self.settings.datasets[name], self.store(name).split
        chosen = [c for c in dataset.validation or [] if 0 <= c < len(split) and split[c] == "test"]
        if chosen:
            raise ConfigError(f"{name}: validation names rows {chosen} of the test split")

    def _refuse_judging(self, unit: Unit, test: str) -> None:
        row, dataset, store = unit.row, self.settings.datasets[test], self.store(test)
        species = set(store.species.tolist())
        if not set(row.species or []) <= species:
            raise ConfigError(f"row {row.name!r}: species {row.species}; {test} has {sorted(species)}")
        judged = judged_rows(dataset, store)
        for name in unit.train:
            other = self.settings.datasets[name]
            trained = training_rows(other, self.store(name), row.all_training)
            if resolve(other.dataset) == resolve(dataset.dataset) and np.intersect1d(trained, judged).size:
                raise ConfigError(
                    f"row {row.name!r} is trained on configurations of {name} that it would be judged on: "
                    f"{test} has split {dataset.split!r}"
                )
        if unit.train:
            first = unit.train[0]
            elsewhere = not same_state(self.store(first), store)
            lag_columns(self._lag_times(first), self._lag_times(test), elsewhere)


def _refuse_model(row: RowSettings, targets: Sequence[str]) -> None:
    """Models and published predictions are of one target and input; the labels must say so."""
    if row.trained or row.indicator is not None:
        return
    asked = row.targets or targets
    if row.prediction is not None:
        wrong = [] if row.targets else [target for target in asked if target != "propensity"]
        served = "propensity unless the row's own targets say otherwise"
    else:
        reads = _reads(str(row.model or row.generator))
        served = reads["quantity"]
        wrong = [target for target in asked if TARGETS[target] != served]
        if row.inputs != [reads["input"]]:
            raise ConfigError(
                f"row {row.name!r} reads {reads['input']} positions, its inputs say {', '.join(row.inputs)}"
            )
    if wrong:
        raise ConfigError(f"row {row.name!r} predicts {served}, not {wrong}: set its targets")


@cache
def _reads(name: str) -> dict[str, Any]:
    """Input and quantity of a model."""
    reads = zoo.load_model(name).reads
    return {"input": reads.input, "quantity": reads.quantity}
