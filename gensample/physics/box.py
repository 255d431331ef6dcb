"""Periodic boxes, orthogonal or tilted: wrapping, minimum image, and the condition under which it holds.

A box is one tensor, (d,) or (d + d(d-1)/2,), or any shape that broadcasts against the positions, such as
(C, 1, d) for a batch of C configurations. Its numbers are the edge lengths, then, for a tilted
(Lees-Edwards) box, the tilt factors in the order of LAMMPS: (lx, ly, xy) in 2D,
(lx, ly, lz, xy, xz, yz) in 3D. The lattice vectors are a = (lx, 0, 0), b = (xy, ly, 0), c = (xz, yz, lz).
The dimension of the positions says which of the two kinds a box is.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from gensample.errors import ConfigError, DataError


def wrap(x: Tensor, box: Tensor) -> Tensor:
    """Positions moved by lattice vectors into the primary cell, fractional coordinates 0 <= s < 1 strictly.

    x: (..., d); box: (d,), (d + d(d-1)/2,) or broadcastable. Returns the shape of x.
    """
    if is_tilted(box, x.shape[-1]):
        return _wrap_tilted(x, box)
    wrapped = torch.remainder(x, box)
    # remainder(-tiny, L) rounds to L itself, which would index a cell that does not exist.
    return torch.where(wrapped >= box, torch.zeros_like(wrapped), wrapped)


def minimum_image(dx: Tensor, box: Tensor) -> Tensor:
    """Shortest periodic image of separation vectors, each component in [-L/2, L/2].

    dx: (..., d); box: (d,), (d + d(d-1)/2,) or broadcastable. Odd in dx, so that a pair list is antisymmetric
    to the last bit. In a tilted box the components are reduced from the last to the first. One image alone
    has every component within half an edge, so whatever the tilt an image shorter than half the shortest
    edge is found; where there is none, what is returned need not be the shortest.
    """
    if not is_tilted(box, dx.shape[-1]):
        return dx - box * torch.round(dx / box)
    components = list(dx.unbind(-1))
    for k in reversed(range(len(components))):
        images = torch.round(components[k] / box[..., k])
        for axis in range(k):
            components[axis] = components[axis] - images * _tilt(box, len(components), k, axis)
        components[k] = components[k] - images * box[..., k]
    return torch.stack(components, -1)


def minimum_image_(components: Sequence[Tensor], box: Sequence[Tensor] | Tensor) -> None:
    """`minimum_image` in place, of separations held by component: d tensors of the same shape.

    box: its d or d + d(d-1)/2 numbers, first dimension of a tensor or a sequence, each broadcastable.
    """
    dimension = len(components)
    tilted = len(box) > dimension
    for k in reversed(range(dimension)):
        images = torch.div(components[k], box[k]).round_()
        for axis in range(k if tilted else 0):
            components[axis].sub_(images * box[tilt_index(dimension, k, axis)])
        components[k].sub_(images.mul_(box[k]))


def lattice_vectors_(components: Sequence[Tensor], box: Sequence[Tensor] | Tensor) -> list[Tensor]:
    """Components of the lattice vectors that `minimum_image_` takes off; the separations are overwritten."""
    dimension = len(components)
    found = [torch.zeros_like(component) for component in components]
    for k in reversed(range(dimension)):
        images = torch.div(components[k], box[k]).round_()
        for axis in range(k if len(box) > dimension else 0):
            tilted = images * box[tilt_index(dimension, k, axis)]
            components[axis].sub_(tilted)
            found[axis].add_(tilted)
        found[k].add_(images.mul_(box[k]))
    return found


def is_tilted(box: Tensor, dimension: int) -> bool:
    """Whether the box carries tilt factors, be they zero."""
    return dimension > 1 and box.ndim > 0 and box.shape[-1] == dimension * (dimension + 1) // 2


def edges(box: Tensor, dimension: int) -> Tensor:
    """Edge lengths (..., d), without the tilt factors."""
    return box[..., :dimension]


def volume(box: Tensor, dimension: int) -> Tensor:
    """Volume (area in 2D) of each box, (...)."""
    return edges(box, dimension).prod(-1)


def lattice(box: Tensor, dimension: int) -> Tensor:
    """Lattice vectors (..., d, d) as rows: lower triangular."""
    rows = torch.diag_embed(edges(box, dimension))
    if is_tilted(box, dimension):
        row, axis = torch.tril_indices(dimension, dimension, -1, device=box.device)
        rows[..., row, axis] = box[..., dimension:]
    return rows


def perpendicular_widths(box: Tensor, dimension: int) -> Tensor:
    """Distances (..., d) between the opposite faces of each box."""
    if not is_tilted(box, dimension):
        return edges(box, dimension)
    # The gradient of the k-th fractional coordinate is column k of the inverse.
    return 1.0 / torch.linalg.inv(lattice(box, dimension)).norm(dim=-2)


def flip(box: Tensor, dimension: int) -> Tensor:
    """The box of the same lattice whose tilt factors are within half of their edges, the limits of LAMMPS.

    box: (..., d) or (..., d + d(d-1)/2). xy and xz stay within lx/2, yz within ly/2; an orthogonal box comes
    back as it is.
    """
    if not is_tilted(box, dimension):
        return box
    rows = lattice(box, dimension)
    for k in range(1, dimension):
        for axis in reversed(range(k)):
            images = torch.round(rows[..., k, axis] / rows[..., axis, axis])
            rows[..., k, :] -= images.unsqueeze(-1) * rows[..., axis, :]
    row, axis = torch.tril_indices(dimension, dimension, -1, device=box.device)
    return torch.cat([edges(box, dimension), rows[..., row, axis]], -1)


def fractional(x: Tensor, box: Tensor) -> Tensor:
    """Coordinates (..., d) of positions in units of the lattice vectors; shapes as in `wrap`."""
    dimension = x.shape[-1]
    if not is_tilted(box, dimension):
        return x / box
    fractions: list[Tensor] = []
    for k in reversed(range(dimension)):
        offset = _offset(fractions, box, dimension)
        fractions.insert(0, (x[..., k] - offset) / box[..., k])
    return torch.stack(fractions, -1)


def boxes_of(box: Tensor, count: int, dimension: int) -> Tensor:
    """A box for each of C configurations, (C, d) or (C, d + d(d-1)/2), from one for all or one for each.

    Raises DataError when the box has neither that many numbers.
    """
    if is_tilted(box, dimension):
        return box.expand(count, box.shape[-1])
    if box.ndim and box.shape[-1] not in (1, dimension):
        tilts = dimension * (dimension - 1) // 2
        raise DataError(
            f"a box in {dimension}D is {dimension} edge lengths, or those and {tilts} tilt factors, "
            f"got {box.shape[-1]} numbers"
        )
    return box.expand(count, dimension)


def check_cutoff(cutoff: float, box: Tensor) -> None:
    """Raise ConfigError unless 0 < cutoff <= L/2 along every edge of every box.

    box: edge lengths alone, `edges` of a tilted box, whose tilt does not matter. Beyond L/2 a particle could
    meet two images of the same neighbour and the minimum image would miss one.
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


def tilt_index(dimension: int, vector: int, axis: int) -> int:
    """Place in a box of the component along ``axis`` of a later lattice vector, axis < vector."""
    return dimension + vector * (vector - 1) // 2 + axis


def _tilt(box: Tensor, dimension: int, vector: int, axis: int) -> Tensor:
    return box[..., tilt_index(dimension, vector, axis)]


def _offset(later: Sequence[Tensor], box: Tensor, dimension: int) -> Tensor:
    """Component of sum s_m h_m over the later lattice vectors along the axis just before them."""
    axis = dimension - len(later) - 1
    offset = torch.zeros_like(box[..., 0])
    for m, s in enumerate(later, start=axis + 1):
        offset = offset + s * _tilt(box, dimension, m, axis)
    return offset


def _wrap_tilted(x: Tensor, box: Tensor) -> Tensor:
    """`wrap`, from the last component to the first, with the arithmetic of `fractional`."""
    components, fractions = list(x.unbind(-1)), list[Tensor]()
    for k in reversed(range(len(components))):
        edge, offset = box[..., k], _offset(fractions, box, len(components))
        above = components[k] - offset
        rest = torch.remainder(above, edge)
        # As in an orthogonal box; besides, rounding in the sum may reach the far face.
        rest = torch.where((rest + offset) - offset >= edge, torch.zeros_like(rest), rest)
        images = torch.round((above - rest) / edge)
        components[k] = rest + offset
        fractions.insert(0, (components[k] - offset) / edge)
        for axis in range(k):
            components[axis] = components[axis] - images * _tilt(box, len(components), k, axis)
    return torch.stack(components, -1)
