"""Carrying whole configurations along a flow on the torus, with the change of their density.

log p_1(x_1) = log p_0(x_0) - integral of the divergence along the trajectory (arXiv:1806.07366). The velocity
is drift-free and does not depend on where the configuration is as a whole: its trace over all coordinates is
its trace over the relative ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.sampling.divergence import exact_divergence, hutchinson_divergence, random_signs
from gensample.sampling.ode import CountedCalls, solve

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


def transport(
    velocity: TorusVelocity,
    start: Tensor,
    log_density: Tensor | None = None,
    *,
    divergence: str = "none",
    probes: int = 8,
    generator: torch.Generator | None = None,
    chunk: int = 64,
    method: str = "midpoint",
    steps: int = 32,
    grid: str = "uniform",
    rtol: float = 1e-5,
    atol: float = 1e-6,
    backward: bool = False,
) -> Transported:
    """Configurations (C, N, d) carried from s = 0 to 1 (``backward``: from 1 to 0), with their log density.

    ``log_density`` (C,) at the start. ``divergence``: "exact" as the network states it; "autograd" from N d
    vector-Jacobian products, ``chunk`` at a time; "hutchinson" from ``probes`` Rademacher vectors kept along
    the trajectory, whose spread gives the variance of the estimate, NaN for a single one (Grathwohl et al.,
    arXiv:1810.01367). Solver arguments and errors as in ``ode.solve``; dopri5 controls the error of the
    log density too.
    """
    if divergence not in DIVERGENCES:
        raise ConfigError(f"unknown divergence {divergence!r}; known: {', '.join(DIVERGENCES)}")
    solved = partial(solve, method=method, steps=steps, grid=grid, rtol=rtol, atol=atol, backward=backward)
    with torch.no_grad():
        if divergence == "none":
            counted = CountedCalls(velocity)
            (x,) = solved(lambda s, state: (counted(state[0], s),), (start,))
            return Transported(x, None, None, counted.nfe)
        rhs = _Augmented(velocity, start, divergence, probes, generator, chunk)
        x, change = solved(rhs, (start, start.new_zeros(rhs.lanes, len(start))))
    lanes = (0.0 if log_density is None else log_density) - change
    variance = lanes.var(0) / rhs.lanes if divergence == "hutchinson" else torch.zeros_like(lanes[0])
    return Transported(x, lanes.mean(0), variance, rhs.nfe)


class _Augmented:
    """Right-hand side of positions and divergence (lanes, C), one lane per probe."""

    def __init__(
        self,
        velocity: TorusVelocity,
        start: Tensor,
        divergence: str,
        probes: int,
        generator: torch.Generator | None,
        chunk: int,
    ) -> None:
        self.velocity, self.divergence, self.nfe, self.lanes = velocity, divergence, 0, 1
        fields = start.flatten(0, 1).unsqueeze(1)  # one field per configuration
        if divergence == "autograd":
            self.trace = exact_divergence(fields, len(start), chunk)
        elif divergence == "hutchinson":
            self.lanes = probes
            self.trace = hutchinson_divergence(random_signs(fields, probes, generator), len(start))

    def __call__(self, s: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        self.nfe += 1
        x = state[0]
        if self.divergence == "exact":
            v, trace = self.velocity.with_divergence(x, s)
            return v, trace.unsqueeze(0)
        pulled = torch.func.vjp(lambda y: self.velocity(y, s), x)
        v, pull = pulled[0], pulled[1]
        back = self.trace(lambda w: pull(w.reshape(x.shape))[0].flatten(0, 1).unsqueeze(1))
        return v, back.squeeze(-1)
