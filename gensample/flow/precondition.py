"""Analytic part of the velocity, so that a network only learns what a Gaussian would not give.

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
