r"""Homogeneous shear of periodic boxes, what particles do beyond it, and local strains.

A shear of strain g along axis a with its gradient along axis b is the map r -> F r, F = 1 + g e_a e_b^T. The
box of the sheared system has the tilt factor g L_b; tilts that differ by an edge L_a are the same lattice.

D2min and the local strain: M. L. Falk and J. S. Langer, Phys. Rev. E 57, 7192 (1998), eqs. 2.11-2.14.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.physics.box import flip, minimum_image, tilt_index
from gensample.physics.neighbors import neighbor_list

AXES = "xyz"
# Planes by displacement and gradient axis, as the tilt factors of LAMMPS.
PLANES = ("xy", "xz", "yz")


class ShearDirection(NamedTuple):
    """Plane and sign of a shear: displacement along axis ``along``, gradient along axis ``across``."""

    name: str
    along: int
    across: int
    sign: int

    @property
    def plane(self) -> str:
        """Name of the plane and of its tilt factor, such as "xy"."""
        return self.name[:2]


class LocalStrain(NamedTuple):
    """Result of `d2min`."""

    d2min: Tensor  # (..., N) mean squared deviation from the best local affine map
    gradient: Tensor  # (..., N, d, d) local displacement gradient, row: component, column: derivative


def shear_direction(name: str, dimension: int) -> ShearDirection:
    """The direction called "xy+" or "xy-", in 3D also "xz+" and so on; ConfigError names the known ones."""
    known = [f"{plane}{sign}" for plane in PLANES[: 1 if dimension == 2 else 3] for sign in "+-"]
    if name not in known:
        raise ConfigError(f"unknown shear direction {name!r} in {dimension}D: use some of {', '.join(known)}")
    return ShearDirection(name, AXES.index(name[0]), AXES.index(name[1]), 1 if name[2] == "+" else -1)


def shear_gradient(direction: ShearDirection, strain: float, dimension: int) -> Tensor:
    """Displacement gradient F - 1 of a strain measured along the direction, (d, d) float64."""
    gradient = torch.zeros(dimension, dimension, dtype=torch.float64)
    gradient[direction.along, direction.across] = direction.sign * strain
    return gradient


def sheared_box(edges: Tensor, direction: ShearDirection, strain: float) -> Tensor:
    """Box of an orthogonal one (d,) after the strain, with the smallest tilt, (d + d(d-1)/2,)."""
    dimension = len(edges)
    box = torch.cat([edges, edges.new_zeros(dimension * (dimension - 1) // 2)])
    tilt = direction.sign * strain * edges[direction.across]
    box[tilt_index(dimension, direction.across, direction.along)] = tilt
    return flip(box, dimension)


def non_affine(positions: Tensor, edges: Tensor, direction: ShearDirection, strains: Tensor) -> Tensor:
    """Displacements r(g) - F(g) r(0) along a quasistatic shear, followed through the boundaries.

    positions: (S, N, d) at the strains (S,), the first zero; wrapped or not; edges: (d,) of the box at zero
    strain. From one strain to the next a particle must move by less than half an edge beyond the map. The
    mean over particles is taken off. Returns (S, N, d).
    """
    start, dimension = positions[0], positions.shape[-1]
    fields = [torch.zeros_like(start)]
    for x, strain in zip(positions[1:], strains[1:].tolist(), strict=True):
        affine = start + start @ shear_gradient(direction, strain, dimension).to(start).T
        step = x - affine - fields[-1]
        fields.append(fields[-1] + minimum_image(step, sheared_box(edges, direction, strain)))
    moved = torch.stack(fields)
    return moved - moved.mean(-2, keepdim=True)


def d2min(
    reference: Tensor, displacement: Tensor, box: Tensor, cutoff: float, affine: Tensor | None = None
) -> LocalStrain:
    """Non-affine squared displacement and best local displacement gradient about each particle.

    For the neighbours j of i within the cut-off in the reference, with separations r_ij there and relative
    displacements u_ij: the gradient H minimises sum_j |u_ij - H r_ij|^2, and D2min is that minimum divided by
    the number of neighbours (Falk and Langer do not divide). A particle without neighbours has 0.

    reference: (N, d); displacement: (..., N, d), one or more fields with that reference; box: (d,) or tilted.
    The displacement must be periodic: that relative to a homogeneous map. D2min does not depend on this map;
    ``affine`` (d, d), its gradient, is added to the local ones. Raises as `neighbor_list`.
    """
    (i, j), r = neighbor_list(reference, box, cutoff)
    u = displacement[..., j, :] - displacement[..., i, :]
    particles = len(reference)
    inverse = torch.linalg.pinv(_sum(r[:, :, None] * r[:, None, :], i, particles), hermitian=True)
    gradient = _sum(u[..., :, None] * r[:, None, :], i, particles) @ inverse
    rest = u - (gradient[..., i, :, :] @ r[:, :, None]).squeeze(-1)
    count = torch.bincount(i, minlength=particles).clamp(min=1)
    squared = _sum(rest.square().sum(-1, keepdim=True), i, particles, 1).squeeze(-1) / count
    return LocalStrain(squared, gradient if affine is None else gradient + affine.to(gradient))


def _sum(values: Tensor, i: Tensor, particles: int, trailing: int = 2) -> Tensor:
    """Sum over the pairs of each source, (..., E, *) to (..., N, *) with so many trailing dimensions."""
    dim = values.ndim - 1 - trailing
    shape = (*values.shape[:dim], particles, *values.shape[dim + 1 :])
    return values.new_zeros(shape).index_add(dim, i, values)


def green_strain(gradient: Tensor) -> Tensor:
    """Green-Lagrange strain (F^T F - 1) / 2 of displacement gradients F - 1, (..., d, d); no rotations."""
    turned = gradient.transpose(-1, -2)
    return 0.5 * (gradient + turned + turned @ gradient)


def local_shear_strain(gradient: Tensor, direction: ShearDirection) -> Tensor:
    """Shear strain along a direction, (...): twice the Green-Lagrange component; g for simple shear by g."""
    return 2.0 * direction.sign * green_strain(gradient)[..., direction.along, direction.across]


def von_mises_strain(gradient: Tensor) -> Tensor:
    """Invariant of the shear, sqrt(dev E : dev E / 2) with the Green-Lagrange strain E, (...).

    In 3D that of F. Shimizu, S. Ogata and J. Li, Mater. Trans. 48, 2923 (2007), eq. 5; g/2 for a small simple
    shear by g in either dimension.
    """
    strain = green_strain(gradient)
    dimension = strain.shape[-1]
    trace = strain.diagonal(dim1=-2, dim2=-1).mean(-1)
    deviator = strain - trace[..., None, None] * torch.eye(
        dimension, dtype=strain.dtype, device=strain.device
    )
    return (0.5 * deviator.square().sum((-1, -2))).sqrt()
