"""Rows that are networks: trained by `gensample fit`, loaded, or sampled from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gensample import zoo
from gensample.benchmark.content import config_of
from gensample.benchmark.data import DataModules, judged_rows, lag_columns
from gensample.benchmark.settings import RowSettings, slug
from gensample.benchmark.workspace import Workspace
from gensample.commands import train
from gensample.data.datamodule import KADataModule
from gensample.data.store import Store, domain_of
from gensample.errors import ConfigError
from gensample.generators.base import PhysicsGenerator
from gensample.generators.displacement import DisplacementFlow
from gensample.reads import check_domain
from gensample.stats.propensity import magnitudes
from gensample.training.dynamics import DynamicsTask
from gensample.training.regression import bond_mask, pearson

BATCH_PARTICLES = 4096
SAMPLE_SEED = 1


# Training


def fit(work: Workspace, data: DataModules) -> dict[str, Any]:
    """Train with the row's config, one network for all lag times or one for each; resumes."""
    (name,) = work.unit.train
    lags = data.lag_times(name)
    groups = [[lag] for lag in lags] if work.unit.row.lag_by_lag else [lags]
    with work.timed():
        for number, group in enumerate(groups):
            _fit_one(work, data, name, number, group)
    found = [parameters(_checkpoint(work.folder, number)) for number in range(len(groups))]
    return {"parameters": sum(found), "networks": len(groups)}


def _fit_one(work: Workspace, data: DataModules, name: str, number: int, lags: list[float]) -> None:
    folder = work.folder / f"network-{number}"
    done = folder / "done"
    if done.exists():
        return
    row = work.unit.row
    arguments = data.arguments(name, work.unit) | {
        "lags": lags,
        "train_limit": data.train_limit(name, work.unit),
    }
    arguments |= {"target": "propensity", "passes": data.settings.datasets[name].passes}
    options = [word for key, value in arguments.items() for word in _option(f"data.{key}", value)]
    options += [*_option("seed_everything", data.settings.seed), *_outputs(row, len(lags))]
    options += [word for key, value in row.set.items() for word in _option(key, value)]
    if (folder / "checkpoints" / "last.ckpt").exists():
        options += ["--ckpt_path", "last"]
    cli = train.main("fit", ["--config", str(row.fit), *options, "--out", str(folder)])
    if cli.trainer.received_sigterm or cli.trainer.interrupted:
        raise KeyboardInterrupt
    done.touch()


def _option(key: str, value: Any) -> list[str]:
    return [f"--{key}", "null" if value is None else value if isinstance(value, str) else json.dumps(value)]


def _outputs(row: RowSettings, lags: int) -> list[str]:
    """As many outputs as there are lag times, where the network of the config has that setting."""
    model = config_of(row)["model"]["init_args"]
    network = model.get("network", {}).get("init_args", {})
    if "outputs" not in network:
        return []
    return _option("model.network.outputs", lags * (2 if model.get("spread") else 1))


def _checkpoint(folder: Path, number: int) -> Path:
    found = folder / f"network-{number}" / "checkpoints"
    best = found / "best.ckpt"
    return best if best.is_file() else found / "last.ckpt"


def parameters(model: str | Path) -> int:
    """Number of trained parameters of a model."""
    found = zoo.load_model(model)
    return 0 if isinstance(found, PhysicsGenerator) else sum(p.numel() for p in found.parameters())


# Prediction


def predict(work: Workspace, data: DataModules, test: str) -> dict[str, np.ndarray]:
    """Predictions of the trained or loaded network, joined over lag times."""
    row, asked = work.unit.row, data.lag_times(test)
    if row.model is not None:
        columns = _columns_of_model(row.model, asked)
        return _predict_one(row.model, work, data, test, asked, columns)
    columns = data.columns(work.unit, test)
    if not row.lag_by_lag:
        return _predict_one(_checkpoint(work.folder, 0), work, data, test, asked, columns)
    parts = [
        _predict_one(_checkpoint(work.folder, number), work, data, test, [lag], [0])
        for number, lag in zip(columns, asked, strict=True)
    ]
    return {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}


def _columns_of_model(name: str, asked: list[float]) -> list[int]:
    """Outputs of a model that belong to lag times; one that does not say which it has must have as many."""
    network: Any = zoo.load_model(name)
    if network.reads.lags is not None:
        return lag_columns(network.reads.lags, asked, elsewhere=False)
    count = len(getattr(network, "edge_scale", ()))
    if count != len(asked):
        raise ConfigError(f"{name} has {count} lag times and does not say which; asked for {asked}")
    return list(range(count))


def _predict_one(
    model: str | Path, work: Workspace, data: DataModules, test: str, lags: list[float], columns: list[int]
) -> dict[str, np.ndarray]:
    """Predictions at ``lags``, those of the ``columns`` of the model."""
    network: Any = zoo.load_model(model)
    reads = network.reads
    if reads.input != work.unit.input:
        raise ConfigError(f"{model} reads other positions than {work.unit.input} ones; see the row's inputs")
    more = {"cutoff": reads.cutoff, "descriptors": list(reads.descriptors), "lags": lags}
    more["cage_vectors"] = reads.cage_vectors
    module = data.get(test, work.unit, **more)
    rows = judged_rows(data.settings.datasets[test], module.store)
    if work.unit.row.model is not None:
        served = domain_of(module.store, module.store.temperature[rows])
        check_domain(str(model), reads.domain, test, served, force=True)
    _standardise_as_trained(network, module)
    step = max(1, BATCH_PARTICLES // module.store.num_particles)
    parts = [_of_batch(network, module.batch(rows[i : i + step]), columns) for i in range(0, len(rows), step)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _standardise_as_trained(network: Any, module: KADataModule) -> None:
    if module.num_species != len(network.descriptor_mean):
        raise ConfigError(
            f"the model was trained on {len(network.descriptor_mean)} species, {module.dataset} has "
            f"{module.num_species}"
        )
    if module.settings.descriptors:
        statistics = (network.descriptor_mean, network.descriptor_scale)
        module.use_descriptor_statistics(*statistics, network.reads.levels)


@torch.no_grad()
def _of_batch(network: Any, batch: Any, columns: list[int]) -> dict[str, np.ndarray]:
    if isinstance(network, DisplacementFlow):
        condition = network.condition(batch)
        if condition is None:
            raise ConfigError("a generator without a conditioner predicts nothing by itself; give it draws")
        nodes, edges = condition.propensity, condition.elongation
    elif isinstance(network, DynamicsTask):
        nodes, edges = network(batch)
    else:
        raise ConfigError(f"{type(network).__name__} predicts no propensity")
    found = {
        "propensity": nodes[:, columns].reshape(batch.num_graphs, -1, len(columns)).double().cpu().numpy()
    }
    if edges.shape[1] and "elongation" in batch:
        found["elongation"] = _bonds(batch, edges[:, columns])
    return found


def _bonds(batch: Any, edges: Tensor) -> np.ndarray:
    """Pearson (B, K) over the A-A bonds of each configuration."""
    chosen, owner = bond_mask(batch, 1.35), batch.batch[batch.edge_index[0]]
    scores = [
        pearson(edges[chosen & (owner == i)], batch.elongation[chosen & (owner == i)])
        for i in range(batch.num_graphs)
    ]
    return torch.stack(scores).cpu().numpy()


# Generators


def predict_generator(work: Workspace, data: DataModules, test: str) -> dict[str, np.ndarray]:
    """Mean of |u| over the draws of a displacement generator, at the lag times that the dataset serves."""
    row, dataset = work.unit.row, data.settings.datasets[test]
    assert row.generator is not None
    # Named after what it is drawn from: a sample of other data is another file.
    path = work.folder / f"sample-{slug(test)}-{work.mark(test)[:12]}.h5"
    chosen = dataset.validation is not None and dataset.split in ("train", "val")
    split = "all" if chosen else dataset.split
    # A benchmark may ask how a model does elsewhere: it says where that is, and goes on.
    model = zoo.load_model(row.generator, data=dataset.dataset)
    model.sample(dataset.dataset, row.draws, SAMPLE_SEED, path, split=split, force=True)
    module = data.get(test, work.unit, target="structure")
    rows = judged_rows(dataset, module.store)
    with Store.open(path) as store:
        columns = lag_columns(store.times.tolist(), module.lag_times, elsewhere=False)
        drawn = np.flatnonzero(np.isin(module.store.indices(split), rows))
        means = [magnitudes(store.displacements(int(c))).mean(0)[columns] for c in drawn]
    return {"propensity": np.stack(means).transpose(0, 2, 1)}
