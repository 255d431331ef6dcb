"""Regression of the averages over replicas: what a conditioner is trained on before the flow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gensample.nn.conditioner import FOLDS, Condition, EquivariantConditioner
from gensample.stats.regression import block_ridge, line, ridge

AVERAGES = ("propensity", "spread", "mobility")
"""Averages at each node, in the order of a conditioner's outputs."""
WEIGHTS = (1.0, 0.5, 0.5)


class Targets(nn.Module):
    """Mean and standard deviation of each average over a training split: conditioners work in these units.

    ``mean``, ``scale``: (averages, S, K); ``elongation``: (K,), root mean square over bonds.
    """

    mean: Tensor
    scale: Tensor
    elongation: Tensor

    def __init__(self, num_species: int, num_lags: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(len(AVERAGES), num_species, num_lags))
        self.register_buffer("scale", torch.ones(len(AVERAGES), num_species, num_lags))
        self.register_buffer("elongation", torch.ones(num_lags))

    def take(self, found: dict[str, Tensor]) -> None:
        """Fill from the statistics of a data module."""
        self.mean.copy_(torch.stack([found[name] for name in AVERAGES]))
        self.scale.copy_(torch.stack([found[f"{name}_scale"] for name in AVERAGES]))
        self.elongation.copy_(found["elongation_scale"])

    def in_lj_units(self, raw: Condition, species: Tensor) -> Condition:
        """A conditioner's outputs in LJ units."""
        mean, scale = self.mean[:, species], self.scale[:, species]
        return replace(
            raw,
            propensity=mean[0] + scale[0] * raw.propensity,
            spread=mean[1] + scale[1] * raw.spread,
            mobility=mean[2] + scale[2] * raw.mobility,
            elongation=self.elongation * raw.elongation,
        )

    def standardise(self, batch: Any) -> Tensor:
        """The averages of a batch in the units of the conditioner, (n, averages K)."""
        mean, scale = self.mean[:, batch.species], self.scale[:, batch.species]
        return torch.cat([(batch[name] - mean[i]) / scale[i] for i, name in enumerate(AVERAGES)], -1)

    def loss(self, batch: Any, condition: Condition) -> Tensor:
        """Mean square errors of the averages and of elongation in units of their variation, weighted."""
        scale = self.scale[:, batch.species]
        edge = ((condition.elongation - batch.elongation) / self.elongation).square().mean()
        total: Tensor = edge
        for i, name in enumerate(AVERAGES):
            error = (getattr(condition, name) - batch[name]) / scale[i]
            total = total + WEIGHTS[i] * error.square().mean()
        return total


def regress_linearly(conditioner: EquivariantConditioner, targets: Targets, data: Any) -> None:
    """Fill the conditioner's linear part from the training split of a data module that serves descriptors.

    With ``levels`` it is fitted to deviations from the mean of each configuration, each set of descriptors
    with a penalty of its own (as `predictors.ridge` within configurations).
    """
    rows = [int(row) for row in data.rows("train")]
    folds = [row % FOLDS for row in rows]
    for a in range(len(conditioner.linear)):
        pairs = (_of_species(data.batch([row], fields=1), targets, a) for row in rows)
        if conditioner.levels:
            deviations = ((x - x.mean(0), y - y.mean(0)) for x, y in pairs)
            conditioner.linear[a], without, _ = block_ridge(deviations, folds, data.described.widths)
        else:
            conditioner.linear[a], without = ridge(pairs, folds)
        conditioner.held_out[:, a] = conditioner.linear[a]  # for folds without a training configuration
        conditioner.held_out[: len(without), a] = without
    if conditioner.levels:
        _fit_levels(conditioner, targets, data, rows)
        return
    conditioner.collective.zero_()
    conditioner.collective.copy_(_collective_gain(conditioner, targets, data, rows))


def _of_species(batch: Any, targets: Targets, a: int) -> tuple[Tensor, Tensor]:
    """Descriptors and standardised averages of the particles of a species."""
    mine = batch.species == a
    return batch.descriptors[mine], targets.standardise(batch)[mine]


def _fit_levels(conditioner: EquivariantConditioner, targets: Targets, data: Any, rows: list[int]) -> None:
    """Lines from the energy per particle of a configuration to the mean over each species."""
    batches = [data.batch([row], fields=1) for row in rows]
    energy = torch.cat([batch.energy for batch in batches]).double()
    scale = energy.std(unbiased=False)
    conditioner.energy_units[0], conditioner.energy_units[1] = energy.mean(), scale if scale > 0 else 1.0
    x = (energy - conditioner.energy_units[0]) / conditioner.energy_units[1]
    fold = torch.tensor([row % FOLDS for row in rows], device=x.device)
    for a in range(len(conditioner.level)):
        y = torch.stack([targets.standardise(batch)[batch.species == a].mean(0) for batch in batches])
        conditioner.level[a] = line(x, y)
        for number in range(FOLDS):
            others = fold != number
            conditioner.held_out_level[number, a] = line(x[others], y[others]) if others.any() else 0.0


def _collective_gain(
    conditioner: EquivariantConditioner, targets: Targets, data: Any, rows: list[int]
) -> Tensor:
    """Slope of the measured on the predicted (held-out) means over configurations, less 1: what they lack."""
    pairs = []
    for row in rows:
        batch = data.batch([row], fields=1)
        predicted = conditioner.regression(batch, held_out=True)
        pairs.append((predicted.mean(0), targets.standardise(batch).mean(0)))
    predicted, measured = (torch.stack(values) for values in zip(*pairs, strict=True))
    slope = (predicted * measured).sum(0) / predicted.square().sum(0).clamp(min=1e-12)
    return slope - 1
