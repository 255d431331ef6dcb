import pytest
import torch

from gensample.flow.path import PATHS, flow_matching_loss, get_path, input_gain, output_gain, skip_gain


def fields(seed=0):
    g = torch.Generator().manual_seed(seed)
    x0, x1 = torch.randn(2, 6, 4, 3, generator=g, dtype=torch.float64)
    return x0, x1, torch.rand(6, 4, generator=g, dtype=torch.float64)


@pytest.mark.parametrize("name", sorted(PATHS))
def test_zero_for_the_true_velocity_and_per_field(name):
    path = get_path(name)
    x0, x1, s = fields()
    assert flow_matching_loss(lambda x, t: path.velocity(x0, x1, t), x0, x1, s, path).max() == 0
    bump = torch.zeros_like(x0)
    bump[:3, 1] = 2.0
    loss = flow_matching_loss(lambda x, t: path.velocity(x0, x1, t) + bump, x0, x1, s, path, num_graphs=2)
    expected = torch.zeros(2, 4, dtype=torch.float64)
    expected[0, 1] = 4.0
    torch.testing.assert_close(loss, expected)


"""The analytic part of the velocity is the regression of Gaussian data."""


@pytest.mark.parametrize("name", sorted(PATHS))
@pytest.mark.parametrize("s", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_gains_are_those_of_independent_unit_gaussians(name, s):
    path, s = get_path(name), torch.tensor(s, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    x0, x1 = torch.randn(2, 400_000, generator=generator, dtype=torch.float64)
    x = path.alpha(s) * x1 + path.sigma(s) * x0
    v = path.alpha_dot(s) * x1 + path.sigma_dot(s) * x0
    slope = (x * v).mean() / x.square().mean()
    rest = v - slope * x
    scale = v.std()
    assert abs(skip_gain(path, s) - slope) < 0.01 * scale
    assert abs(output_gain(path, s) - rest.std()) < 0.01 * scale
    assert abs(input_gain(path, s) * x.std() - 1) < 0.01
