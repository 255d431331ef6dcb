"""The neighbour list from all pairs: the reference for those by cells."""

import torch
from torch import Tensor

from gensample.physics.box import minimum_image


def all_pairs(positions: Tensor, box: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """The list of `neighbor_list` from all N^2 pairs of one configuration."""
    dx = minimum_image(positions[None] - positions[:, None], box.to(positions))
    near = dx.detach().square().sum(-1) < cutoff**2
    near.fill_diagonal_(False)
    i, j = near.nonzero(as_tuple=True)
    return torch.stack([i, j]), dx[i, j]
