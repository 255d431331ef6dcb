"""Symmetries of the axes, applied to every vector of a configuration alike.

The cubic group (axis permutations and reflections), and what a shear leaves of it.
"""

import torch
from torch import Tensor

from gensample.physics.box import wrap

VECTORS = ("edge_vector", "cage_vector", "displacement")


def random_signed_permutation(dimension: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Uniform element of the cubic group: permutation of the axes (d,) int64 and a sign for each (d,)."""
    permutation = torch.randperm(dimension, generator=generator)
    sign = 2 * torch.randint(2, (dimension,), generator=generator) - 1
    return permutation, sign


def random_shear_symmetry(dimension: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Uniform element of what a shear of the first axis along the second leaves: permutation and signs (d,).

    Both turned round together, and every further axis: r -> F r with F = 1 + g e_x e_y^T commutes with these.
    """
    sign = 2 * torch.randint(2, (dimension,), generator=generator) - 1
    sign[1] = sign[0]
    return torch.arange(dimension), sign


def signed_permutation(record: dict[str, Tensor], permutation: Tensor, sign: Tensor) -> dict[str, Tensor]:
    """The record of one configuration seen along other axes.

    New axis a is ``sign[a]`` times old axis ``permutation[a]``. Vectors have their components last; scalars
    and the graph stay as they are. Returns a new dictionary.
    """
    permutation = permutation.to(record["pos"].device)
    sign = sign.to(record["pos"])
    turned = dict(record)
    for name in VECTORS:
        if name in record:
            turned[name] = record[name][..., permutation] * sign
    turned["box"] = record["box"][..., permutation]
    turned["pos"] = wrap(record["pos"][..., permutation] * sign, turned["box"])
    return turned
