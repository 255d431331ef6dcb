import pytest
import torch

from gensample.errors import ConfigError
from gensample.flow.path import PATHS, get_path
from gensample.priors.base import FieldContext
from gensample.sampling.solver import Solver, integrate, integrate_sde


def widened(context, fields):
    return FieldContext(**{**vars(context), "field_lag": torch.zeros(1, fields, dtype=torch.long)})


@pytest.mark.parametrize("eta", [0.5, 2.0])
@pytest.mark.parametrize("name", sorted(PATHS))
def test_samples_have_mean_and_covariance_of_the_data(name, eta, gaussian_field):
    field = gaussian_field(get_path(name))
    context, g = widened(field.context, 20000), torch.Generator().manual_seed(0)
    x0 = field.prior.sample(context, g)
    x1, nfe = integrate_sde(
        field.velocity, x0, field.path, lambda: field.prior.sample(context, g), Solver(steps=64), eta=eta
    )
    assert nfe == 64
    # 20000 x 2 draws: 0.7 % of a variance; the rest is the first-order step.
    torch.testing.assert_close(x1.mean(1), field.mean, rtol=0, atol=0.03)
    centred = x1 - field.mean.unsqueeze(1)
    cov = torch.einsum("ifa,jfa->ij", centred, centred) / (2 * x1.shape[1])
    torch.testing.assert_close(cov, field.data_cov, rtol=0, atol=0.06)
    assert x1.mean(0).abs().max() < 1e-12


def test_noise_replaces_memory_of_the_start(gaussian_field):
    field = gaussian_field(get_path("linear"))
    context, g = widened(field.context, 4000), torch.Generator().manual_seed(0)
    x0 = field.prior.sample(context, g)

    def memory(eta):
        noise = lambda: field.prior.sample(context, g)  # noqa: E731
        x1, _ = integrate_sde(field.velocity, x0, field.path, noise, Solver(steps=64), eta=eta)
        return torch.corrcoef(torch.stack([x0[0, :, 0], x1[0, :, 0]]))[0, 1]

    assert memory(0.0) > memory(1.0) + 0.05 > memory(4.0) + 0.1


def test_without_noise_it_is_the_euler_ode(gaussian_field):
    field = gaussian_field(get_path("linear"))
    x0 = field.prior.sample(field.context, torch.Generator().manual_seed(0))
    x1, _ = integrate_sde(field.velocity, x0, field.path, lambda: x0, Solver(steps=9), eta=0.0)
    torch.testing.assert_close(x1, integrate(field.velocity, x0, Solver("euler", 9))[0])


def test_bad_noise_and_bad_velocity_are_named(gaussian_field):
    path, x0 = get_path("linear"), torch.ones(2, 1, 2)
    with pytest.raises(ConfigError, match="eta"):
        integrate_sde(lambda x, s: x, x0, path, lambda: x0, eta=-1.0)
    with pytest.raises(ConfigError, match="finite"):
        integrate_sde(lambda x, s: x / 0, x0, path, lambda: x0)
