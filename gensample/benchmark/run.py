"""Going through the rows: train what is not trained, predict what is not predicted."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gensample.benchmark.bench import Bench
from gensample.benchmark.cache import Kept
from gensample.benchmark.checks import possible, refuse
from gensample.benchmark.rows import KINDS
from gensample.benchmark.settings import BenchmarkSettings
from gensample.benchmark.units import Unit, asked, units
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
    everything, bench = units(settings), Bench(settings)
    chosen = [unit for unit in everything if asked(unit, only)]
    if not chosen:
        raise ConfigError(f"no row's name contains one of {only}; rows are {[r.name for r in settings.rows]}")
    kept = possible(chosen, bench)
    refuse(kept, bench)
    done, before = dict[Unit, Finished | None](), None
    for number, unit in enumerate(kept, 1):
        reads = (unit.row.data, unit.input, unit.target)
        if before is not None and reads != before:
            bench.drop()  # graphs and averages of many configurations take gigabytes
            gc.collect()
        before = reads
        done[unit] = _run_unit(unit, bench, root, train, f"[{number}/{len(kept)}] {unit.folder}")
    for unit in everything:
        if unit not in chosen:
            done[unit] = _kept(unit, bench, root)
    missing = [unit.folder for unit in everything if done.get(unit, unit) is None]
    if missing:
        _say(f"left out, as not done: {', '.join(missing)}")
    found = [finished for unit in everything if (finished := done.get(unit)) is not None]
    if not found:
        raise ConfigError(f"nothing in {root} is done with these settings: there is nothing to report on")
    return found


def _kept(unit: Unit, bench: Bench, root: Path) -> Finished | None:
    """A unit that was not asked for, if it is done; what is missing for it stops nothing."""
    try:
        return _run_unit(unit, bench, root, False, "")
    except GensampleError as error:
        _say(f"{unit.folder}: {error}")
        return None


def _run_unit(unit: Unit, bench: Bench, root: Path, train: bool, label: str) -> Finished | None:
    kept = Kept(root, unit, bench)
    if not train:
        return _finished(kept, bench, None)
    made = [folder for folder in (kept.folder, *kept.folder.parents) if not folder.exists()]
    try:
        with alone(kept.folder):
            return _finished(kept, bench, label)
    except GensampleError:
        for folder in made:
            with suppress(OSError):  # not empty
                folder.rmdir()
        raise


def _finished(kept: Kept, bench: Bench, label: str | None) -> Finished | None:
    """What is done; with a ``label``, after what is missing was done under it."""
    unit, record = kept.unit, kept.record()
    kind = KINDS[unit.row.kind]
    if record is None:
        if label is None:
            return None
        _say(f"{label}: {'training' if unit.row.trained else 'loading'}")
        kept.begin()
        try:
            record = kept.finish(**kind.train(kept, bench))
        except GensampleError:  # settings that only the training reads may be wrong
            kept.abandon()
            raise
    predictions = {}
    for test in unit.tests(bench.settings):
        found = kept.predictions(test)
        if found is None and label is not None:
            _say(f"{label}: predicting {test}")
            start = time.perf_counter()
            found = kind.predict(kept, bench, test)
            found["seconds"] = np.asarray(time.perf_counter() - start)
            kept.keep(test, found)
        if found is not None:
            predictions[test] = found
    return Finished(unit, record, predictions)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
