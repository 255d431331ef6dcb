"""Log-likelihood of displacement fields through the probability-flow ODE.

log p_1(x1) = log p_0(x0) - integral of the divergence along the trajectory that ends at x1
(Chen et al., arXiv:1806.07366; Grathwohl et al., arXiv:1810.01367). Fields are drift-free, so everything
lives on the (N - 1) d-dimensional zero-mean space: the velocity is projected on both sides, which makes
its full trace the trace on that space.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gensample.flow.prior import FieldContext, Prior, remove_drift
from gensample.sampling.ode import CountedCalls, Velocity, solve

Pullback = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class LogLikelihood:
    """Log-likelihoods: value and error (B, F), prior draws x0 (n, F, d), function evaluations.

    ``error`` is the standard error over probes; 0 for the exact divergence, NaN for a single probe.
    """

    value: Tensor
    error: Tensor
    x0: Tensor
    nfe: int


def log_likelihood(
    velocity: Velocity,
    prior: Prior,
    context: FieldContext,
    x1: Tensor,
    *,
    probes: int | None = None,
    generator: torch.Generator | None = None,
    chunk: int = 64,
    method: str = "midpoint",
    steps: int = 32,
    grid: str = "uniform",
    rtol: float = 1e-5,
    atol: float = 1e-6,
) -> LogLikelihood:
    """Log density of fields x1 (n, F, d), whose drift is removed first, in LJ units.

    ``probes`` None: the exact divergence, N d vector-Jacobian products per evaluation, vectorised ``chunk``
    at a time. Else Hutchinson's estimate with that many Rademacher probes, kept along the trajectory, so
    that each probe is an unbiased estimate and their spread gives the error. Solver arguments and errors
    as in ``ode.solve``. The velocity must treat fields, and configurations, independently.
    """
    b = context.num_graphs
    field = remove_drift(x1, b)
    counted = CountedCalls(lambda x, s: remove_drift(velocity(remove_drift(x, b), s), b))
    if probes is None:
        lanes, divergence = 1, exact_divergence(field, b, chunk)
    else:
        lanes, divergence = probes, hutchinson_divergence(random_signs(field, probes, generator), b)

    def rhs(s: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        pulled = torch.func.vjp(lambda x: counted(x, s), state[0])
        return pulled[0], divergence(lambda w: pulled[1](w)[0])

    start = (field, field.new_zeros(lanes, b, field.shape[1]))
    with torch.no_grad():
        x0, change = solve(
            rhs, start, method=method, steps=steps, grid=grid, rtol=rtol, atol=atol, backward=True
        )
        value = prior.log_prob(context, remove_drift(x0, b)) + change
    error = torch.zeros_like(value[0]) if probes is None else value.std(0) / lanes**0.5
    return LogLikelihood(value.mean(0), error, x0, counted.nfe)


def random_signs(like: Tensor, probes: int, generator: torch.Generator | None) -> Tensor:
    """Random signs, (probes, n, F, d)."""
    bits = torch.randint(2, (probes, *like.shape), generator=generator, device=like.device)
    return (2 * bits - 1).to(like)


def hutchinson_divergence(signs: Tensor, num_graphs: int) -> Callable[[Pullback], Tensor]:
    """Divergence estimates signs' J signs of every probe and field, (P, B, F)."""

    def divergence(pull: Pullback) -> Tensor:
        product = (signs * torch.vmap(pull)(signs)).sum(-1)
        return product.reshape(len(signs), num_graphs, -1, signs.shape[2]).sum(2)

    return divergence


def exact_divergence(like: Tensor, num_graphs: int, chunk: int) -> Callable[[Pullback], Tensor]:
    """Exact divergence of every field, (1, B, F): one direction serves all fields of all configurations."""
    n, fields, d = like.shape
    size = n // num_graphs
    directions = torch.split(torch.arange(size * d, device=like.device), chunk)

    def divergence(pull: Pullback) -> Tensor:
        total = like.new_zeros(num_graphs, fields)
        for chosen in directions:
            unit = torch.nn.functional.one_hot(chosen, size * d).to(like)
            unit = unit.reshape(-1, 1, size, 1, d).expand(-1, num_graphs, size, fields, d)
            rows = torch.vmap(pull)(unit.reshape(-1, n, fields, d))
            total = total + (rows.reshape(unit.shape) * unit).sum((0, 2, 4))
        return total.unsqueeze(0)

    return divergence
