"""Going through the rows: train what is not trained, predict what is not predicted."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gensample.commands.benchmarking.data import DataModules
from gensample.commands.benchmarking.rows import KIND
from gensample.commands.benchmarking.settings import BenchmarkSettings, test_sets
from gensample.commands.benchmarking.workspace import Unit, Workspace, fingerprint, units
from gensample.errors import ConfigError


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

    Without ``train``, only what is done already. Raises ConfigError when ``only`` names no row.
    """
    chosen = [unit for unit in units(settings) if _asked(unit, only)]
    if not chosen:
        raise ConfigError(f"no row's name contains one of {only}; rows are {[r.name for r in settings.rows]}")
    data, found, before = DataModules(settings), [], None
    for number, unit in enumerate(chosen, 1):
        reads = (unit.row.data, unit.input, unit.target)
        if before is not None and reads != before:
            data.drop()  # graphs and averages of many configurations take gigabytes
            gc.collect()
        before = reads
        done = _run_unit(unit, settings, root, data, train, f"[{number}/{len(chosen)}] {unit.folder}")
        found += [] if done is None else [done]
    return found


def _asked(unit: Unit, only: Sequence[str] | None) -> bool:
    return only is None or any(word.lower() in unit.row.name.lower() for word in only)


def _run_unit(
    unit: Unit, settings: BenchmarkSettings, root: Path, data: DataModules, train: bool, label: str
) -> Finished | None:
    work = Workspace(root, unit, settings)
    record = work.record()
    if record is None:
        if not train:
            return None
        _say(f"{label}: {'training' if unit.row.trained else 'loading'}")
        work.begin()
        record = work.finish(**KIND[unit.row.kind].train(work, data))
    predictions = {}
    for test in _tests(unit, settings):
        mark = fingerprint(settings.datasets[test].dataset, unit)
        found = work.predictions(test, mark)
        if found is None and train:
            _say(f"{label}: predicting {test}")
            found = _timed(work, data, test)
            work.keep(test, mark, found)
        if found is not None:
            predictions[test] = found
    return Finished(unit, record, predictions)


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
