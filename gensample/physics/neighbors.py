"""Complete periodic neighbour lists, by cells, for one configuration or a batch of them.

Boxes may be tilted (`gensample.physics.box`): cells are then parallelepipeds, equal parts of the box.

Every list holds both directions of each pair, source i and destination j with the vector from i to j,
sorted by (i, j). Nothing is truncated at a number of neighbours.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gensample.errors import DataError
from gensample.physics.box import (
    boxes_of,
    check_cutoff,
    edges,
    flip,
    fractional,
    is_tilted,
    minimum_image,
    minimum_image_,
    perpendicular_widths,
    wrap,
)

# Cells of half the cut-off: fewer pairs to look at than with whole ones, in 3D by half.
_PER_CUTOFF = 2
# Cells are a little wider than that, so that rounding in the wrapped position cannot hide a pair.
_MARGIN = 1.0 + 1e-4


def neighbor_list(positions: Tensor, box: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """All ordered pairs of one configuration closer than the cut-off.

    positions: (N, d), wrapped or not; box: (d,) or (d + d(d-1)/2,). Returns edge_index (2, E) int64, row 0
    the source i and row 1 the destination j, and vectors (E, d) = minimum_image(x_j - x_i), differentiable
    in the positions.
    Raises ConfigError when the cut-off exceeds half an edge, DataError for positions that are not finite.
    """
    return batched_neighbor_list(positions[None], box.reshape(1, -1), cutoff)


def batched_neighbor_list(positions: Tensor, box: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """All ordered pairs within each of C configurations, numbered over the C * N flattened particles.

    positions: (C, N, d); box: (C, d), (C, d + d(d-1)/2) or one for all. Returns and raises as
    `neighbor_list`. Linear in C * N in time and memory (a few kB per particle at r < 2 in a dense 3D
    liquid): cut very large batches into pieces.
    """
    _check(positions, box, cutoff)
    configurations, particles, dimension = positions.shape
    box = boxes_of(box.to(positions), configurations, dimension)
    with torch.no_grad():
        i, j = _close_pairs(positions, box, cutoff)
        size = configurations * particles
        key = torch.cat([i * size + j, j * size + i]).sort().values
        i = torch.div(key, size, rounding_mode="floor")
        j = key - i * size
    return torch.stack([i, j]), _vectors(positions, box, i, j)


def batched_half_list(positions: Tensor, box: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """The pairs of `batched_neighbor_list` once each, i < j, sorted, without vectors, at half the cost."""
    _check(positions, box, cutoff)
    configurations, particles, dimension = positions.shape
    size = max(configurations * particles, 1)
    with torch.no_grad():
        i, j = _close_pairs(positions, boxes_of(box.to(positions), configurations, dimension), cutoff)
        key = torch.minimum(i, j).mul_(size).add_(torch.maximum(i, j)).sort().values
    i = torch.div(key, size, rounding_mode="floor")
    return i, key - i * size


def _check(positions: Tensor, box: Tensor, cutoff: float) -> None:
    check_cutoff(cutoff, edges(box, positions.shape[-1]))
    if not bool(torch.isfinite(positions).all()):
        raise DataError("positions must be finite to find neighbours, but some are NaN or infinite")


def _vectors(positions: Tensor, box: Tensor, i: Tensor, j: Tensor) -> Tensor:
    flat = positions.reshape(-1, positions.shape[-1]).contiguous()  # gathering strided rows is slow
    own = box[0] if len(box) == 1 else box[i // positions.shape[1]]
    return minimum_image(flat.index_select(0, j) - flat.index_select(0, i), own)


def _close_pairs(positions: Tensor, box: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """Pairs closer than the cut-off, each unordered pair once, as numbers of flattened particles."""
    grid = _sort_into_cells(positions, box, cutoff)
    i, j = _candidates(grid)
    # By component, from particles laid out cell by cell: several times faster than gathering rows.
    columns = positions.reshape(-1, positions.shape[-1])[grid.order].T.contiguous()
    owner = grid.order // max(positions.shape[1], 1)
    squared = torch.zeros_like(i, dtype=positions.dtype)
    for separation in _separations(columns, box, owner, i, j):
        squared += separation.square_()
    near = (squared < cutoff**2).nonzero().squeeze(-1)
    return grid.order[i[near]], grid.order[j[near]]


def _separations(columns: Tensor, box: Tensor, owner: Tensor, i: Tensor, j: Tensor) -> Iterable[Tensor]:
    """Components of the minimum images from i to j, each of them new.

    One at a time where the box is orthogonal: on a CPU fresh memory costs more than the arithmetic.
    """
    numbers = [box[0, k] if len(box) == 1 else box[:, k][owner] for k in range(box.shape[1])]
    own = (number if number.ndim == 0 else number.index_select(0, i) for number in numbers)
    apart = (column.index_select(0, j).sub_(column.index_select(0, i)) for column in columns)
    if is_tilted(box, len(columns)):
        together = list(apart)
        minimum_image_(together, list(own))
        yield from together
        return
    for separation, edge in zip(apart, own, strict=True):
        minimum_image_([separation], [edge])
        yield separation


class _Grid(NamedTuple):
    """Particles of all configurations sorted by cell; M = C * N ranks in that order."""

    order: Tensor  # (M,) flattened particle of each rank
    cell: Tensor  # (M, d) its cell
    counts: Tensor  # (M, d) cells along each lattice vector of its configuration
    first: Tensor  # (M,) number of the first cell of its configuration
    starts: Tensor  # (cells + 1,) first rank in each cell


def _sort_into_cells(positions: Tensor, box: Tensor, cutoff: float) -> _Grid:
    particles, dimension = positions.shape[1:]
    box = flip(box, dimension)  # a lattice has the widest cells when it is least tilted
    widths = perpendicular_widths(box, dimension)
    counts = (widths * (_PER_CUTOFF / _MARGIN / cutoff)).floor().long().clamp(min=1)
    volumes = counts.prod(1)
    owner = torch.arange(len(box), device=box.device).repeat_interleave(particles)
    counts, first = counts[owner], (volumes.cumsum(0) - volumes)[owner]
    flat, own = positions.reshape(-1, dimension), box[owner]
    cell = torch.minimum((fractional(wrap(flat, own), own) * counts).long(), counts - 1)
    home = _cell_number(cell.unbind(-1), counts, first)
    order = home.argsort(stable=True)
    ends = torch.bincount(home, minlength=int(volumes.sum())).cumsum(0)
    return _Grid(order, cell[order], counts[order], first[order], torch.cat([ends.new_zeros(1), ends]))


def _cell_number(cell: Sequence[Tensor], counts: Tensor, first: Tensor) -> Tensor:
    """Number of a cell given by its coordinates, each (M, ...), the last axis running fastest."""
    number = torch.zeros_like(cell[0])
    for axis, coordinate in enumerate(cell):
        number = number * counts[:, axis].reshape(-1, *[1] * (coordinate.ndim - 1)) + coordinate
    return number + first.reshape(-1, *[1] * (number.ndim - 1))


def _candidates(grid: _Grid) -> tuple[Tensor, Tensor]:
    """Pairs of ranks in the same or nearby cells, each unordered pair once.

    The cells in reach along the last axis are contiguous in rank but for the periodic boundary: a particle
    meets each row of cells as one run of ranks within the box and one run wrapped around it.
    """
    reach = torch.arange(-_PER_CUTOFF, _PER_CUTOFF + 1, device=grid.order.device)
    shifts = torch.cartesian_prod(*[reach] * (grid.cell.shape[1] - 1)).reshape(-1, grid.cell.shape[1] - 1)
    counts = grid.counts[:, None, :-1]
    # In a small box several shifts lead to the same cell: keep one of each.
    distinct = (shifts + _PER_CUTOFF < counts).all(-1, keepdim=True)  # (M, rows, 1)
    rows = torch.remainder(grid.cell[:, None, :-1] + shifts, counts).unsqueeze(2)
    low, high = (bound[:, None] for bound in _runs(grid.cell[:, -1], grid.counts[:, -1]))  # (M, 1, 2)
    begin = grid.starts[_cell_number([*rows.unbind(-1), low], grid.counts, grid.first)]
    end = grid.starts[_cell_number([*rows.unbind(-1), high], grid.counts, grid.first)]
    # Taking only partners of higher rank visits each unordered pair once.
    rank = torch.arange(len(grid.order), device=grid.order.device)
    begin = torch.maximum(begin, rank[:, None, None] + 1)
    length = (end - begin).clamp_(min=0).mul_(distinct)
    i = torch.repeat_interleave(rank, length.sum((1, 2)))
    length = length.reshape(-1)
    offset = begin.reshape(-1) - (length.cumsum(0) - length)
    j = torch.repeat_interleave(offset, length, output_size=len(i)).add_(
        torch.arange(len(i), device=i.device)
    )
    return i, j


def _runs(cell: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Half-open ranges (M, 2) of cells in reach along the last axis: inside the box, and wrapped around."""
    low = cell - _PER_CUTOFF
    high = low + count.clamp(max=2 * _PER_CUTOFF + 1)
    zero = torch.zeros_like(cell)
    inside = (low.clamp(min=0), torch.minimum(high, count))
    below, above = (low + count, count), (zero, (high - count).clamp(min=0))
    around = [torch.where(low < 0, b, a) for b, a in zip(below, above, strict=True)]
    return torch.stack([inside[0], around[0]], -1), torch.stack([inside[1], around[1]], -1)
