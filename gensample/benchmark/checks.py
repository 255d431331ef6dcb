"""What cannot work or would mislead is refused before anything is trained."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from gensample.benchmark.bench import Bench, lag_columns, training_rows
from gensample.benchmark.settings import TARGETS, RowSettings, test_sets
from gensample.benchmark.units import Unit, weights_of
from gensample.data.catalog import resolve
from gensample.errors import ConfigError


def possible(units: Sequence[Unit], bench: Bench) -> list[Unit]:
    """Units that have as many training configurations as they ask for; says which have not."""
    kept = []
    for unit in units:
        most = min([_available(name, bench) for name in unit.train], default=0)
        if unit.size is None or unit.size <= most:
            kept.append(unit)
        else:
            print(f"{unit.folder}: left out, there are {most} training configurations", file=sys.stderr)
    return kept


def _available(name: str, bench: Bench) -> int:
    dataset = bench.settings.datasets[name]
    return len(training_rows(dataset, bench.store(name), everything=True)[: dataset.train_limit])


def refuse(units: Sequence[Unit], bench: Bench) -> None:
    """Raise ConfigError, or DataError for a dataset, at the first unit that cannot work or misleads."""
    for row in {unit.row.name: unit.row for unit in units}.values():
        weights_of(row)
        _refuse_model(row, bench)
    for unit in units:
        for name in unit.train:
            split, validation = bench.store(name).split, bench.settings.datasets[name].validation
            chosen = [c for c in validation or [] if 0 <= c < len(split) and split[c] == "test"]
            if chosen:
                raise ConfigError(f"{name}: validation names rows {chosen} of the test split")
        counts = {name: len(bench.lag_times(name)) for name in unit.train}
        if len(set(counts.values())) > 1:
            raise ConfigError(f"row {unit.row.name!r}: different numbers of lag times, {counts}; set lags")
        for test in test_sets(bench.settings, unit.row):
            _refuse_judging(unit, test, bench)


def _refuse_judging(unit: Unit, test: str, bench: Bench) -> None:
    row, dataset, store = unit.row, bench.settings.datasets[test], bench.store(test)
    species = set(store.species.tolist())
    if not set(row.species or []) <= species:
        raise ConfigError(f"row {row.name!r}: species {row.species}; {test} has {sorted(species)}")
    for name in unit.train:
        other = bench.settings.datasets[name]
        trained = training_rows(other, bench.store(name), row.all_training)
        same = resolve(other.dataset) == resolve(dataset.dataset)
        if same and np.intersect1d(trained, bench.judged(test)).size:
            raise ConfigError(
                f"row {row.name!r} is trained on configurations of {name} that it would be judged on: "
                f"{test} has split {dataset.split!r}"
            )
    if unit.train:
        bench.columns(unit, test)
    elif row.model is not None:
        model_columns(row.model, test, bench)


def model_columns(name: str, test: str, bench: Bench) -> list[int]:
    """Outputs of a model that belong to the lag times of a test set; one that does not say has as many.

    Raises:
        ConfigError: it lacks one of them.
    """
    network, lags = bench.network(name), bench.lag_times(test)
    if network.stated:
        return lag_columns(network.times, lags)
    if len(network.times) != len(lags):
        raise ConfigError(
            f"{name} has {len(network.times)} lag times and does not say which; asked for {lags}"
        )
    return list(range(len(lags)))


def _refuse_model(row: RowSettings, bench: Bench) -> None:
    """Models and published predictions are of one target and input; the labels must say so."""
    name = row.model or row.generator
    targets = row.targets or bench.settings.targets
    if row.prediction is not None:
        served = "propensity unless the row's own targets say otherwise"
        wrong = [] if row.targets else [target for target in targets if target != "propensity"]
    elif name is not None:
        reads = bench.model(name).reads
        served = reads.quantity
        wrong = [target for target in targets if TARGETS[target] != served]
        if row.inputs != [reads.input]:
            raise ConfigError(
                f"row {row.name!r} reads {reads.input} positions, its inputs say {', '.join(row.inputs)}"
            )
    else:
        return
    if wrong:
        raise ConfigError(f"row {row.name!r} predicts {served}, not {wrong}: set its targets")
