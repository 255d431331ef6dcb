"""Priors by name, and the statistics of the training split that a generator starts from."""

from __future__ import annotations

from typing import Any

import torch

from gensample.errors import ConfigError
from gensample.flow.prior import ParticlePrior, Prior, SpeciesPrior


def make_prior(name: str, num_species: int, num_lags: int, cutoff: float) -> Prior:
    """Prior of that name, to be fitted to a training split.

    Raises:
        ConfigError: the name is unknown.
    """
    if name == "species":
        return SpeciesPrior(num_species, num_lags)
    if name == "particle":
        return ParticlePrior()
    raise ConfigError(f"unknown prior {name!r}; known: species, particle, elastic")


def fit_statistics(task: Any, data: Any) -> None:
    """Fill the buffers of a displacement task from the training split of a data module."""
    records = [data._record(int(row)) for row in data._prepare("train")]
    species = data._species
    for row, name in enumerate(("propensity", "spread")):
        values = torch.stack([record[name] for record in records]).double()
        for a in range(data.num_species):
            task.target_mean[row, a] = values[:, species == a].mean((0, 1)).float()
            task.target_scale[row, a] = values[:, species == a].flatten(0, 1).std(0).float()
    if isinstance(task.prior, SpeciesPrior):
        task.prior.table.copy_(data.statistics()["rms"])
    if task.hparams.descriptors:
        mean, scale = data.descriptor_statistics()
        task.descriptor_mean.copy_(mean)
        task.descriptor_scale.copy_(scale)
