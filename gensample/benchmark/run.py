"""Going through the rows: train what is not trained, predict what is not predicted."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gensample.benchmark.checks import Checks
from gensample.benchmark.data import DataModules
from gensample.benchmark.rows import KIND
from gensample.benchmark.settings import BenchmarkSettings, test_sets
from gensample.benchmark.workspace import Unit, Workspace, units
from gensample.errors import ConfigError, GensampleError
from gensample.work import alone


@dataclass(frozen=True)
class Finished:
    """One training with its record and its predictions by test set."""

    unit: Unit
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
    everything = units(settings)
    asked = [unit for unit in everything if _asked(unit, only)]
    if not asked:
        raise ConfigError(f"no row's name contains one of {only}; rows are {[r.name for r in settings.rows]}")
    checks = Checks(settings)
    possible = checks.possible(asked)
    checks.refuse(possible)
    done = dict(_work(possible, settings, root, train))
    done |= {unit: _kept(unit, settings, root) for unit in everything if unit not in asked}
    missing = [unit.folder for unit in everything if done.get(unit, unit) is None]
    if missing:
        _say(f"left out, as not done: {', '.join(missing)}")
    found = [finished for unit in everything if (finished := done.get(unit)) is not None]
    if not found:
        raise ConfigError(f"nothing in {root} is done with these settings: there is nothing to report on")
    return found


def _work(
    chosen: Sequence[Unit], settings: BenchmarkSettings, root: Path, train: bool
) -> Iterator[tuple[Unit, Finished | None]]:
    data, before = DataModules(settings), None
    for number, unit in enumerate(chosen, 1):
        reads = (unit.row.data, unit.input, unit.target)
        if before is not None and reads != before:
            data.drop()  # graphs and averages of many configurations take gigabytes
            gc.collect()
        before = reads
        yield unit, _run_unit(unit, settings, root, data, train, f"[{number}/{len(chosen)}] {unit.folder}")


def _asked(unit: Unit, only: Sequence[str] | None) -> bool:
    return only is None or any(word.lower() in unit.row.name.lower() for word in only)


def _kept(unit: Unit, settings: BenchmarkSettings, root: Path) -> Finished | None:
    """A unit that was not asked for, if it is done; what is missing for it stops nothing."""
    try:
        return _run_unit(unit, settings, root, DataModules(settings), False, "")
    except GensampleError as error:
        _say(f"{unit.folder}: {error}")
        return None


def _run_unit(
    unit: Unit, settings: BenchmarkSettings, root: Path, data: DataModules, train: bool, label: str
) -> Finished | None:
    work = Workspace(root, unit, settings)
    if not train:
        return _finished(work, data, None)
    made = [folder for folder in (work.folder, *work.folder.parents) if not folder.exists()]
    try:
        with alone(work.folder):
            return _finished(work, data, label)
    except GensampleError:
        for folder in made:
            with suppress(OSError):  # not empty
                folder.rmdir()
        raise


def _finished(work: Workspace, data: DataModules, label: str | None) -> Finished | None:
    """What is done; with a ``label``, after what is missing was done under it."""
    unit, record = work.unit, work.record()
    if record is None:
        if label is None:
            return None
        _say(f"{label}: {'training' if unit.row.trained else 'loading'}")
        record = _trained(work, data)
    predictions = {}
    for test in _tests(unit, data.settings):
        found = work.predictions(test)
        if found is None and label is not None:
            _say(f"{label}: predicting {test}")
            found = _timed(work, data, test)
            work.keep(test, found)
        if found is not None:
            predictions[test] = found
    return Finished(unit, record, predictions)


def _trained(work: Workspace, data: DataModules) -> dict[str, Any]:
    work.begin()
    try:
        return work.finish(**KIND[work.unit.row.kind].train(work, data))
    except GensampleError:  # settings that only the training reads may be wrong
        work.abandon()
        raise


def _timed(work: Workspace, data: DataModules, test: str) -> dict[str, np.ndarray]:
    start = time.perf_counter()
    found = KIND[work.unit.row.kind].predict(work, data, test)
    return {**found, "seconds": np.asarray(time.perf_counter() - start)}


def _tests(unit: Unit, settings: BenchmarkSettings) -> list[str]:
    """Every test set; of learning curves, those that were trained on."""
    names = test_sets(settings, unit.row)
    return names if unit.size is None else [name for name in names if name in unit.train]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
