"""Going through the rows: train what is not trained, predict what is not predicted."""

from __future__ import annotations

import gc
import math
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gensample import zoo
from gensample.benchmark.cache import SAME_LAG, Cache, Opened, named, training_rows, weights_of
from gensample.benchmark.rows import KINDS
from gensample.benchmark.settings import (
    TARGETS,
    BenchmarkSettings,
    RowSettings,
    RowUnit,
    asked,
    test_sets,
    units,
)
from gensample.data.catalog import dataset_file
from gensample.errors import ConfigError, GensampleError
from gensample.work import alone


@dataclass(frozen=True)
class Finished:
    """One training with its record and its predictions by test set."""

    unit: RowUnit
    record: dict[str, Any]
    predictions: dict[str, dict[str, np.ndarray]]


def run_units(
    settings: BenchmarkSettings, root: Path, *, only: Sequence[str] | None = None, train: bool = True
) -> list[Finished]:
    """Everything that is done at the end, in the order of the rows.

    Without ``train``, only what is done already; so of rows whose names contain none of the words ``only``.

    Raises:
        ConfigError: ``only`` names no row, a row cannot work or would mislead, or nothing is done.
        DataError: a dataset is missing or damaged.
    """
    everything, opened = units(settings), Opened(settings)
    chosen = [unit for unit in everything if asked(unit, only)]
    if not chosen:
        raise ConfigError(f"no row's name contains one of {only}; rows are {[r.name for r in settings.rows]}")
    kept = _possible(chosen, opened)
    _refuse(kept, opened)
    done, before = dict[RowUnit, Finished | None](), None
    for number, unit in enumerate(kept, 1):
        reads = (unit.row.data, unit.input, unit.target)
        if before is not None and reads != before:
            opened.drop()  # graphs and averages of many configurations take gigabytes
            gc.collect()
        before = reads
        done[unit] = _run_unit(unit, opened, root, train, f"[{number}/{len(kept)}] {unit.folder}")
    for unit in everything:
        if unit not in chosen:
            done[unit] = _kept(unit, opened, root)
    missing = [unit.folder for unit in everything if done.get(unit, unit) is None]
    if missing:
        _say(f"left out, as not done: {', '.join(missing)}")
    found = [finished for unit in everything if (finished := done.get(unit)) is not None]
    if not found:
        raise ConfigError(f"nothing in {root} is done with these settings: there is nothing to report on")
    return found


def _kept(unit: RowUnit, opened: Opened, root: Path) -> Finished | None:
    """A unit that was not asked for, if it is done; what is missing for it stops nothing."""
    try:
        return _run_unit(unit, opened, root, False, "")
    except GensampleError as error:
        _say(f"{unit.folder}: {error}")
        return None


def _run_unit(unit: RowUnit, opened: Opened, root: Path, train: bool, label: str) -> Finished | None:
    kept = Cache(root, unit, opened)
    if not train:
        return _finished(kept, opened, None)
    made = [folder for folder in (kept.folder, *kept.folder.parents) if not folder.exists()]
    try:
        with alone(kept.folder):
            return _finished(kept, opened, label)
    except GensampleError:
        for folder in made:
            with suppress(OSError):  # not empty
                folder.rmdir()
        raise


def _finished(kept: Cache, opened: Opened, label: str | None) -> Finished | None:
    """What is done; with a ``label``, after what is missing was done under it."""
    unit, record = kept.unit, kept.record()
    kind = KINDS[unit.row.kind]
    if record is None:
        if label is None:
            return None
        _say(f"{label}: {'training' if unit.row.trained else 'loading'}")
        kept.begin()
        try:
            record = kept.finish(**kind.train(kept, opened))
        except GensampleError:  # settings that only the training reads may be wrong
            kept.abandon()
            raise
    predictions = {}
    for test in unit.tests(opened.settings):
        found = kept.predictions(test)
        if found is None and label is not None:
            _say(f"{label}: predicting {test}")
            start = time.perf_counter()
            found = kind.predict(kept, opened, test)
            found["seconds"] = np.asarray(time.perf_counter() - start)
            kept.keep(test, found)
        if found is not None:
            predictions[test] = found
    return Finished(unit, record, predictions)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# What cannot work or would mislead is refused before anything is trained


def _possible(units: Sequence[RowUnit], opened: Opened) -> list[RowUnit]:
    """Units that have the sampler and the training configurations they ask for; says which have not."""
    kept = []
    for unit in units:
        if lacking := _lacking(unit.row):
            _say(f"{unit.folder}: left out, {lacking}")
            continue
        most = min([_available(name, opened) for name in unit.train], default=0)
        if unit.size is None or unit.size <= most:
            kept.append(unit)
        else:
            print(f"{unit.folder}: left out, there are {most} training configurations", file=sys.stderr)
    return kept


def _lacking(row: RowSettings) -> str:
    """Why a sampler is not there, such as one that is not released yet; empty where it is."""
    if (name := named(row)) is not None:
        try:
            zoo.resolve(name)
        except ConfigError as error:
            return str(error)
    return ""


def _available(name: str, opened: Opened) -> int:
    dataset = opened.settings.datasets[name]
    return len(training_rows(dataset, opened.store(name), everything=True)[: dataset.train_limit])


def _refuse(units: Sequence[RowUnit], opened: Opened) -> None:
    """Raise ConfigError, or DataError for a dataset, at the first unit that cannot work or misleads."""
    for row in {unit.row.name: unit.row for unit in units}.values():
        weights_of(row)
        _refuse_model(row, opened)
    for unit in units:
        for name in unit.train:
            split, validation = opened.store(name).split, opened.settings.datasets[name].validation
            chosen = [c for c in validation or [] if 0 <= c < len(split) and split[c] == "test"]
            if chosen:
                raise ConfigError(f"{name}: validation names rows {chosen} of the test split")
        counts = {name: len(opened.lag_times(name)) for name in unit.train}
        if len(set(counts.values())) > 1:
            raise ConfigError(f"row {unit.row.name!r}: different numbers of lag times, {counts}; set lags")
        for test in test_sets(opened.settings, unit.row):
            _refuse_judging(unit, test, opened)


def _refuse_judging(unit: RowUnit, test: str, opened: Opened) -> None:
    row, dataset, store = unit.row, opened.settings.datasets[test], opened.store(test)
    species = set(store.species.tolist())
    if not set(row.species or []) <= species:
        raise ConfigError(f"row {row.name!r}: species {row.species}; {test} has {sorted(species)}")
    for name in unit.train:
        other = opened.settings.datasets[name]
        trained = training_rows(other, opened.store(name), row.all_training)
        same = dataset_file(other.dataset) == dataset_file(dataset.dataset)
        if same and np.intersect1d(trained, opened.judged(test)).size:
            raise ConfigError(
                f"row {row.name!r} is trained on configurations of {name} that it would be judged on: "
                f"{test} has split {dataset.split!r}"
            )
    if unit.train:
        opened.columns(unit, test)
    elif row.model is not None:
        opened.model_columns(row.model, test)
    elif row.sampler is not None:
        if not (store.has_displacements and store.done[opened.judged(test)].sum(1).min() >= 2):
            raise ConfigError(f"row {row.name!r}: samplers need two replicas or more, {test} has fewer")
        sampler, lags = opened.sampler(row, test), opened.lag_times(test)
        theirs = lags if sampler is None else sampler.reads.lags or ()
        if not any(math.isclose(lag, t, rel_tol=SAME_LAG) for lag in lags for t in theirs):
            raise ConfigError(
                f"row {row.name!r} draws at lag times {list(theirs)}, {test} is asked for {lags}"
            )


def _refuse_model(row: RowSettings, opened: Opened) -> None:
    """Models and published predictions are of one target and input; the labels must say so."""
    name = row.model or row.generator
    sampler = None if row.sampler is None else opened.sampler(row, test_sets(opened.settings, row)[0])
    targets = row.targets or opened.settings.targets
    if row.prediction is not None:
        served = "propensity unless the row's own targets say otherwise"
        wrong = [] if row.targets else [target for target in targets if target != "propensity"]
    elif name is not None or sampler is not None:
        reads = opened.model(str(name)).reads if sampler is None else sampler.reads
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
