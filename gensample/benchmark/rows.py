"""The kinds of rows: how each is trained (or loaded), and how it predicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gensample.benchmark import networks
from gensample.benchmark.data import DataModules, judged_rows
from gensample.benchmark.settings import RowSettings
from gensample.benchmark.workspace import Workspace
from gensample.data.datamodule import KADataModule
from gensample.errors import ConfigError
from gensample.physics.minimize import minimize
from gensample.predictors.base import Estimator
from gensample.registry import ESTIMATORS, build
from gensample.seeding import torch_generator
from gensample.stats.propensity import pearson
from gensample.structure.indicators import INDICATORS, indicators
from gensample.weights import read_tensors, save_tensors

Predictions = dict[str, np.ndarray]
"""``propensity`` (C, N, K), whatever the target; ``elongation`` (C, K), Pearson over bonds, if any."""

ESTIMATOR = "estimator.safetensors"
# Positions of stored minima are rounded: their Hessians would have negative eigenvalues.
TIGHT = 1e-8
LENGTHS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0)


@dataclass(frozen=True)
class Kind:
    """``train`` returns what the record keeps, the number of parameters among it."""

    train: Callable[[Workspace, DataModules], dict[str, Any]]
    predict: Callable[[Workspace, DataModules, str], Predictions]


# Estimators


def _estimator(row: RowSettings) -> Estimator:
    found: Estimator = build(row.estimator, ESTIMATORS)
    return found


def _fit_estimator(work: Workspace, data: DataModules) -> dict[str, Any]:
    modules = data.training(work.unit)
    for module in modules:
        module.per_particle("descriptors", module.rows("train"))  # not part of the fit: shared by rows
    estimator = _estimator(work.unit.row)
    with work.timed():
        estimator.fit(modules, torch_generator(data.settings.seed, 5))
    save_tensors(estimator.state(), work.folder / ESTIMATOR)
    return {"parameters": estimator.num_parameters}


def _predict_estimator(work: Workspace, data: DataModules, test: str) -> Predictions:
    estimator = _estimator(work.unit.row)
    estimator.restore(read_tensors(work.folder / ESTIMATOR))
    module = data.get(test, work.unit)
    rows = judged_rows(data.settings.datasets[test], module.store)
    columns = data.columns(work.unit, test)
    return {"propensity": estimator.predict(module, rows)[..., columns].double().cpu().numpy()}


# Networks


def _fit_network(work: Workspace, data: DataModules) -> dict[str, Any]:
    return networks.fit(work, data)


def _load_network(work: Workspace, data: DataModules) -> dict[str, Any]:
    assert work.unit.row.model is not None
    return {"parameters": networks.parameters(work.unit.row.model)}


def _predict_network(work: Workspace, data: DataModules, test: str) -> Predictions:
    return networks.predict(work, data, test)


def _predict_generator(work: Workspace, data: DataModules, test: str) -> Predictions:
    return networks.predict_generator(work, data, test)


def _load_generator(work: Workspace, data: DataModules) -> dict[str, Any]:
    assert work.unit.row.generator is not None
    return {"parameters": networks.parameters(work.unit.row.generator)}


# Without training


def _nothing(work: Workspace, data: DataModules) -> dict[str, Any]:
    return {"parameters": None}


def _predict_indicator(work: Workspace, data: DataModules, test: str) -> Predictions:
    """The indicator at the length, and with the sign, that the validation split prefers for each lag."""
    module = data.get(test, work.unit)
    val, rows = module.rows("val"), judged_rows(data.settings.datasets[test], module.store)
    columns = {int(row): _columns(module, int(row), work.unit.row) for row in {*val.tolist(), *rows.tolist()}}
    label = module.per_particle("propensity", val).double().cpu().numpy()
    found = np.zeros((len(rows), module.store.num_particles, label.shape[2]))
    for s in range(module.num_species):
        of = module.store.species == s
        for k in range(label.shape[2]):
            each = [
                [pearson(columns[int(c)][x][of], label[i, of, k]) for i, c in enumerate(val)]
                for x in range(len(LENGTHS))
            ]
            scores = np.nan_to_num(each).mean(1)
            # A split whose labels are all alike prefers nothing.
            best = int(np.argmax(np.abs(scores)))
            sign = np.sign(scores[best])
            found[:, of, k] = sign * np.stack([columns[int(c)][best][of] for c in rows])
    return {"propensity": found}


def _columns(module: KADataModule, row: int, of: RowSettings) -> np.ndarray:
    """The indicator at each of LENGTHS, (L, N)."""
    assert of.indicator is not None
    thermal, centre = module.inputs.of(row)
    store = module.store
    species, box = torch.from_numpy(store.species.astype(np.int64)), torch.from_numpy(store.box[row])
    mixture = store.liquid
    positions = thermal if module.settings.input == "thermal" or centre is None else centre
    if INDICATORS[of.indicator].needs_minimum and module.settings.input == "inherent":
        again = minimize(positions[None], species, box[None], mixture, tolerance=TIGHT, max_steps=50_000)
        positions = again.positions[0]
    found = indicators(
        *(positions, species, box, mixture),
        names=[of.indicator],
        lengths=LENGTHS,
        at_minimum=module.settings.input == "inherent",
        temperature=float(store.temperature[row]),
    )
    names = [f"{of.indicator}@{length:g}" if length else of.indicator for length in LENGTHS]
    return np.stack([np.asarray(found[name], np.float64) for name in names])


def _predict_published(work: Workspace, data: DataModules, test: str) -> Predictions:
    module = data.get(test, work.unit)
    name = str(work.unit.row.prediction)
    stored = module.store.predictions
    if name not in stored:
        raise ConfigError(f"{module.dataset} has no published prediction {name!r}; it has {sorted(stored)}")
    rows = judged_rows(data.settings.datasets[test], module.store)
    return {"propensity": stored[name][rows][:, module.lag_rows].transpose(0, 2, 1).astype(np.float64)}


KIND: dict[str, Kind] = {
    "estimator": Kind(_fit_estimator, _predict_estimator),
    "fit": Kind(_fit_network, _predict_network),
    "model": Kind(_load_network, _predict_network),
    "generator": Kind(_load_generator, _predict_generator),
    "indicator": Kind(_nothing, _predict_indicator),
    "prediction": Kind(_nothing, _predict_published),
}
