"""Judging what is predicted, and the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gensample.benchmark.data import judged_rows
from gensample.benchmark.published import CHI4_TEMPERATURES, PublishedCurves
from gensample.benchmark.run import Finished
from gensample.benchmark.settings import TARGETS, BenchmarkSettings, Published
from gensample.benchmark.workspace import Unit
from gensample.benchmark.write import write_report
from gensample.data.datamodule import KADataModule
from gensample.stats.pairs import Pairs
from gensample.stats.predictions import (
    Truth,
    judge,
    map_linearly,
    mean_with_interval,
    pairs_of,
    spatial_correlation,
)

Entry = dict[str, Any]


def report(settings: BenchmarkSettings, root: Path, finished: Sequence[Finished], command: str) -> str:
    """Write the report into ``root`` and return its main table."""
    truths = Truths(settings)
    entries = [entry for done in finished for entry in entries_of(done, settings, truths)]
    curves = [curve for done in finished for curve in _correlations(done, truths)]
    return write_report(
        root,
        entries,
        curves,
        published=published_numbers(settings.published),
        title=settings.title,
        notes=[*settings.notes, f"Made by `{command}`, seed {settings.seed}."],
    )


class Truths:
    """What is predicted, by test set and target, each read once."""

    def __init__(self, settings: BenchmarkSettings) -> None:
        self._settings = settings
        self._kept: dict[tuple[str, str], tuple[Truth, list[float]]] = {}
        self._pairs: dict[str, list[Pairs]] = {}
        self._temperatures: dict[str, float | None] = {}

    def of(self, test: str, target: str) -> tuple[Truth, list[float]]:
        """Truth of a test set, and its lag times."""
        if (test, target) not in self._kept:
            self._kept[test, target] = self._read(test, target)
        return self._kept[test, target]

    def pairs(self, test: str, target: str) -> list[Pairs]:
        """Pairs of A particles of a test set, for spatial correlations."""
        if test not in self._pairs:
            truth, _ = self.of(test, target)
            self._pairs[test] = pairs_of(truth.positions[:, truth.species == 0], truth.box)
        return self._pairs[test]

    def temperature(self, test: str) -> float | None:
        """Temperature of a test set; None where its configurations have several."""
        return self._temperatures[test]

    def _read(self, test: str, target: str) -> tuple[Truth, list[float]]:
        dataset = self._settings.datasets[test]
        module = KADataModule(dataset.dataset, lags=dataset.lags, quantity=TARGETS[target])
        module.setup()
        rows, store = judged_rows(dataset, module.store), module.store
        known, temperatures = store.has_displacements, np.unique(store.temperature[rows])
        self._temperatures[test] = float(temperatures[0]) if len(temperatures) == 1 else None
        truth = Truth(
            label=module.per_particle("propensity", rows).double().cpu().numpy(),
            spread=module.per_particle("spread", rows).double().cpu().numpy() if known else None,
            replicas=store.done[rows].sum(1) if known else np.zeros(len(rows), np.int64),
            species=store.species,
            positions=store.positions[rows],
            box=store.box[rows],
        )
        return truth, module.lag_times


def entries_of(done: Finished, settings: BenchmarkSettings, truths: Truths) -> list[Entry]:
    """One entry for each test set, species and lag, and for bonds where they are predicted."""
    found = []
    for test, predictions in done.predictions.items():
        truth, lags = truths.of(test, done.unit.target)
        seconds = float(predictions["seconds"])
        common = _common(done, test, seconds) | {"temperature": truths.temperature(test)}
        options = {"samples": settings.bootstrap, "seed": settings.seed}
        displacement = done.unit.target == "propensity"
        for s in _species(done.unit, truth):
            for k, lag in enumerate(lags):
                scores = judge(predictions["propensity"], truth, k, s, displacement=displacement, **options)
                found.append({**common, "species": chr(ord("A") + s), "lag": lag, **scores})
        # Bonds are the same whatever is predicted of the particles: judged once.
        for k, lag in enumerate(lags if displacement and "elongation" in predictions else []):
            score = mean_with_interval(predictions["elongation"][:, k], **options)
            bonds = {"target": "elongation", "species": "A-A", "lag": lag, "pearson": score}
            found.append({**common, **bonds})
    return found


def _species(unit: Unit, truth: Truth) -> list[int]:
    return unit.row.species or sorted(set(truth.species.tolist()))


def _common(done: Finished, test: str, seconds: float) -> Entry:
    unit, record = done.unit, done.record
    return {
        "row": unit.row.name,
        "kind": unit.row.kind,
        "input": unit.input,
        "target": unit.target,
        "train": "+".join(unit.train) or None,
        "train_size": unit.size,
        "test": test,
        "seconds": record["seconds"],
        "parameters": record["parameters"],
        "predict_seconds": seconds,
        "reference": unit.row.reference,
    }


def _correlations(done: Finished, truths: Truths) -> list[Entry]:
    """Spatial correlations of predictions and of what they predict, species A; not for learning curves."""
    found = []
    for test, predictions in done.predictions.items() if done.unit.size is None else ():
        truth, lags = truths.of(test, done.unit.target)
        near, of = truths.pairs(test, done.unit.target), truth.species == 0
        for k, lag in enumerate(lags):
            x, y = predictions["propensity"][:, of, k], truth.label[:, of, k]
            for source, field in (("predicted", map_linearly(x, y)), ("simulated", y)):
                r, c = spatial_correlation(field, near)
                values = [None if math.isnan(v) else v for v in c.tolist()]
                common = _common(done, test, 0.0)
                found.append({**common, "lag": lag, "source": source, "r": r.tolist(), "c": values})
    return found


def published_numbers(settings: Published | None) -> dict[str, Any] | None:
    """Published numbers as plain values; None where they are not at hand."""
    if settings is None or not Path(settings.curves).is_file():
        return None
    curves, system = PublishedCurves.read(settings.curves), settings.system
    three = system == "KA"  # the figures of heterogeneity and transfer are of the liquid in 3D
    return {
        "pearson": {
            "propensity": curves.pearson(system),
            "bond_breaking": {} if three else curves.bond_breaking(system),
        },
        "chi4": {t: curves.chi4(t) for t in CHI4_TEMPERATURES} if three else {},
        "transfer": curves.transfer() if three else {},
    }
