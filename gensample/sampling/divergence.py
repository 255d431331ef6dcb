"""Divergence of a velocity from vector-Jacobian products: exact, or estimated from random vectors.

Chen et al., arXiv:1806.07366; Grathwohl et al., arXiv:1810.01367.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Pullback = Callable[[Tensor], Tensor]


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
