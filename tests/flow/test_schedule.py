import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gensample.errors import ConfigError
from gensample.flow.schedule import DENSITIES, GRIDS, draw_times, fixed_times, solver_grid


@pytest.mark.parametrize("density", DENSITIES)
def test_times_lie_in_the_interval_and_repeat(density):
    s = draw_times((500, 4), density=density, generator=torch.Generator().manual_seed(2))
    assert s.min() >= 0
    assert s.max() < 1
    assert torch.equal(s, draw_times((500, 4), density=density, generator=torch.Generator().manual_seed(2)))
    assert abs(s.mean() - 0.5) < 0.02


def test_stratified_times_fill_every_interval_in_random_order():
    s = draw_times((8, 16), density="stratified", generator=torch.Generator().manual_seed(0)).flatten()
    assert sorted((s * 128).floor().tolist()) == list(range(128))
    assert not torch.equal(s, s.sort().values)
    assert abs((s * 128 % 1).std() - 12**-0.5) < 0.05  # anywhere within their intervals


def test_logit_normal_has_its_quantiles():
    s = draw_times(
        (20000,), density="logit-normal", mean=0.5, std=0.8, generator=torch.Generator().manual_seed(0)
    )
    logit = torch.logit(s)
    assert abs(logit.mean() - 0.5) < 0.02
    assert abs(logit.std() - 0.8) < 0.02


@given(steps=st.integers(1, 64), kind=st.sampled_from(GRIDS))
def test_grids_increase_from_zero_to_one(steps, kind):
    grid = solver_grid(steps, kind)
    assert grid[0] == 0
    assert grid[-1] == 1
    assert (grid.diff() > 0).all()


def test_fixed_times_and_errors():
    assert fixed_times(4).tolist() == [0.125, 0.375, 0.625, 0.875]
    for call in (
        lambda: solver_grid(0),
        lambda: solver_grid(4, "log"),
        lambda: draw_times((1,), density="sin"),
    ):
        with pytest.raises(ConfigError):
            call()
