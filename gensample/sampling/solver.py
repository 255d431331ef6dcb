"""Solvers of a flow: its ODE by torchdiffeq, or a stochastic equation of the same marginals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchdiffeq import odeint

from gensample.errors import ConfigError
from gensample.flow.path import Path
from gensample.ranges import check_choice, check_table, positive_to, whole

Velocity = Callable[[Tensor, Tensor], Tensor]
State = tuple[Tensor, ...]

FIXED = {"euler": 1, "midpoint": 2, "heun2": 2, "rk4": 4}
"""Fixed-step methods and their function evaluations per step."""
ADAPTIVE = ("dopri5",)
GRIDS = ("uniform", "cosine", "late")
MAX_STEPS = 1000
"""Of adaptive methods, before they give up."""
RANGES = {"steps": whole(1, 100_000), "tolerance": positive_to(0.1)}


@dataclass(frozen=True)
class Solver:
    """How the equation of a flow is solved.

    method: one of `FIXED`, which take ``steps`` steps of the times of ``grid`` ("uniform"; "cosine", which
    crowds both ends; "late", which crowds the data end only); "dopri5", whose error obeys ``tolerance``
    (relative; a tenth of it absolute); or "sde", see `integrate_sde`.

    Raises:
        ConfigError: a setting that cannot be.
    """

    method: str = "midpoint"
    steps: int = 4
    tolerance: float = 1e-5
    grid: str = "uniform"

    def __post_init__(self) -> None:
        check_choice("--method", self.method, (*FIXED, *ADAPTIVE, "sde"))
        check_choice("--grid", self.grid, GRIDS)
        check_table(self, RANGES, "--")

    def times(self) -> Tensor:
        """Path times from 0 to 1, both exact, (steps + 1,) float64."""
        k = torch.arange(self.steps + 1, dtype=torch.float64) / self.steps
        if self.grid == "cosine":
            k = torch.sin(0.5 * math.pi * k) ** 2
        elif self.grid == "late":
            k = torch.sin(0.5 * math.pi * k)
        k[-1] = 1.0
        return k


FIELDS = Solver()
"""Of displacement fields, and of the mobilities before them, where nothing else is asked for."""
CONFIGURATIONS = Solver(steps=12)
"""Of configurations."""


class CountedCalls:
    """A velocity that counts how often it was called; ``nfe`` is the number of function evaluations."""

    def __init__(self, velocity: Callable[..., Any]) -> None:
        self.velocity, self.nfe = velocity, 0

    def __call__(self, *args: Tensor) -> Any:
        """Value of the velocity, counted."""
        self.nfe += 1
        return self.velocity(*args)


def solve(
    rhs: Callable[[Tensor, State], State], state: State, solver: Solver, *, backward: bool = False
) -> State:
    """Solution at the other end of [0, 1] of d(state)/ds = rhs(s, state), a tuple of tensors.

    dopri5 has one step size for the whole state. ``backward`` goes from s = 1 to s = 0.
    ConfigError for "sde", a solver that cannot meet its tolerance, or a non-finite result.
    """
    points = solver.times().to(state[0])
    points = points.flip(0) if backward else points
    ends, rtol, atol = points[[0, -1]], solver.tolerance, 0.1 * solver.tolerance
    try:
        if solver.method in FIXED:
            # torchdiffeq asks a function for its grid; ours is fixed beforehand.
            fixed = {"grid_constructor": lambda *_: points}
            out = odeint(rhs, state, ends, method=solver.method, options=fixed)
        else:
            check_choice("--method", solver.method, (*FIXED, *ADAPTIVE))
            adaptive = {"max_num_steps": MAX_STEPS}
            out = odeint(rhs, state, ends, method=solver.method, rtol=rtol, atol=atol, options=adaptive)
    except AssertionError as error:
        message = _cure(str(error), rtol, atol)
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


def _cure(assertion: str, rtol: float, atol: float) -> str | None:
    """What to do about torchdiffeq's assertions, which name neither tolerance nor cause; None for others."""
    if "underflow in dt" in assertion or "non-finite values" in assertion:
        return (
            f"dopri5 cannot reach rtol={rtol:g}, atol={atol:g} ({assertion[:60]}): raise the tolerance "
            "(float32 supports about 1e-5) or take a fixed-step method such as midpoint; NaN here means a "
            "diverged network"
        )
    if "max_num_steps" in assertion:
        return (
            f"dopri5 needs more than {MAX_STEPS} steps for rtol={rtol:g}, atol={atol:g}: raise the "
            "tolerance, or take a fixed-step method such as midpoint"
        )
    return None


def integrate(velocity: Velocity, x0: Tensor, solver: Solver = FIELDS) -> tuple[Tensor, int]:
    """Carries prior draws x0 (n, F, d) from s = 0 to s = 1; returns (x1, number of function evaluations).

    dopri5 couples all fields of x0 through one step size, so its result depends (within the tolerance) on
    what is integrated together; fixed steps do not. Errors as in `solve`.
    """
    counted = CountedCalls(velocity)
    with torch.no_grad():
        (x1,) = solve(lambda s, state: (counted(state[0], s),), (x0,), solver)
    return x1, counted.nfe


def integrate_sde(
    velocity: Velocity,
    x0: Tensor,
    path: Path,
    noise: Callable[[], Tensor],
    solver: Solver = FIELDS,
    *,
    eta: float = 1.0,
) -> tuple[Tensor, int]:
    """The same with noise along the way; ``noise()`` is the next independent draw of the prior, (n, F, d).

    Euler-Maruyama for dx = [v + g^2/2 Sigma grad log p_s] ds + g Sigma^(1/2) dW with g^2 = 2 eta sigma(s)
    (Albergo, Boffi & Vanden-Eijnden, arXiv:2303.08797, section 2.4; Ma et al., arXiv:2401.08740, eq. 4).
    By the path's Tweedie formula the drift is v - eta E[x0 | x], finite at both ends, and the noise is a
    draw of the prior: its covariance Sigma is never inverted. The last step takes no noise. eta = 0 is the
    Euler ODE. ConfigError for negative eta or a non-finite result.
    """
    if eta < 0:
        raise ConfigError(f"the noise level eta must not be negative, got {eta}")
    counted, times, x = CountedCalls(velocity), solver.times().to(x0), x0
    with torch.no_grad():
        for k in range(solver.steps):
            s, h = times[k], times[k + 1] - times[k]
            v = counted(x, s)
            if eta == 0 or k == solver.steps - 1:
                x = x + h * v
            else:
                drift = v - eta * path.prior_from_velocity(x, v, s)
                x = x + h * drift + torch.sqrt(2 * eta * path.sigma(s) * h) * noise()
    if not bool(torch.isfinite(x).all()):
        raise ConfigError(
            "the SDE left the finite numbers: take more steps, a smaller eta, or check the checkpoint"
        )
    return x, counted.nfe
