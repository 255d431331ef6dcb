"""Softness: a linear support-vector machine that tells the most mobile particles from the least mobile.

Cubuk et al., Phys. Rev. Lett. 114, 108001 (2015); Schoenholz et al., Nature Physics 12, 469 (2016), on
symmetry functions of inherent structures (the descriptors called symmetry). Theirs learns which particles
are about to rearrange; ours, as propensities are asked for, which have a large one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.predictors.base import Described, DescriptorPredictor, register, targets_of
from gensample.stats.regression import mean_and_scale, support_vector_machines

# Penalties tried, strongest first: each search starts from where the one before it ended.
PENALTIES = (1.0, 1e-1, 1e-2, 1e-3)
# One in so many training configurations is left out to choose the penalty.
LEFT_OUT = 4

Columns = list[Tensor]
"""Of each data set, something of every particle of a species in each configuration (C, n, ...)."""


@register
class Softness(DescriptorPredictor):
    """Signed distance to the hyperplane between the most and the least mobile particles, per species and lag.

    The penalty is the one whose softness correlates best with the propensity in training configurations left
    out; with one configuration alone, the strongest.

    Args:
        fraction: of the particles of each species in each data set that are taken at either end.

    Raises:
        ConfigError: the fraction is not above 0 and at most 0.5.
    """

    def __init__(self, fraction: float = 0.1) -> None:
        if not 0 < fraction <= 0.5:
            raise ConfigError(f"fraction must be above 0 and at most 0.5, got {fraction}")
        self.fraction = fraction
        super().__init__()

    def _fit(self, samples: Sequence[Described], generator: torch.Generator) -> dict[str, Tensor]:
        """Drawn is which of the particles that are as mobile count as an end."""
        parts = []
        for s in range(int(max(sample.species.max() for sample in samples)) + 1):
            of = [sample.species == s for sample in samples]
            pairs = list(zip(samples, of, strict=True))
            x = [torch.stack([each[mine] for each in sample.descriptors]).double() for sample, mine in pairs]
            y = [torch.stack([each[mine] for each in targets_of(sample)]).double() for sample, mine in pairs]
            parts.append(self._fit_species(x, y, generator))
        return {name: torch.stack([part[name] for part in parts]) for name in parts[0]}

    def _fit_species(self, x: Columns, y: Columns, generator: torch.Generator) -> dict[str, Tensor]:
        mean, scale = mean_and_scale(each for own in x for each in own)
        x = [(own - mean) / scale for own in x]
        lags = [[own[..., k] for own in y] for k in range(y[0].shape[-1])]
        planes = [self._hyperplane(x, lag, generator) for lag in lags]
        return {
            "mean": mean,
            "scale": scale,
            "weights": torch.stack([normal for normal, _ in planes], -1),
            "offset": torch.stack([offset for _, offset in planes]),
        }

    def _hyperplane(self, x: Columns, y: Columns, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Unit normal (D,) and offset for propensities y at one lag, the penalty chosen."""
        penalties = PENALTIES[: self._best_penalty(x, y, generator) + 1]
        normals, offsets = support_vector_machines(*self._ends(x, y, generator), penalties)
        length = normals[-1].norm().clamp(min=1e-30)
        return normals[-1] / length, offsets[-1] / length

    def _best_penalty(self, x: Columns, y: Columns, generator: torch.Generator) -> int:
        """Number of the penalty that does best on the configurations left out."""
        numbers = torch.split(torch.arange(sum(len(own) for own in y)), [len(own) for own in y])
        left_out = [own % LEFT_OUT == 1 for own in numbers]
        pairs = [zip(own[out], of[out], strict=True) for own, of, out in zip(x, y, left_out, strict=True)]
        held = [pair for own in pairs for pair in own]
        if not held:
            return 0
        kept = [[own[~out] for own, out in zip(columns, left_out, strict=True)] for columns in (x, y)]
        normals, _ = support_vector_machines(*self._ends(kept[0], kept[1], generator), PENALTIES)
        scores = torch.stack([_correlation(own @ normals.T, target) for own, target in held]).mean(0)
        return int(scores.argmax())

    def _ends(self, x: Columns, y: Columns, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Columns (M, D) and labels (M,) of the most mobile particles, 1, and of the least mobile, -1."""
        examples, labels = [], []
        for own, target in zip(x, y, strict=True):
            order = _order(target.flatten(), generator)
            count = _count(target.flatten()[order], self.fraction)
            chosen = torch.cat([order[:count], order[len(order) - count :]])
            examples.append(own.flatten(0, 1)[chosen])
            labels.append(torch.tensor([-1.0, 1.0]).to(own).repeat_interleave(count))
        if not any(map(len, labels)):
            raise ConfigError(
                "softness tells the most mobile particles from the least mobile, and all of a species are "
                "alike at a lag time in each data set; leave that lag time out"
            )
        return torch.cat(examples), torch.cat(labels)

    def _predict_species(self, sample: Described, number: int, s: int) -> Tensor:
        """Softness, of either sign, in units of standardised descriptors."""
        state = self._state
        x = (sample.descriptors[number][sample.species == s].double() - state["mean"][s]) / state["scale"][s]
        return x @ state["weights"][s] + state["offset"][s]


def _order(values: Tensor, generator: torch.Generator) -> Tensor:
    """Indices that sort values (n,), equal ones at random."""
    shuffled = torch.randperm(len(values), generator=generator).to(values.device)
    return shuffled[values[shuffled].argsort(stable=True)]


def _count(ascending: Tensor, fraction: float) -> int:
    """Particles at either end: a fraction, fewer where more of them would be alike at both."""
    size = len(ascending)
    count = min(max(1, round(fraction * size)), size // 2)
    return int((ascending[:count] < ascending.flip(0)[:count]).sum())


def _correlation(x: Tensor, y: Tensor) -> Tensor:
    """Pearson correlation (P,) of each column of x (n, P) with y (n,)."""
    x, y = x - x.mean(0), y - y.mean()
    return (y @ x) / (x.square().sum(0) * y.square().sum()).clamp(min=1e-300).sqrt()
