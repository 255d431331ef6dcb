"""Propensities that a predictor reads off configurations, for files without any dynamics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from gensample import zoo
from gensample.data.datamodule import KADataModule
from gensample.data.domain import check_domain, domain_of
from gensample.errors import ConfigError
from gensample.tasks.displacement import DisplacementTask
from gensample.tasks.dynamics import DynamicsTask

MOST_CONFIGURATIONS = 1000
MOST_PARTICLES = 250_000
BATCH_PARTICLES = 4096


class Predictor:
    """A dynamics predictor, or a displacement generator whose conditioner is used alone.

    ``times`` (K,) are the lag times that its outputs belong to, or 1 to K where the model does not say.
    ``force``: read configurations outside the domain of the model too; ``outside`` holds how they differ.

    Raises:
        ConfigError: the model is not found, or predicts no propensity.
    """

    def __init__(self, name: str, force: bool = False) -> None:
        self.name, self.force = name, force
        self.outside: set[str] = set()
        self.model: Any = zoo.load_model(name)
        if isinstance(self.model, DisplacementTask):
            if self.model.conditioner is None:
                raise ConfigError(f"{name} has no conditioner, hence no propensity; choose a predictor")
            s = self.model.settings
            self.reads = {"input": s.input, "cutoff": s.cutoff, "descriptors": self.model.descriptors}
        elif isinstance(self.model, DynamicsTask):
            self.reads = reads(name)
        else:
            raise ConfigError(f"{name} is a {type(self.model).__name__}, which predicts no propensity")
        self.times = _lag_times(name, self.model)

    def propensity(self, path: Path, rows: np.ndarray) -> np.ndarray:
        """Propensity (C', N, K) of the configurations ``rows`` of a file, or of some spread evenly over them.

        C' is limited by MOST_CONFIGURATIONS and MOST_PARTICLES.

        Raises:
            ConfigError: the data cannot serve what the model reads, such as inherent structures, or lie
                outside its domain.
        """
        module = KADataModule(str(path), target="structure", **self.reads)
        served = domain_of(module.store, module.store.temperature[rows])
        outside = check_domain(self.name, self.model.domain, str(path), served, force=self.force)
        self.outside |= {outside} - {""}
        particles, k = module.store.num_particles, len(self.times)
        if module.num_species != len(self.model.descriptor_mean):
            raise ConfigError(
                f"{self.name} was trained on {len(self.model.descriptor_mean)} species, {path} has "
                f"{module.num_species}; choose a predictor of this mixture"
            )
        most = max(1, min(MOST_CONFIGURATIONS, MOST_PARTICLES // particles))
        chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int))]
        module.setup()
        if module.descriptors:
            model = self.model
            module.use_descriptor_statistics(
                model.descriptor_mean, model.descriptor_scale, model.probe_levels
            )
        step = max(1, BATCH_PARTICLES // particles)
        parts = [self._predict(module.batch(chosen[i : i + step])) for i in range(0, len(chosen), step)]
        module.store.close()
        return np.concatenate(parts).reshape(len(chosen), particles, -1)[..., :k].astype(np.float64)

    @torch.no_grad()
    def _predict(self, batch: Any) -> np.ndarray:
        generator = isinstance(self.model, DisplacementTask)
        found = self.model.condition(batch).propensity if generator else self.model(batch)[0]
        return np.asarray(found)


def reads(name: str) -> dict[str, Any]:
    """How the model reads configurations: from the data settings of its config, else the defaults."""
    data = zoo.data_settings(name)
    return {key: data[key] for key in ("input", "cutoff", "descriptors", "cage_vectors") if key in data}


def stated_lag_times(name: str, model: Any) -> list[float] | None:
    """Lag times that the outputs of a model belong to, ascending; None where it does not say."""
    if isinstance(model, DisplacementTask):
        return [float(t) for t in model.lag_time]
    if model.domain.get("lag_times"):
        return [float(t) for t in model.domain["lag_times"]]
    path = zoo.resolve(name)
    if (path / zoo.METRICS).is_file():
        return [float(lag["time"]) for lag in zoo.load_metrics(path).get("lags", [])] or None
    lags = zoo.data_settings(name).get("lags")
    return None if lags is None else sorted(float(t) for t in lags)


def _lag_times(name: str, model: Any) -> tuple[float, ...]:
    stated = stated_lag_times(name, model) or []
    count = len(stated) if isinstance(model, DisplacementTask) else len(model.edge_scale)
    return tuple(stated) if len(stated) == count else tuple(float(k + 1) for k in range(count))
