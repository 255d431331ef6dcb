"""Ridge regression on structural descriptors, one for each species.

Boattini, Smallenburg and Filion, Phys. Rev. Lett. 127, 088007 (2021), on recursive descriptors of thermal or
inherent structures; on cage positions it is CAGE: Alkemade, Smallenburg and Filion, J. Chem. Phys. 158,
134512 (2023).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.predictors.base import Described, DescriptorPredictor, register, targets_of
from gensample.stats.regression import block_ridge, line, mean_and_scale, ridge

# Configurations are left out in at most this many groups to choose the penalty.
FOLDS = 8


@register
class Ridge(DescriptorPredictor):
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
        blocks: a penalty for each set of descriptors (``block_ridge``) in place of a common one.
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
        super().__init__()

    def _fit(self, samples: Sequence[Described], generator: torch.Generator) -> dict[str, Tensor]:
        """Nothing is drawn."""
        inverse = _inverse_temperature(samples)
        species = range(int(max(sample.species.max() for sample in samples)) + 1)
        parts = [self._fit_species(samples, s, inverse) for s in species]
        found = {name: torch.stack([part[name] for part in parts]) for name in parts[0]}
        return found | {"inverse_temperature": inverse}

    def _fit_species(self, samples: Sequence[Described], s: int, inverse: Tensor) -> dict[str, Tensor]:
        # One configuration at a time: the columns of all of them, in double precision, may not fit in memory.
        each = [(sample, number) for sample in samples for number in range(len(sample.descriptors))]
        targets = [targets_of(sample)[number][sample.species == s].double() for sample, number in each]
        mean, scale = mean_and_scale(self._columns(*of, s, inverse) for of in each)
        offset = torch.cat(targets).mean(0)
        levels = torch.stack([y.mean(0) - offset for y in targets])
        means = torch.stack([(self._columns(*of, s, inverse).mean(0) - mean) / scale for of in each])
        zero = torch.zeros_like(means[0]), torch.zeros_like(levels[0])
        about = list(zip(means, levels, strict=True)) if self.within else [zero] * len(each)

        def standardised() -> Iterator[tuple[Tensor, Tensor]]:
            for of, y, (x_mean, y_mean) in zip(each, targets, about, strict=True):
                yield (self._columns(*of, s, inverse) - mean) / scale - x_mean, y - offset - y_mean

        weights = self._solve(standardised(), [number % FOLDS for number in range(len(each))])
        found = {"mean": mean, "scale": scale, "offset": offset, "weights": weights}
        energy = torch.cat([sample.energy for sample in samples])
        return found | self._of_means(means @ weights, levels, energy)

    def _solve(self, pairs: Iterator[tuple[Tensor, Tensor]], folds: list[int]) -> Tensor:
        if not self.blocks:
            return ridge(pairs, folds)[0]
        # Descriptors, then the same times 1/T, then 1/T.
        widths = [*self._widths, *self._widths, 1] if self.temperature else self._widths
        return block_ridge(pairs, folds, widths)[0]

    def _of_means(self, predicted: Tensor, levels: Tensor, energy: Tensor) -> dict[str, Tensor]:
        """What is made of the means (C, K) of configurations."""
        gain, level = torch.ones_like(levels[0]), levels.new_zeros(2, levels.shape[1])
        if self.levels:
            return {"gain": torch.zeros_like(gain), "level": line(energy, levels)}
        return {"gain": _gain(predicted, levels) if self.within else gain, "level": level}

    def _columns(self, sample: Described, number: int, s: int, inverse: Tensor) -> Tensor:
        """Columns (n, D') of the particles of species s in one configuration."""
        x = sample.descriptors[number][sample.species == s].double()
        if not self.temperature:
            return x
        away = 1 / sample.temperature[number].double() - inverse
        return torch.cat([x, x * away, away.expand(len(x), 1)], dim=1)

    def _columns_of(self, descriptors: int) -> int:
        return 2 * descriptors + 1 if self.temperature else descriptors

    def _predict_species(self, sample: Described, number: int, s: int) -> Tensor:
        state = self._state
        x = self._columns(sample, number, s, state["inverse_temperature"])
        each = (x - state["mean"][s]) / state["scale"][s] @ state["weights"][s]
        shared = (state["gain"][s] - 1) * each.mean(0)
        level = state["level"][s, 0] + state["level"][s, 1] * sample.energy[number].double()
        return each + shared + level + state["offset"][s]


def _gain(predicted: Tensor, true: Tensor) -> Tensor:
    """Least-squares factor (K,), between 0 and 2, from predicted to true means (C, K) of configurations."""
    predicted, true = predicted - predicted.mean(0), true - true.mean(0)
    return ((predicted * true).sum(0) / predicted.square().sum(0).clamp(min=1e-12)).clamp(0.0, 2.0)


def _inverse_temperature(samples: Sequence[Described]) -> Tensor:
    return (1 / torch.cat([sample.temperature for sample in samples]).double()).mean()
