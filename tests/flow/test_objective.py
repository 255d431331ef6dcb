import pytest
import torch

from gensample.flow.objective import flow_matching_loss
from gensample.flow.path import PATHS, get_path


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
