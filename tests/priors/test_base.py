import math

import pytest
import torch

from gensample.errors import ConfigError
from gensample.priors.base import (
    FieldContext,
    ParticlePrior,
    SpeciesPrior,
    mean_distance_factor,
    remove_drift,
    species_scale,
)


def species_prior():
    prior = SpeciesPrior(2, 3)
    prior.table.copy_(torch.tensor([[0.1, 0.4, 1.0], [0.3, 0.8, 2.0]]))
    return prior


priors = pytest.mark.parametrize("prior", [species_prior(), ParticlePrior()], ids=["species", "particle"])


@priors
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_are_drift_free_to_rounding_and_repeat(prior, dtype, make_context):
    context = make_context(dtype=dtype)
    x = prior.sample(context, torch.Generator().manual_seed(3))
    assert x.shape == context.shape
    assert x.dtype == dtype
    drift = x.reshape(context.num_graphs, -1, *x.shape[1:]).mean(1).abs().max()
    assert drift < 4 * torch.finfo(dtype).eps
    assert torch.equal(x, prior.sample(context, torch.Generator().manual_seed(3)))


def test_particle_prior_has_the_predicted_propensity(make_context):
    for dimension, factor in ((2, math.sqrt(math.pi / 2)), (3, math.sqrt(8 / math.pi))):
        assert math.isclose(mean_distance_factor(dimension), factor)
        context = make_context(num_graphs=1, side=5, dimension=dimension, fields=2000, num_lags=1)
        mean = ParticlePrior().sample(context, torch.Generator().manual_seed(0)).norm(dim=-1).mean(1)
        sigma = context.propensity[:, 0] / factor
        n = len(sigma)
        # Subtracting the mean leaves variance sigma_i^2 (1 - 2/N) + sum(sigma^2) / N^2.
        exact = factor * (sigma**2 * (1 - 2 / n) + (sigma**2).sum() / n**2).sqrt()
        assert (mean / exact - 1).abs().max() < 0.06  # 2000 draws: 1.2 % noise
        assert (mean / context.propensity[:, 0] - 1).abs().median() < 0.04


def test_particle_prior_floor_and_missing_propensity(make_context):
    context = make_context()
    still = FieldContext(**{**vars(context), "propensity": torch.zeros_like(context.propensity)})
    assert (ParticlePrior(floor=0.02).scale(still) == 0.02).all()
    with pytest.raises(ConfigError, match="conditioner"):
        ParticlePrior().scale(FieldContext(**{**vars(context), "propensity": None}))


def test_species_prior_fits_scales(make_context):
    g = torch.Generator().manual_seed(0)
    species = torch.tensor([0] * 30 + [1] * 20)
    sigma = torch.tensor([[0.2, 0.5], [0.4, 1.5]])
    u = torch.randn(400, 2, 50, 3, generator=g) * sigma.T[:, species].unsqueeze(-1)
    prior = SpeciesPrior(2, 2)
    prior.fit(u, species)
    torch.testing.assert_close(prior.table, sigma, rtol=0.02, atol=0)
    assert species_scale(u, torch.zeros(50, dtype=torch.long), 2)[1].tolist() == [1, 1]
    with pytest.raises(ConfigError, match="2 lags"):
        SpeciesPrior(2, 3).fit(u, species)


def test_scale_survives_a_state_dict():
    fresh = SpeciesPrior(2, 3)
    fresh.load_state_dict(species_prior().state_dict())
    assert torch.equal(fresh.table, species_prior().table)


def test_context_of_unequal_configurations_is_refused(make_context):
    context = make_context()
    with pytest.raises(ConfigError, match="field_lag"):
        FieldContext(**{**vars(context), "field_lag": context.field_lag[:1]})


def test_remove_drift_is_a_projection(make_context):
    x = torch.randn(12, 2, 3, dtype=torch.float64)
    once = remove_drift(x, 3)
    torch.testing.assert_close(remove_drift(once, 3), once)
    torch.testing.assert_close(once[:4], x[:4] - x[:4].mean(0))
