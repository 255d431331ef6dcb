"""Ridge regression on structural descriptors, one for each species.

Boattini, Smallenburg and Filion, Phys. Rev. Lett. 127, 088007 (2021), on recursive descriptors of thermal or
inherent structures; on cage positions it is CAGE: Alkemade, Smallenburg and Filion, J. Chem. Phys. 158,
134512 (2023).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gensample.data.datamodule import KADataModule
from gensample.errors import ConfigError
from gensample.estimators.base import Estimator, Sample, read_sample
from gensample.stats.ridge import block_ridge, line, ridge

# Configurations are left out in at most this many groups to choose the penalty.
FOLDS = 8


class Ridge(Estimator):
    """Linear in standardised descriptors; the penalty is chosen by leaving training configurations out.

    With ``temperature``, a column 1/T and every descriptor times 1/T (about their means) are added, so that
    one regression serves several temperatures.

    With few training configurations most of the error is that of configuration means, which hardly any
    descriptor explains, and a regression fits what it can of it by chance. With ``within`` the weights are
    fitted to deviations from the mean of each configuration; what of the configuration means they explain is
    scaled by one number for each species and lag, or, with ``levels``, the means are a line in the potential
    energy per particle (of inherent structures it tells slow configurations from fast ones).

    Args:
        temperature: condition on temperature.
        blocks: a penalty for each set of descriptors (``stats.ridge.block_ridge``) in place of a common one.
        within: fit deviations from configuration means.
        levels: predict configuration means from their energy; with ``within`` alone, at one temperature.

    Raises:
        ConfigError: ``levels`` without ``within`` or with ``temperature``.
    """

    def __init__(
        self, temperature: bool = False, blocks: bool = False, within: bool = False, levels: bool = False
    ) -> None:
        if levels and (temperature or not within):
            raise ConfigError("levels are those of deviations at one temperature: within, not temperature")
        self.temperature, self.blocks, self.within, self.levels = temperature, blocks, within, levels
        self._state = {}

    def fit(self, data: Sequence[KADataModule], generator: torch.Generator) -> None:
        """As in the base class; nothing is drawn."""
        samples = [read_sample(module, module.rows("train"), with_target=True) for module in data]
        lags = {int(_target(sample).shape[-1]) for sample in samples}
        if len(lags) > 1:
            raise ConfigError(f"data sets that are fitted together need as many lag times each, got {lags}")
        self._state = {"inverse_temperature": _inverse_temperature(samples)}
        self._widths = data[0].descriptor_widths if self.blocks else []
        species = range(int(max(sample.species.max() for sample in samples)) + 1)
        parts = [self._fit_species(samples, s) for s in species]
        self._state |= {name: torch.stack([part[name] for part in parts]) for name in parts[0]}

    def _fit_species(self, samples: Sequence[Sample], s: int) -> dict[str, Tensor]:
        columns = [self._columns(x, s) for sample in samples for x in self._each(sample)]
        targets = [y[sample.species == s].double() for sample in samples for y in _target(sample)]
        everything = torch.cat(columns)
        mean, scale = everything.mean(0), everything.std(0, unbiased=False)
        scale = torch.where(scale > 1e-6 * (1 + mean.abs()), scale, 1.0)
        offset = torch.cat(targets).mean(0)
        folds = [number % FOLDS for number in range(len(columns))]
        inputs, rest = [(x - mean) / scale for x in columns], [y - offset for y in targets]
        x, y = (_deviations(inputs), _deviations(rest)) if self.within else (inputs, rest)
        weights = self._solve(x, y, folds)
        gain = _gain(inputs, rest, weights) if self.within else torch.ones_like(offset)
        if not self.levels:
            level = weights.new_zeros(2, len(offset))
        else:
            gain = torch.zeros_like(offset)
            energy = torch.cat([sample.energy for sample in samples])
            level = line(energy, torch.stack([y.mean(0) for y in rest]))
        found = {"mean": mean, "scale": scale, "offset": offset, "weights": weights, "gain": gain}
        return found | {"level": level}

    def _solve(self, inputs: list[Tensor], targets: list[Tensor], folds: list[int]) -> Tensor:
        if not self.blocks:
            return ridge(inputs, targets, folds)[0]
        # Descriptors, then the same times 1/T, then 1/T.
        widths = [*self._widths, *self._widths, 1] if self.temperature else self._widths
        return block_ridge(inputs, targets, folds, widths)[0]

    def _each(self, sample: Sample) -> list[tuple[Sample, int]]:
        return [(sample, number) for number in range(len(sample.descriptors))]

    def _columns(self, of: tuple[Sample, int], s: int) -> Tensor:
        """Columns (n, D') of the particles of species s in one configuration."""
        sample, number = of
        x = sample.descriptors[number, sample.species == s].double()
        if not self.temperature:
            return x
        inverse = 1 / sample.temperature[number].double() - self._state["inverse_temperature"]
        return torch.cat([x, x * inverse, inverse.expand(len(x), 1)], dim=1)

    def predict(self, data: KADataModule, rows: Sequence[int] | np.ndarray) -> Tensor:
        """As in the base class."""
        sample = read_sample(data, rows, with_target=False)
        state = self._state
        found = torch.zeros(*sample.descriptors.shape[:2], state["weights"].shape[-1])
        found = found.to(sample.descriptors)
        for s in range(len(state["weights"])):
            of = sample.species == s
            for number in range(len(found)):
                x = (self._columns((sample, number), s) - state["mean"][s]) / state["scale"][s]
                each = x @ state["weights"][s]
                shared = (state["gain"][s] - 1) * each.mean(0)
                level = state["level"][s, 0] + state["level"][s, 1] * sample.energy[number].double()
                found[number, of] = (each + shared + level + state["offset"][s]).to(found)
        return found


def _deviations(values: list[Tensor]) -> list[Tensor]:
    return [value - value.mean(0) for value in values]


def _gain(inputs: list[Tensor], targets: list[Tensor], weights: Tensor) -> Tensor:
    """Least-squares factor (K,), between 0 and 2, from predicted to true means of the configurations."""
    predicted = torch.stack([(x @ weights).mean(0) for x in inputs])
    true = torch.stack([y.mean(0) for y in targets])
    predicted, true = predicted - predicted.mean(0), true - true.mean(0)
    return ((predicted * true).sum(0) / predicted.square().sum(0).clamp(min=1e-12)).clamp(0.0, 2.0)


def _target(sample: Sample) -> Tensor:
    assert sample.target is not None
    return sample.target


def _inverse_temperature(samples: Sequence[Sample]) -> Tensor:
    return (1 / torch.cat([sample.temperature for sample in samples]).double()).mean()
