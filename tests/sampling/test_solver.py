import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gensample.errors import ConfigError
from gensample.flow.path import PATHS, get_path
from gensample.sampling import solver
from gensample.sampling.solver import ADAPTIVE, FIXED, GRIDS, Solver, integrate


def error(field, *words, **options):
    matrix, offset = field.affine_map(lambda x: integrate(field.velocity, x, Solver(*words, **options))[0], 5)
    cov = matrix @ field.prior_cov @ matrix.T
    return max((cov - field.data_cov).abs().max().item(), (offset - field.mean).abs().max().item())


@pytest.mark.parametrize("name", sorted(PATHS))
def test_every_method_carries_the_prior_to_the_data(name, gaussian_field):
    field = gaussian_field(get_path(name))
    for method, tolerance in {"euler": 0.1, "midpoint": 1e-2, "heun2": 2e-2, "rk4": 2e-4}.items():
        assert error(field, method=method, steps=32) < tolerance, method
    assert error(field, method="dopri5", tolerance=1e-7) < 1e-5


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("midpoint", 2), ("heun2", 2), ("rk4", 4)])
def test_order_of_convergence(method, order, gaussian_field):
    field = gaussian_field(get_path("trigonometric"))
    ratio = error(field, method=method, steps=16) / error(field, method=method, steps=32)
    assert 2 ** (order - 0.4) < ratio < 2 ** (order + 0.6)


@pytest.mark.parametrize("grid", ["cosine", "late"])
def test_other_grids_lead_to_the_same_place(grid, gaussian_field):
    assert error(gaussian_field(get_path("linear")), method="rk4", steps=32, grid=grid) < 2e-4


def test_number_of_function_evaluations():
    calls = []

    def velocity(x, s):
        calls.append(float(s))
        return -x

    for method, per_step in FIXED.items():
        calls.clear()
        _, nfe = integrate(velocity, torch.ones(2, 1, 2), Solver(method, 5))
        assert nfe == len(calls) == 5 * per_step
    _, nfe = integrate(velocity, torch.ones(2, 1, 2), Solver(ADAPTIVE[0]))
    assert nfe > 6


@given(steps=st.integers(1, 64), grid=st.sampled_from(GRIDS))
def test_grids_increase_from_zero_to_one(steps, grid):
    times = Solver(steps=steps, grid=grid).times()
    assert times[0] == 0
    assert times[-1] == 1
    assert (times.diff() > 0).all()


@pytest.mark.parametrize("setting", [{"steps": 0}, {"grid": "log"}, {"method": "rk45"}, {"tolerance": 1.0}])
def test_settings_that_cannot_be_are_named(setting):
    with pytest.raises(ConfigError, match=f"--{next(iter(setting))} must be"):
        Solver(**setting)


def test_hopeless_velocities_end_in_one_readable_line(monkeypatch):
    start = torch.ones(2, 1, 2)
    with pytest.raises(ConfigError, match="rtol=1e-09"):  # float32 cannot hold that tolerance
        integrate(lambda x, s: 1e4 * torch.sin(1e6 * x), start, Solver("dopri5", tolerance=1e-9))
    monkeypatch.setattr(solver, "MAX_STEPS", 3)
    with pytest.raises(ConfigError, match="more than 3 steps"):
        integrate(lambda x, s: -50 * x, start, Solver("dopri5"))
    with pytest.raises(ConfigError, match="finite"):
        integrate(lambda x, s: x * float("nan"), start)
    with pytest.raises(ConfigError, match="fixed-step"):
        integrate(lambda x, s: x * float("nan"), start, Solver("dopri5"))
    with pytest.raises(ConfigError, match="euler, midpoint"):
        integrate(lambda x, s: x, start, Solver("sde"))


def test_assertions_and_interrupts_of_the_network_pass_through():
    def interrupted(x, s):
        raise KeyboardInterrupt

    def broken(x, s):
        raise AssertionError("mine")

    with pytest.raises(KeyboardInterrupt):
        integrate(interrupted, torch.ones(2, 1, 2))
    with pytest.raises(AssertionError, match="mine"):
        integrate(broken, torch.ones(2, 1, 2), Solver("dopri5"))
