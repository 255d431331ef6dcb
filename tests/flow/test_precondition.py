"""The analytic part of the velocity is the regression of Gaussian data."""

import pytest
import torch

from gensample.flow.path import PATHS, get_path
from gensample.flow.precondition import input_gain, output_gain, skip_gain


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
