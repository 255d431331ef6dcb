"""Analytic part of the velocity, so that a network only learns what a Gaussian would not give.

For Gaussian data and prior of the same covariance S (the prior's scales are fitted to the data) the best
prediction is E[v | x] = skip(s) x, with a residual of covariance out(s)^2 S: the preconditioning of Karras
et al. (arXiv:2206.00364, table 1) written for a general path.
"""

from __future__ import annotations

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
