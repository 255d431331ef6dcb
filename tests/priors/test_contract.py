import math
from dataclasses import replace

import pytest
import torch

from gensample.errors import ConfigError
from gensample.priors import PRIORS, make_prior
from gensample.priors.base import FieldContext, ParticlePrior, mean_distance_factor, remove_drift


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", PRIORS)
def test_every_prior_keeps_the_contract(name, dtype, make_context):
    """Drift-free draws of the stated scale, the same for the same seed, fitted and loaded again."""
    context = make_context(side=8, dtype=dtype)
    mobility = torch.zeros(context.shape[:2], dtype=dtype)
    context = replace(context, mobility=mobility)
    prior, fresh = (make_prior(name, 2, 3, 1.6) for _ in range(2))
    u = 0.1 * torch.randn(context.shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    prior.fit([(context, u)], torch.full((2, 3), 0.1))
    x = prior.sample(context, torch.Generator().manual_seed(3))
    assert (x.shape, x.dtype) == (context.shape, dtype)
    assert torch.equal(x, prior.sample(context, torch.Generator().manual_seed(3)))
    drift = x.reshape(context.num_graphs, -1, *x.shape[1:]).mean(1).abs().max()
    assert drift < 4 * torch.finfo(dtype).eps
    assert abs((x / prior.scale(context).unsqueeze(-1)).square().mean().sqrt() - 1) < 0.1
    if prior.needs:
        with pytest.raises(ConfigError, match=f"conditioner|{prior.needs}"):
            prior.scale(replace(context, **{prior.needs: None}))
    fresh.load_state_dict(prior.state_dict())
    assert torch.equal(x, fresh.sample(context, torch.Generator().manual_seed(3)))


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


def test_context_of_unequal_configurations_is_refused(make_context):
    context = make_context()
    with pytest.raises(ConfigError, match="field_lag"):
        FieldContext(**{**vars(context), "field_lag": context.field_lag[:1]})


def test_remove_drift_is_a_projection(make_context):
    x = torch.randn(12, 2, 3, dtype=torch.float64)
    once = remove_drift(x, 3)
    torch.testing.assert_close(remove_drift(once, 3), once)
    torch.testing.assert_close(once[:4], x[:4] - x[:4].mean(0))
