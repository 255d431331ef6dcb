"""Carrying whole configurations along a flow on the torus, with the change of their density.

log p_1(x_1) = log p_0(x_0) - integral of the divergence along the trajectory (Chen et al., arXiv:1806.07366).
The velocity is drift-free and does not depend on where the configuration is as a whole: its trace over all
coordinates is its trace over the relative ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from gensample.ranges import check_choice
from gensample.sampling.solver import CONFIGURATIONS, CountedCalls, Solver, solve

DIVERGENCES = ("none", "exact", "autograd", "hutchinson")


class TorusVelocity(Protocol):
    """A velocity of configurations; ``with_divergence`` only where the network has it in closed form."""

    def __call__(self, x: Tensor, s: Tensor) -> Tensor:
        """Drift-free velocity (C, N, d) at x (C, N, d) and path time s ()."""
        ...

    def with_divergence(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """The same and its divergence (C,)."""
        ...


@dataclass(frozen=True)
class Transported:
    """positions (C, N, d), not wrapped; log_density and its variance (C,) or None; function evaluations."""

    positions: Tensor
    log_density: Tensor | None
    variance: Tensor | None
    nfe: int


@dataclass(frozen=True)
class Divergence:
    """How the change of density is found, if at all.

    kind: "none"; "exact" as the network states it; "autograd" from N d vector-Jacobian products, ``chunk`` at
    a time; "hutchinson" from ``probes`` Rademacher vectors, drawn from ``generator`` and kept along the
    trajectory, whose spread gives the variance of the estimate, NaN for a single one (Grathwohl et al.,
    arXiv:1810.01367).

    Raises:
        ConfigError: another kind.
    """

    kind: str = "none"
    probes: int = 8
    generator: torch.Generator | None = None
    chunk: int = 64

    def __post_init__(self) -> None:
        check_choice("divergence", self.kind, DIVERGENCES)


NO_DIVERGENCE = Divergence()


def transport(
    velocity: TorusVelocity,
    start: Tensor,
    log_density: Tensor | None = None,
    solver: Solver = CONFIGURATIONS,
    divergence: Divergence = NO_DIVERGENCE,
    *,
    backward: bool = False,
) -> Transported:
    """Configurations (C, N, d) carried from s = 0 to 1 (``backward``: from 1 to 0), with their log density.

    ``log_density`` (C,) at the start. Errors as in `solver.solve`; dopri5 controls the error of the log
    density too.
    """
    with torch.no_grad():
        if divergence.kind == "none":
            counted = CountedCalls(velocity)
            (x,) = solve(lambda s, state: (counted(state[0], s),), (start,), solver, backward=backward)
            return Transported(x, None, None, counted.nfe)
        rhs = CountedCalls(_augmented(velocity, start, divergence))
        lanes = divergence.probes if divergence.kind == "hutchinson" else 1
        state = (start, start.new_zeros(lanes, len(start)))
        x, change = solve(lambda s, at: rhs(at[0], s), state, solver, backward=backward)
    density = (0.0 if log_density is None else log_density) - change
    variance = density.var(0) / lanes if divergence.kind == "hutchinson" else torch.zeros_like(density[0])
    return Transported(x, density.mean(0), variance, rhs.nfe)


Pull = Callable[[Tensor], Tensor]
"""Vector-Jacobian product of a velocity at one place, (C, N, d) each."""


def _augmented(velocity: TorusVelocity, start: Tensor, divergence: Divergence) -> Callable[..., Any]:
    """Velocity and divergence (lanes, C), one lane per probe."""
    if divergence.kind == "exact":

        def exact(x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
            v, trace = velocity.with_divergence(x, s)
            return v, trace.unsqueeze(0)

        return exact
    if divergence.kind == "autograd":
        trace = _every_direction(start, divergence.chunk)
    else:
        shape, drawn = (divergence.probes, *start.shape), divergence.generator
        signs = 2 * torch.randint(2, shape, generator=drawn, device=start.device).to(start) - 1
        trace = lambda pull: (signs * torch.vmap(pull)(signs)).sum(-1).sum(-1)  # noqa: E731

    def pulled(x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        found = torch.func.vjp(lambda y: velocity(y, s), x)
        return found[0], trace(lambda w: found[1](w)[0])

    return pulled


def _every_direction(like: Tensor, chunk: int) -> Callable[[Pull], Tensor]:
    """Exact divergence (1, C): one direction serves all configurations."""
    size = like[0].numel()
    directions = torch.split(torch.arange(size, device=like.device), chunk)

    def trace(pull: Pull) -> Tensor:
        total = like.new_zeros(len(like))
        for chosen in directions:
            unit = torch.nn.functional.one_hot(chosen, size).to(like).reshape(-1, 1, *like.shape[1:])
            unit = unit.expand(-1, *like.shape)
            total = total + (torch.vmap(pull)(unit) * unit).sum((0, 2, 3))
        return total.unsqueeze(0)

    return trace
