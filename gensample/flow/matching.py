"""What a velocity network learns: the flow-matching loss, and the analytic part that it need not learn.

For Gaussian data and prior of the same covariance S (the prior's scales are fitted to the data) the best
prediction is E[v | x] = skip(s) x, with a residual of covariance out(s)^2 S: the preconditioning of Karras
et al. (arXiv:2206.00364, table 1) written for a general path.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gensample.flow.path import Path


def input_gain(path: Path, s: Tensor) -> Tensor:
    """1 / sqrt(alpha^2 + sigma^2): brings x_s to the variance of the data."""
    return torch.rsqrt(path.alpha(s).square() + path.sigma(s).square())


def skip_gain(path: Path, s: Tensor) -> Tensor:
    """(alpha' alpha + sigma' sigma) / (alpha^2 + sigma^2): regression of the velocity on x_s."""
    alpha, sigma = path.alpha(s), path.sigma(s)
    return (path.alpha_dot(s) * alpha + path.sigma_dot(s) * sigma) / (alpha.square() + sigma.square())


def output_gain(path: Path, s: Tensor) -> Tensor:
    """|alpha sigma' - alpha' sigma| / sqrt(alpha^2 + sigma^2): deviation of the residual velocity."""
    return path.determinant(s).abs() * input_gain(path, s)


def preconditioned(
    path: Path, network: Callable[[Tensor, Tensor], Tensor], ptr: Tensor, fields: int, scale: Tensor | None
) -> Callable[[Tensor, Tensor], Tensor]:
    """velocity(x (n, F, d), s () or (n, F)) of what a network(x, s (B, F)) of order one learns.

    ptr: first node of each configuration, then n; scale: deviation of the prior, (n, F, 1), None for 1.
    """
    first = ptr[:-1]

    def velocity(x: Tensor, s: Tensor) -> Tensor:
        at_field = s.expand(len(first), fields) if s.ndim == 0 else s[first]
        at_node = s if s.ndim == 0 else s.unsqueeze(-1)
        learned = network(input_gain(path, at_node) * x, at_field)
        gain = output_gain(path, at_node)
        return skip_gain(path, at_node) * x + (gain if scale is None else gain * scale) * learned

    return velocity


Velocity = Callable[[Tensor, Tensor], Tensor]
"""velocity(x (n, F, d), s () or (n, F)) -> (n, F, d), with the conditioning already bound."""


def flow_matching_loss(
    velocity: Velocity,
    x0: Tensor,
    x1: Tensor,
    s: Tensor,
    path: Path,
    weight: Tensor | None = None,
    num_graphs: int = 1,
) -> Tensor:
    """Weighted mean square velocity error of each field, (B, F) (Lipman et al., arXiv:2210.02747, eq. 9).

    x0, x1 are (n, F, d), nodes of B = ``num_graphs`` configurations of equal size one after another; s is
    () or (n, F). ``weight``, () or broadcastable to (n, F), multiplies the squared error averaged over the
    d components: 1 / scale^2 of the prior makes particles, species and lags comparable. Plain sums over
    axes, so that the same input gives the same bits.
    """
    error = velocity(path.interpolate(x0, x1, s), s) - path.velocity(x0, x1, s)
    square = error.square().mean(-1)
    if weight is not None:
        square = square * weight
    return square.reshape(num_graphs, -1, square.shape[-1]).mean(1)
