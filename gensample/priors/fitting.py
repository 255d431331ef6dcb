"""Priors of the displacement generator by name, and their fit to a training split."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from gensample.physics.mobility import averaging_matrix, log_mobility
from gensample.priors.base import FieldContext, ParticlePrior, Prior, SpeciesPrior
from gensample.priors.elastic import ElasticPrior
from gensample.priors.spectrum import fit_elastic_prior
from gensample.seeding import torch_generator

PriorName = Literal["species", "particle", "elastic", "elastic-particle", "elastic-mobility"]
# Enough for the spectrum of an elastic prior; more changes its coefficients by less than a percent.
FIT_CONFIGURATIONS = 16
FIT_FIELDS = 12


def make_prior(name: PriorName, num_species: int, num_lags: int, cutoff: float) -> Prior:
    """Prior of that name; ``fit_prior`` or a checkpoint fills its buffers."""
    if name == "species":
        return SpeciesPrior(num_species, num_lags)
    if name == "particle":
        return ParticlePrior()
    scales = name.partition("-")[2] or "species"
    return ElasticPrior(num_species, num_lags, cutoff=min(cutoff, 1.5), scales=scales)


def fit_prior(prior: Prior, data: Any, seed: int, blur: float = 0.0) -> None:
    """Fit a prior to the training split of a data module of displacement fields.

    Scales per particle are fitted with the propensities and mobilities measured in place of those predicted,
    the latter with white noise of deviation ``blur``.
    """
    if isinstance(prior, SpeciesPrior):
        prior.table.copy_(data.statistics()["rms"])
    if isinstance(prior, ElasticPrior):
        batches = sample_batches(data, seed)
        generator = torch_generator(seed, 1)
        samples = []
        for batch in batches:
            mobility = None
            if prior.scales == "mobility":
                exact = mobility_of(batch)
                mobility = exact + blur * torch.randn(exact.shape, generator=generator).to(exact)
            samples.append((context_of(batch, batch.propensity, mobility=mobility), batch.displacement))
        fit_elastic_prior(prior, samples)


def sample_batches(data: Any, seed: int) -> list[Any]:
    """Some training configurations, one a batch, with some of their fields."""
    generator = torch_generator(seed)
    rows = data.rows("train")
    chosen = rows[torch.randperm(len(rows), generator=generator)[:FIT_CONFIGURATIONS].numpy()]
    return [data.batch([int(row)], fields=FIT_FIELDS, generator=generator) for row in chosen]


def averaging_of(batch: Any) -> Tensor:
    """Averaging over neighbours on the graph of a batch, (n, n)."""
    return averaging_matrix(batch.edge_index, batch.edge_vector, batch.num_nodes)


def mobility_of(batch: Any) -> Tensor:
    """Log mobility (n, F) of the displacement fields of a batch."""
    return log_mobility(batch.displacement, averaging_of(batch))


def context_of(
    batch: Any,
    propensity: Tensor | None,
    field_lag: Tensor | None = None,
    mobility: Tensor | None = None,
) -> FieldContext:
    """What a prior may know of a batch."""
    return FieldContext(
        batch.species,
        batch.batch,
        int(batch.num_graphs),
        batch.edge_index,
        batch.edge_vector,
        batch.field_lag if field_lag is None else field_lag,
        propensity,
        mobility,
    )
