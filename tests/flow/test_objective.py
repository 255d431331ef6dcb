import pytest
import torch

from gensample.errors import ConfigError
from gensample.flow.objective import WEIGHTINGS, flow_matching_loss, time_weight
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


@pytest.mark.parametrize("name", sorted(PATHS))
def test_weightings_turn_velocity_errors_into_other_errors(name):
    path = get_path(name)
    x0, x1, s = fields()
    wrong = path.velocity(x0, x1, s) + torch.randn(x0.shape, dtype=torch.float64)
    x = path.interpolate(x0, x1, s)
    expected = {
        "velocity": wrong - path.velocity(x0, x1, s),
        "data": path.data_from_velocity(x, wrong, s) - x1,
        "noise": path.prior_from_velocity(x, wrong, s) - x0,
    }
    for weighting in WEIGHTINGS:
        weight = time_weight(path, s, weighting)
        loss = flow_matching_loss(lambda *_: wrong, x0, x1, s, path, weight)
        torch.testing.assert_close(loss, expected[weighting].square().mean((0, 2)).unsqueeze(0))


def test_unknown_weighting_is_named():
    with pytest.raises(ConfigError, match="velocity, data, noise"):
        time_weight(get_path("linear"), torch.tensor(0.5), "snr")
