"""Priors of independent particles, each with a scale of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.priors.base import FieldContext, Observed, Prior, mean_distance_factor, remove_drift


class IndependentPrior(Prior):
    """Independent particles, each with its own scale, but for the common drift that is removed."""

    def colour(self, context: FieldContext, white: Tensor) -> Tensor:
        """Noise times scale, less its drift."""
        return remove_drift(self.scale(context).unsqueeze(-1) * white, context.num_graphs)


class SpeciesPrior(IndependentPrior):
    """One scale per species and lag. ``table`` (S, K)."""

    table: Tensor

    def __init__(self, num_species: int, num_lags: int) -> None:
        super().__init__()
        self.register_buffer("table", torch.ones(num_species, num_lags))

    def fit(self, samples: Sequence[Observed], rms: Tensor) -> None:
        """Take the root mean squares."""
        self.table.copy_(rms)

    def scale(self, context: FieldContext) -> Tensor:
        """Table entry of each particle's species and each field's lag, (n, F)."""
        return self.table[context.species.unsqueeze(1), context.node_lag]


class ParticlePrior(IndependentPrior):
    """One scale per particle, from its predicted propensity mu: sigma = mu / E|u| of a unit Gaussian.

    ``floor`` (LJ units) keeps particles predicted not to move at all from having no width.
    """

    needs = "propensity"

    def __init__(self, floor: float = 1e-2) -> None:
        super().__init__()
        self.floor = floor

    def scale(self, context: FieldContext) -> Tensor:
        """mu sqrt(pi/8) in 3D, mu sqrt(2/pi) in 2D, at least ``floor``, (n, F); ConfigError without mu."""
        if context.propensity is None:
            raise ConfigError(
                "a prior with per-particle scales needs a conditioner that predicts the propensity"
            )
        mu = context.propensity.gather(1, context.node_lag)
        return (mu / mean_distance_factor(context.dimension)).clamp(min=self.floor)
