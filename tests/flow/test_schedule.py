import pytest
from hypothesis import given
from hypothesis import strategies as st

from gensample.errors import ConfigError
from gensample.flow.schedule import GRIDS, fixed_times, solver_grid


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
    ):
        with pytest.raises(ConfigError):
            call()
