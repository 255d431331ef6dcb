"""The kinds of rows: how each is trained (or loaded), and how it predicts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from gensample.benchmark.cache import Cache, Opened, lag_columns
from gensample.benchmark.settings import config_of, slug
from gensample.data.store import Store
from gensample.predictors import Predictor, make
from gensample.predictors.indicator import StructuralIndicator
from gensample.predictors.network import Network
from gensample.predictors.published import StoredPrediction
from gensample.seeding import torch_generator
from gensample.stats.dynamics import magnitudes
from gensample.training import cli
from gensample.weights import read_tensors, save_tensors

Predictions = dict[str, np.ndarray]
"""``propensity`` (C, N, K), whatever the target, NaN at lags that are not predicted; ``elongation`` (C, K),
Pearson over bonds, if any; of samplers more.
"""

FITTED = "estimator.safetensors"
SAMPLE_SEED = 1


class Kind(NamedTuple):
    """``train`` returns what the record keeps, the number of parameters among it."""

    train: Callable[[Cache, Opened], dict[str, Any]]
    predict: Callable[[Cache, Opened, str], Predictions]


# Predictors that are fitted here, or need no training


def _fit(kept: Cache, opened: Opened) -> dict[str, Any]:
    modules = [opened.served(name, kept.unit) for name in kept.unit.train]
    for module in modules:
        if module.settings.descriptors:  # not part of the fit: shared by rows
            module.per_configuration("descriptors", module.rows("train"))
    predictor = make(kept.unit.row.estimator or {})
    with kept.timed():
        predictor.fit(modules, torch_generator(opened.settings.seed, 5))
    save_tensors(predictor.state(), kept.folder / FITTED)
    return {"parameters": predictor.parameters}


def _predict_fitted(kept: Cache, opened: Opened, test: str) -> Predictions:
    predictor = make(kept.unit.row.estimator or {})
    predictor.restore(read_tensors(kept.folder / FITTED))
    return _at(predictor, kept, opened, test, opened.columns(kept.unit, test))


def _at(
    predictor: Predictor, kept: Cache, opened: Opened, test: str, columns: Any = slice(None)
) -> Predictions:
    found = predictor.predict(opened.served(test, kept.unit), opened.judged(test))
    return {"propensity": found[..., columns].double().cpu().numpy()}


def _predict_indicator(kept: Cache, opened: Opened, test: str) -> Predictions:
    indicator = StructuralIndicator(str(kept.unit.row.indicator))
    indicator.fit([opened.served(test, kept.unit)])
    return _at(indicator, kept, opened, test)


def _predict_published(kept: Cache, opened: Opened, test: str) -> Predictions:
    return _at(StoredPrediction(str(kept.unit.row.prediction)), kept, opened, test)


def _nothing(kept: Cache, opened: Opened) -> dict[str, Any]:
    return {"parameters": None}


# Networks


def _train(kept: Cache, opened: Opened) -> dict[str, Any]:
    """Train with the row's config, one network for all lag times or one for each; resumes."""
    (name,) = kept.unit.train
    lags = opened.lag_times(name)
    groups = [[lag] for lag in lags] if kept.unit.row.lag_by_lag else [lags]
    with kept.timed():
        for number, group in enumerate(groups):
            _train_one(kept, opened, kept.folder / f"network-{number}", group)
    found = [opened.network(_checkpoint(kept, number)).parameters or 0 for number in range(len(groups))]
    return {"parameters": sum(found), "networks": len(groups)}


def _train_one(kept: Cache, opened: Opened, folder: Path, lags: list[float]) -> None:
    unit, done = kept.unit, folder / "done"
    if done.exists():
        return
    (name,) = unit.train
    config = copy.deepcopy(config_of(unit.row))
    served = opened.arguments(name, unit) | {"lags": lags, "train_limit": opened.train_limit(name, unit)}
    served |= {"target": "propensity", "passes": opened.settings.datasets[name].passes}
    model = config["model"]["init_args"]
    chosen = {f"data.{key}": value for key, value in served.items()} | {
        "seed_everything": opened.settings.seed
    }
    if "outputs" in model.get("network", {}).get("init_args", {}):
        chosen["model.network.outputs"] = len(lags) * (2 if model.get("spread") else 1)
    for key, value in (chosen | unit.row.set).items():
        _put(config, key, value)
    path = folder.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    resumed = (folder / "checkpoints" / "last.ckpt").exists()
    words = ["--config", str(path), "--out", str(folder), *(["--ckpt_path", "last"] if resumed else [])]
    trainer = cli.train("fit", words).trainer
    if trainer.received_sigterm or trainer.interrupted:
        raise KeyboardInterrupt
    done.touch()


def _put(config: dict[str, Any], key: str, value: Any) -> None:
    """Set ``model.network.width`` and the like in a config, where settings of classes are in init_args."""
    *parents, last = key.split(".")
    for word in (*parents, last):
        if "class_path" in config and word not in ("class_path", "init_args"):
            config = config.setdefault("init_args", {})
        if word is not last:
            config[word] = config.get(word) or {}
            config = config[word]
    config[last] = value


def _checkpoint(kept: Cache, number: int) -> Path:
    found = kept.folder / f"network-{number}" / "checkpoints"
    best = found / "best.ckpt"
    return best if best.is_file() else found / "last.ckpt"


def _predict_trained(kept: Cache, opened: Opened, test: str) -> Predictions:
    columns, lags = opened.columns(kept.unit, test), opened.lag_times(test)
    if not kept.unit.row.lag_by_lag:
        return _of_network(opened.network(_checkpoint(kept, 0)), opened, test, lags, columns)
    parts = [
        _of_network(opened.network(_checkpoint(kept, number)), opened, test, [lag], [0])
        for number, lag in zip(columns, lags, strict=True)
    ]
    return {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}


def _predict_model(kept: Cache, opened: Opened, test: str) -> Predictions:
    name = str(kept.unit.row.model)
    columns = opened.model_columns(name, test)
    return _of_network(opened.network(name), opened, test, opened.lag_times(test), columns)


def _of_network(
    network: Network, opened: Opened, test: str, lags: list[float], columns: list[int]
) -> Predictions:
    """Predictions at ``lags``, those of the ``columns`` of the network."""
    module = opened.read_by(network, test, lags)
    nodes, bonds = network.predict_with_bonds(module, opened.judged(test), columns)
    return {"propensity": nodes.numpy(), **({} if bonds is None else {"elongation": bonds})}


def _load(kept: Cache, opened: Opened) -> dict[str, Any]:
    model = opened.model(str(kept.unit.row.model or kept.unit.row.generator))
    return {"parameters": sum(p.numel() for p in model.parameters()) if hasattr(model, "parameters") else 0}


# Generators


def _predict_generator(kept: Cache, opened: Opened, test: str) -> Predictions:
    """Mean of |u| over the draws of a displacement generator, at the lag times asked for."""
    row, dataset = kept.unit.row, opened.settings.datasets[test]
    # Named after what it is drawn from: a sample of other data is another file.
    path = kept.folder / f"sample-{slug(test)}-{kept.mark(test)[:12]}.h5"
    split = "all" if dataset.validation is not None and dataset.split != "test" else dataset.split
    # A benchmark may ask how a model does elsewhere: it says where that is, and goes on.
    model = opened.model(str(row.generator))
    model.sample(dataset.dataset, row.draws, SAMPLE_SEED, path, split=split, force=True)
    chosen = np.flatnonzero(np.isin(opened.store(test).indices(split), opened.judged(test)))
    with Store.open(path) as store:
        columns = lag_columns(store.times.tolist(), opened.lag_times(test))
        means = [magnitudes(store.displacements(int(c))).mean(0)[columns] for c in chosen]
    return {"propensity": np.stack(means).transpose(0, 2, 1)}


# Samplers, whose module enters the comparison: only where there is one


def _load_sampler(kept: Cache, opened: Opened) -> dict[str, Any]:
    from gensample.benchmark import samplers

    return samplers.load(kept, opened)


def _predict_sampler(kept: Cache, opened: Opened, test: str) -> Predictions:
    from gensample.benchmark import samplers

    return samplers.predict(kept, opened, test)


KINDS: dict[str, Kind] = {
    "estimator": Kind(_fit, _predict_fitted),
    "fit": Kind(_train, _predict_trained),
    "model": Kind(_load, _predict_model),
    "generator": Kind(_load, _predict_generator),
    "sampler": Kind(_load_sampler, _predict_sampler),
    "indicator": Kind(_nothing, _predict_indicator),
    "prediction": Kind(_nothing, _predict_published),
}
