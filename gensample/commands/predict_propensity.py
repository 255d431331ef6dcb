"""Propensities that a predictor reads off configurations, with or without dynamics beside them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from gensample import zoo
from gensample.data.datamodule import KADataModule
from gensample.errors import ConfigError
from gensample.generators.displacement import DisplacementFlow
from gensample.training.dynamics import DynamicsTask

MOST_CONFIGURATIONS = 1000
MOST_PARTICLES = 250_000
BATCH_PARTICLES = 4096
SHEARED = ("d2min", "first_event")


class Predictor:
    """A dynamics predictor, or a displacement generator whose conditioner is used alone.

    ``times`` (K,) are the lag times that its outputs belong to; 1 to K where the model does not say, and
    ``stated`` is False. ``force``: read configurations outside the domain of the model too; ``outside`` holds
    how they differ. ``quantity``: whose mean is predicted, "displacement" or "bond_breaking".

    Raises:
        ConfigError: the model is not found, or predicts no propensity.
    """

    def __init__(self, name: str, force: bool = False, device: str = "cpu") -> None:
        self.name, self.force = name, force
        self.outside: set[str] = set()
        self.model: Any = zoo.load_model(name, device)
        self.device = torch.device(device)
        if not isinstance(self.model, DisplacementFlow | DynamicsTask):
            raise ConfigError(f"{name} is a {type(self.model).__name__}, which predicts no propensity")
        if isinstance(self.model, DisplacementFlow) and self.model.conditioner is None:
            raise ConfigError(f"{name} has no conditioner, hence no propensity; choose a predictor")
        self.quantity = self.model.reads.quantity
        if self.quantity in SHEARED:
            raise ConfigError(f"{name} predicts {self.quantity} of sheared glasses, which is no propensity")
        self.times, self.stated = _lag_times(self.model)

    def propensity(self, path: Path, rows: np.ndarray) -> np.ndarray:
        """Propensity (C', N, K) of the configurations ``rows`` of a file, or of some spread evenly over them.

        C' is limited by MOST_CONFIGURATIONS and MOST_PARTICLES.

        Raises:
            ConfigError: as `open`.
        """
        module = self.open(path, rows)
        most = max(1, min(MOST_CONFIGURATIONS, MOST_PARTICLES // module.store.num_particles))
        chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int))]
        found = self.predict(module, chosen)
        module.store.close()
        return found

    def open(self, path: Path, rows: np.ndarray) -> KADataModule:
        """A dataset as the model reads it, to `predict` the configurations ``rows``.

        Raises:
            ConfigError: the data cannot serve what the model reads, such as cage positions, or lie outside
                its domain.
        """
        module: KADataModule = self.model.open(
            path, rows, model=self.name, device=self.device, force=self.force
        )
        self.outside |= {module.outside} - {""}
        return module

    def predict(self, module: KADataModule, rows: np.ndarray) -> np.ndarray:
        """Propensity (C', N, K) float64 of the configurations ``rows``."""
        particles = module.store.num_particles
        step = max(1, BATCH_PARTICLES // particles)
        groups = [rows[first : first + step] for first in range(0, len(rows), step)]
        quiet = len(groups) < 2 or not sys.stderr.isatty()
        parts = [self._of(module, group) for group in track(groups, "Predicting", disable=quiet)]
        found = np.concatenate(parts).reshape(len(rows), particles, -1)
        return found[..., : len(self.times)].astype(np.float64)

    @torch.no_grad()
    def _of(self, module: KADataModule, rows: np.ndarray) -> np.ndarray:
        """Outputs (C' N, ...) of a batch, whose graphs are then let go: a file may hold many."""
        batch = module.batch(rows)
        module.forget()
        generator = isinstance(self.model, DisplacementFlow)
        found = self.model.condition(batch).propensity if generator else self.model(batch)[0]
        return np.asarray(found.cpu())


def _lag_times(model: Any) -> tuple[tuple[float, ...], bool]:
    """Lag times of the outputs, and whether the model says them."""
    stated = model.reads.lags or ()
    count = len(stated) if isinstance(model, DisplacementFlow) else len(model.edge_scale)
    if len(stated) == count:
        return stated, True
    return tuple(float(k + 1) for k in range(count)), False
