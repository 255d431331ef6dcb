"""Periodic orthogonal boxes: wrapping, minimum image, and the condition under which it holds.

A box is its edge lengths: a tensor (d,), or any shape that broadcasts against the positions,
such as (C, 1, d) for a batch of C configurations.
"""

import torch
from torch import Tensor

from gensample.errors import ConfigError


def wrap(x: Tensor, box: Tensor) -> Tensor:
    """Positions moved by lattice vectors into the primary cell, 0 <= x < L strictly.

    x: (..., d); box: (d,) or broadcastable. Returns the shape of x.
    """
    wrapped = torch.remainder(x, box)
    # remainder(-tiny, L) rounds to L itself, which would index a cell that does not exist.
    return torch.where(wrapped >= box, torch.zeros_like(wrapped), wrapped)


def minimum_image(dx: Tensor, box: Tensor) -> Tensor:
    """Shortest periodic image of separation vectors, each component in [-L/2, L/2].

    dx: (..., d); box: (d,) or broadcastable. Odd in dx, so that a pair list is antisymmetric to the last bit.
    """
    return dx - box * torch.round(dx / box)


def check_cutoff(cutoff: float, box: Tensor) -> None:
    """Raise ConfigError unless 0 < cutoff <= L/2 along every edge of every box.

    Beyond L/2 a particle could meet two images of the same neighbour and the minimum image would miss one.
    """
    # An edge stored in single precision may round to just below twice the cut-off it was made for.
    rounding = 1.0 + torch.finfo(box.dtype).eps
    shortest = float(box.min()) if box.numel() else float("inf")
    if not cutoff > 0:
        raise ConfigError(f"the cut-off must be positive, got {cutoff}")
    if not cutoff <= 0.5 * shortest * rounding:
        raise ConfigError(
            f"the cut-off {cutoff:g} exceeds half the shortest box edge, {0.5 * shortest:g}: "
            "use a larger system or a smaller cut-off"
        )
