"""Averages of a field over the particles around each one, weighted by their distance."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.physics.box import check_cutoff, edges, minimum_image

# Distances worked on at a time: those of all pairs at once may not fit in memory.
_CHUNK = 1 << 22


def coarse_grain_each(
    values: Tensor, positions: Tensor, box: Tensor, lengths: Sequence[float], cutoff: float | None = None
) -> list[Tensor]:
    """Mean of a field about each particle, itself included, weighted by exp(-r / length), for each length.

    values: (N,) or (N, F); positions: (N, d), wrapped or not; box: (d,) or tilted; lengths: sigma_AA, 0
    leaves the field as it is; cutoff: the farthest particles that count, half the shortest edge unless
    given, since there is no nearest image beyond. sum_j x_j exp(-r_ij / l) / sum_j exp(-r_ij / l) as in
    H. Tong and H. Tanaka, Phys. Rev. X 8, 011041 (2018). Goes through all N^2 pairs, a few rows at a time,
    once for all lengths. Each result has the shape of values. Raises ConfigError for a negative length or a
    cut-off beyond half an edge, DataError for values of other particles.
    """
    wrong = [length for length in lengths if not (math.isfinite(length) and length >= 0)]
    if wrong:
        raise ConfigError(f"the coarse-graining length must be finite and not negative, got {wrong[0]}")
    if values.shape[:1] != positions.shape[:1]:
        raise DataError(f"a field of {len(positions)} particles was expected, got {tuple(values.shape)}")
    columns = values.reshape(len(values), -1)
    columns = torch.cat([columns, torch.ones_like(columns[:, :1])], 1)
    positive = [length for length in lengths if length > 0]
    sums = iter(weighted_sums(columns, positions, box, positive, cutoff))
    means = (each[:, :-1] / each[:, -1:] for each in sums)
    return [next(means).reshape(values.shape) if length > 0 else values for length in lengths]


def weighted_sums(
    columns: Tensor, positions: Tensor, box: Tensor, lengths: Sequence[float], cutoff: float | None = None
) -> Tensor:
    """sum_j x_j exp(-r_ij / l) about each particle i, itself included, for each length l: (L, N, F).

    columns: (N, F); lengths: positive; the rest as for `coarse_grain_each`. Raises ConfigError for a cut-off
    beyond half an edge.
    """
    box = box.to(positions)
    sides = edges(box, positions.shape[-1])
    reach = 0.5 * float(sides.min()) if cutoff is None else cutoff
    check_cutoff(reach, sides)
    found = columns.new_empty(len(lengths), *columns.shape)
    if not lengths:
        return found
    for rows in torch.split(torch.arange(len(positions)), max(1, _CHUNK // max(positions.numel(), 1))):
        part = slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0)
        distance = minimum_image(positions[None] - positions[part, None], box).norm(dim=-1)
        near = distance < reach
        for number, length in enumerate(lengths):
            weights = torch.where(near, torch.exp(-distance / length), 0.0).to(columns.dtype)
            found[number, part] = weights @ columns
    return found


def neighbor_means(own: Tensor, edge_index: Tensor, kind: Tensor, weight: Tensor, number: int) -> Tensor:
    """Weighted means of columns (N, F) over the neighbours of one species ``number``; 0 without any.

    edge_index: (2, E), sorted as a neighbour list; kind: (E,) species of the second; weight: (E,).
    """
    chosen = (kind == number).nonzero().squeeze(-1)
    pairs, weight = edge_index[:, chosen], weight[chosen]
    total = own.new_zeros(len(own)).index_add_(0, pairs[0], weight)
    size = (len(own), len(own))
    matrix = torch.sparse_coo_tensor(pairs, weight, size, is_coalesced=True, check_invariants=False)
    return torch.sparse.mm(matrix, own) / total.clamp(min=1e-30).unsqueeze(1)
