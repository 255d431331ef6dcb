"""The mobility field: how far the surroundings of each particle move, one number per particle and field.

Averages over neighbours on the graph of the initial configuration, repeated, reach further than its cut-off.
"""

import torch
from torch import Tensor

REACH = 1.5
"""Longest bond of an average, in LJ units: the first shell of neighbours."""
ROUNDS = 3
"""Averages that make a mobility; the Gaussian they approach holds about ten particles in two dimensions."""
_FLOOR = 1e-8


def averaging_matrix(edge_index: Tensor, edge_vector: Tensor, n: int, reach: float = REACH) -> Tensor:
    """Sparse row-stochastic (n, n): a particle with weight 1, neighbours with (1 - (r / reach)^2)^2.

    edge_index (2, E), edge_vector (E, d): every ordered pair within ``reach`` or farther.
    """
    r = edge_vector.norm(dim=-1)
    near = (r < reach).nonzero().squeeze(1)
    weight = (1 - (r[near] / reach) ** 2) ** 2
    nodes = torch.arange(n, device=r.device)
    rows = torch.cat([edge_index[1, near], nodes])
    columns = torch.cat([edge_index[0, near], nodes])
    values = torch.cat([weight, torch.ones_like(nodes, dtype=weight.dtype)])
    total = values.new_zeros(n).index_add_(0, rows, values)
    index, values = torch.stack([rows, columns]), values / total[rows]
    return torch.sparse_coo_tensor(index, values, (n, n), check_invariants=False).coalesce()


def average(values: Tensor, matrix: Tensor, rounds: int) -> Tensor:
    """Values (n, F) averaged over neighbours ``rounds`` times."""
    for _ in range(rounds):
        values = torch.sparse.mm(matrix, values)
    return values


def log_mobility(displacement: Tensor, matrix: Tensor, least: float = 0.0) -> Tensor:
    """log of the local mean square of one component of displacements (n, F, d), in LJ units: (n, F).

    least: a length added in quadrature, below which displacements do not count.
    """
    square = average(displacement.square().mean(-1), matrix, ROUNDS) + least**2
    return square.clamp(min=_FLOOR).log()
