"""Gaussian priors over displacement fields, free of drift.

A draw is x = Pi C z with white noise z, the prior's own factor C, and Pi the projection that subtracts
the mean over all particles of a configuration, each particle counting the same (equal masses, as for
every mixture here and as in the data).

Nodes are the particles of B configurations of equal size N, one configuration after another: n = B N.
Each configuration has F fields (replicas and lags), each with its own lag.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gensample.errors import ConfigError


@dataclass(frozen=True)
class FieldContext:
    """What a prior may know: the initial configurations and the lag of each field.

    species, batch: (n,) int64; edge_index: (2, E); edge_vector: (E, d), x_j - x_i, every ordered pair
    once; field_lag: (B, F) int64, indices of lags; propensity: (n, K) predicted mean |u| per lag, or None;
    mobility: (n, F) log of the local mean square displacement of each field, or None.
    """

    species: Tensor
    batch: Tensor
    num_graphs: int
    edge_index: Tensor
    edge_vector: Tensor
    field_lag: Tensor
    propensity: Tensor | None = None
    mobility: Tensor | None = None

    @classmethod
    def of(
        cls,
        batch: Any,
        propensity: Tensor | None = None,
        field_lag: Tensor | None = None,
        mobility: Tensor | None = None,
    ) -> FieldContext:
        """That of a batch; without ``field_lag`` at the lags of its own fields."""
        return cls(
            batch.species,
            batch.batch,
            int(batch.num_graphs),
            batch.edge_index,
            batch.edge_vector,
            batch.field_lag if field_lag is None else field_lag,
            propensity,
            mobility,
        )

    def __post_init__(self) -> None:
        if self.species.numel() % self.num_graphs or self.field_lag.shape[0] != self.num_graphs:
            raise ConfigError(
                f"expected field_lag of {self.num_graphs} configurations with equally many particles, got "
                f"{self.species.numel()} particles and field_lag of shape {tuple(self.field_lag.shape)}"
            )

    @property
    def dimension(self) -> int:
        """Number of space dimensions d."""
        return self.edge_vector.shape[-1]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (n, F, d) of the fields."""
        return self.species.shape[0], self.field_lag.shape[1], self.dimension

    @property
    def node_lag(self) -> Tensor:
        """Lag index of every field at every particle, (n, F)."""
        return self.field_lag[self.batch]


def remove_drift(x: Tensor, num_graphs: int) -> Tensor:
    """Fields (n, ...) less their mean over the particles of each configuration (equal masses)."""
    grouped = x.reshape(num_graphs, -1, *x.shape[1:])
    return (grouped - grouped.mean(1, keepdim=True)).reshape(x.shape)


def mean_distance_factor(dimension: int) -> float:
    """E|u| of an isotropic Gaussian with unit variance per component: sqrt(8/pi) in 3D, sqrt(pi/2) in 2D."""
    return math.sqrt(2) * math.gamma((dimension + 1) / 2) / math.gamma(dimension / 2)


Observed = tuple[FieldContext, Tensor]
"""A context and displacement fields (n, F, d) on it."""


class Prior(nn.Module, ABC):
    """Zero-mean Gaussian over drift-free fields; subclasses say how noise is coloured.

    ``needs``: what its contexts must hold, "propensity" (a conditioner predicts it) or "mobility" (drawn
    before the displacements); "" for neither.
    """

    needs = ""

    @abstractmethod
    def scale(self, context: FieldContext) -> Tensor:
        """Standard deviation of one component of each particle's displacement, (n, F)."""

    @abstractmethod
    def colour(self, context: FieldContext, white: Tensor) -> Tensor:
        """Field (n, F, d) of the prior from white noise of that shape; linear in the noise."""

    def fit(self, samples: Sequence[Observed], rms: Tensor) -> None:
        """Fill the buffers; without any there is nothing to do.

        samples: of some configurations of the training split, with the propensity and mobility measured in
        place of those predicted; rms: root mean square (S, K) of one component over the whole split.
        """

    def sample(self, context: FieldContext, generator: torch.Generator | None = None) -> Tensor:
        """One draw of every field, (n, F, d), in the dtype and on the device of the edge vectors."""
        like = context.edge_vector
        white = torch.randn(context.shape, generator=generator, dtype=like.dtype, device=like.device)
        return self.colour(context, white)


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
