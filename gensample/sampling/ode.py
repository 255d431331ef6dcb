"""Probability-flow ODE: carries prior draws to data (or back) along the velocity, by torchdiffeq."""

from collections.abc import Callable

import torch
from torch import Tensor
from torchdiffeq import odeint

from gensample.errors import ConfigError
from gensample.flow.schedule import solver_grid

Velocity = Callable[[Tensor, Tensor], Tensor]
State = tuple[Tensor, ...]

FIXED = {"euler": 1, "midpoint": 2, "heun2": 2, "rk4": 4}
"""Fixed-step methods and their function evaluations per step."""
ADAPTIVE = ("dopri5",)


class CountedCalls:
    """A velocity that counts how often it was called; ``nfe`` is the number of function evaluations."""

    def __init__(self, velocity: Callable[..., Tensor]) -> None:
        self.velocity, self.nfe = velocity, 0

    def __call__(self, *args: Tensor) -> Tensor:
        """Value of the velocity, counted."""
        self.nfe += 1
        return self.velocity(*args)


def solve(
    rhs: Callable[[Tensor, State], State],
    state: State,
    *,
    method: str = "midpoint",
    steps: int = 8,
    grid: str = "uniform",
    rtol: float = 1e-5,
    atol: float = 1e-6,
    max_steps: int = 1000,
    backward: bool = False,
) -> State:
    """Solution at the other end of [0, 1] of d(state)/ds = rhs(s, state), a tuple of tensors.

    Fixed-step methods (``FIXED``) take ``steps`` steps of ``grid`` (schedule.solver_grid); dopri5 obeys
    ``rtol`` and ``atol``, one step size for the whole state. ``backward`` goes from s = 1 to s = 0.
    ConfigError for an unknown method, a solver that cannot meet its tolerance, or a non-finite result.
    """
    like = state[0]
    points = solver_grid(steps, grid).to(like)
    points = points.flip(0) if backward else points
    ends = points[[0, -1]]
    try:
        if method in FIXED:
            # torchdiffeq asks a function for its grid; ours is fixed beforehand.
            fixed = {"grid_constructor": lambda *_: points}
            out = odeint(rhs, state, ends, method=method, options=fixed)
        elif method in ADAPTIVE:
            adaptive = {"max_num_steps": max_steps}
            out = odeint(rhs, state, ends, method=method, rtol=rtol, atol=atol, options=adaptive)
        else:
            raise ConfigError(f"unknown ODE method {method!r}; known: {', '.join([*FIXED, *ADAPTIVE])}")
    except AssertionError as error:
        message = _cure(str(error), rtol, atol, max_steps)
        if message is None:
            raise
        raise ConfigError(message) from error
    result = tuple(component[-1] for component in out)
    if not all(bool(torch.isfinite(component).all()) for component in result):
        raise ConfigError(
            "the ODE left the finite numbers: the velocity network returns huge or NaN values; "
            "check that the checkpoint was trained on this mixture and these lag times"
        )
    return result


def _cure(assertion: str, rtol: float, atol: float, max_steps: int) -> str | None:
    """What to do about torchdiffeq's assertions, which name neither tolerance nor cause; None for others."""
    if "underflow in dt" in assertion or "non-finite values" in assertion:
        return (
            f"dopri5 cannot reach rtol={rtol:g}, atol={atol:g} ({assertion[:60]}): raise both (float32 "
            "supports about 1e-5) or take a fixed-step method such as midpoint; NaN here means a "
            "diverged network"
        )
    if "max_num_steps" in assertion:
        return (
            f"dopri5 needs more than {max_steps} steps for rtol={rtol:g}, atol={atol:g}: raise the "
            "tolerances or max_steps, or take a fixed-step method such as midpoint"
        )
    return None


def integrate(
    velocity: Velocity,
    x0: Tensor,
    *,
    method: str = "midpoint",
    steps: int = 8,
    grid: str = "uniform",
    rtol: float = 1e-5,
    atol: float = 1e-6,
    max_steps: int = 1000,
    grad: bool = False,
) -> tuple[Tensor, int]:
    """Carries prior draws x0 (n, F, d) from s = 0 to s = 1; returns (x1, number of function evaluations).

    Arguments and errors as in ``solve``. dopri5 couples all fields of x0 through one step size, so its
    result depends (within the tolerance) on what is integrated together; fixed steps do not.
    ``grad`` keeps the graph for differentiation through the solver.
    """
    counted = CountedCalls(velocity)
    with torch.set_grad_enabled(grad):
        (x1,) = solve(
            lambda s, state: (counted(state[0], s),),
            (x0,),
            method=method,
            steps=steps,
            grid=grid,
            rtol=rtol,
            atol=atol,
            max_steps=max_steps,
        )
    return x1, counted.nfe
