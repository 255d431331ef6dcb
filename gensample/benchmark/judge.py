"""Judging what was predicted: an entry for each row, test set, species and lag, and spatial correlations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gensample.benchmark.cache import judged_rows
from gensample.benchmark.run import Finished
from gensample.benchmark.settings import SIMULATION, TARGETS, BenchmarkSettings
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


def truth_of(module: KADataModule, rows: Sequence[int] | np.ndarray) -> Truth:
    """What is to be predicted of the configurations ``rows`` of a data module."""
    store, known = module.store, module.store.has_displacements
    return Truth(
        label=module.per_particle("propensity", rows).double().cpu().numpy(),
        spread=module.per_particle("spread", rows).double().cpu().numpy() if known else None,
        replicas=store.done[rows].sum(1) if known else np.zeros(len(rows), np.int64),
        species=store.species,
        positions=store.positions[rows],
        box=store.box[rows],
    )


class Judge:
    """Judges finished units; what is predicted of each test set and target is read once."""

    def __init__(self, settings: BenchmarkSettings) -> None:
        self.settings = settings
        self._truths: dict[tuple[str, str], tuple[Truth, list[float], float | None]] = {}
        self._pairs: dict[str, list[Pairs]] = {}

    def truth(self, test: str, target: str) -> tuple[Truth, list[float], float | None]:
        """Truth of a test set, its lag times, and its temperature; None where it has several."""
        if (test, target) not in self._truths:
            dataset = self.settings.datasets[test]
            module = KADataModule(dataset.dataset, lags=dataset.lags, quantity=TARGETS[target])
            module.setup()
            rows = judged_rows(dataset, module.store)
            temperatures = np.unique(module.store.temperature[rows])
            temperature = float(temperatures[0]) if len(temperatures) == 1 else None
            self._truths[test, target] = truth_of(module, rows), module.lag_times, temperature
        return self._truths[test, target]

    def entries(self, done: Finished) -> list[Entry]:
        """One entry for each test set, species and lag, and for bonds where they are predicted."""
        found = []
        displacement = done.unit.target == "propensity"
        options = {"samples": self.settings.bootstrap, "seed": self.settings.seed}
        for test, predictions in done.predictions.items():
            truth, lags, temperature = self.truth(test, done.unit.target)
            common = {**_common(done, test), "predict_seconds": float(predictions["seconds"])}
            common |= {"reference": done.unit.row.reference, "temperature": temperature}
            for s in done.unit.row.species or sorted(set(truth.species.tolist())):
                for k, lag in enumerate(lags):
                    if np.isnan(predictions["propensity"][:, :, k]).all():
                        continue  # of a sampler that does not know this lag
                    of = {"species": chr(ord("A") + s), "lag": lag}
                    scores = judge(
                        predictions["propensity"], truth, k, s, displacement=displacement, **options
                    )
                    found.append({**common, **of, **scores})
            # Bonds are the same whatever is predicted of the particles: judged once.
            for k, lag in enumerate(lags if displacement and "elongation" in predictions else []):
                score = mean_with_interval(predictions["elongation"][:, k], **options)
                bonds = {"target": "elongation", "species": "A-A", "lag": lag, "pearson": score}
                found.append({**common, **bonds})
        return found

    def points(self, done: Finished) -> list[Entry]:
        """What a sampler costs and how its fields compare, for each test set and lag that it knows."""
        row, found = done.unit.row, list[Entry]()
        if row.sampler is None:
            return found
        from gensample.benchmark.samplers import scores_of

        for test, predictions in done.predictions.items():
            of_row = {"row": row.name, "line": row.line or row.name, "trained": done.record["trained"]}
            truth, lags, _ = self.truth(test, done.unit.target)
            simulation = row.sampler == SIMULATION
            draws = int(truth.replicas.min()) // 2 if simulation else row.draws
            of_row |= {"test": test, "simulation": simulation, "draws": draws}
            for k, lag in enumerate(lags):
                cost, known = float(predictions["core_seconds"][k]), predictions["known"][k].tolist()
                if cost > 0:
                    of_lag = {"lag": lag, "core_seconds": cost, "pearson": known[0], "alike": known[1]}
                    found.append(of_row | of_lag | {"scores": scores_of(predictions["comparisons"][k])})
        return found

    def correlations(self, done: Finished) -> list[Entry]:
        """Spatial correlations of predictions and of what they predict, species A; not of learning curves."""
        found = []
        for test, predictions in done.predictions.items() if done.unit.size is None else ():
            truth, lags, _ = self.truth(test, done.unit.target)
            of = truth.species == 0
            assert truth.positions is not None
            assert truth.box is not None
            if test not in self._pairs:
                self._pairs[test] = pairs_of(truth.positions[:, of], truth.box)
            for k, lag in enumerate(lags):
                if np.isnan(predictions["propensity"][:, :, k]).all():
                    continue
                x, y = predictions["propensity"][:, of, k], truth.label[:, of, k]
                for source, field in (("predicted", map_linearly(x, y)), ("simulated", y)):
                    r, c = spatial_correlation(field, self._pairs[test])
                    values = [None if math.isnan(v) else v for v in c.tolist()]
                    curve = {"lag": lag, "source": source, "r": r.tolist(), "c": values}
                    found.append({**_common(done, test), **curve})
        return found


def _common(done: Finished, test: str) -> Entry:
    unit, record = done.unit, done.record
    return {
        "row": unit.row.name,
        "kind": unit.row.kind,
        "input": unit.input,
        "target": unit.target,
        "train": list(unit.train) or None,
        "train_size": unit.size,
        "test": test,
        "seconds": record["seconds"],
        "parameters": record["parameters"],
    }
