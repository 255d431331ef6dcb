"""Periodic Delaunay triangulations: neighbours whose Voronoi cells touch, without a cut-off."""

import itertools
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError
from torch import Tensor

from gensample.errors import DataError
from gensample.physics.box import fractional, lattice, perpendicular_widths, volume, wrap

# Wide enough for the empty spheres of a dense liquid, in mean distances between particles.
_FIRST_MARGIN = 2.0
# Displacements, in mean distances, that decide between equally good triangulations (crystals), so that all
# periodic images of a particle see the same one.
_TIE_BREAK = 1e-8

_Array = NDArray[Any]


class Triangulation(NamedTuple):
    """A periodic Delaunay triangulation: its edges, and its simplices once from each of their corners.

    Vectors are those of the images meant, which in a narrow box need not be the nearest.
    """

    edge_index: Tensor  # (2, E) int64, both directions of each pair, sorted by the first
    vectors: Tensor  # (E, d) from the first to the second
    corners: Tensor  # (S, d + 1) int64: a particle and the other corners of a triangle or tetrahedron
    spokes: Tensor  # (S, d, d) vectors from the particle to the other corners


def triangulate(positions: Tensor, box: Tensor) -> Triangulation:
    """The periodic Delaunay triangulation of one configuration, by Qhull, on the CPU.

    positions: (N, d), wrapped or not; box: (d,) or tilted. Where the empty sphere of a simplex touches
    further particles (crystals) it is one of the possible triangulations, the same for all periodic images.
    The result carries no gradients. Raises DataError for positions that are not finite or coincide, and for
    a box narrower than the widest sphere without particles.
    """
    if not bool(torch.isfinite(positions).all()):
        raise DataError("positions must be finite to be triangulated, but some are NaN or infinite")
    if not len(positions):
        raise DataError("there are no particles to triangulate")
    x, cell = positions.detach().double().cpu(), box.detach().double().cpu()
    images, owner, simplices = _simplices(wrap(x, cell), cell)
    # Every simplex from each of its corners in the primary cell; images have the higher numbers.
    rows = np.concatenate([np.roll(simplices, k, axis=1) for k in range(simplices.shape[1])])
    rows = rows[rows[:, 0] < len(x)]
    pairs = rows[:, [[0, k] for k in range(1, rows.shape[1])]].reshape(-1, 2)
    pairs = np.unique(pairs, axis=0)
    vectors = images[pairs[:, 1]] - images[pairs[:, 0]]
    if np.linalg.norm(vectors, axis=1).min() < 10 * _TIE_BREAK * _spacing(x, cell):
        raise DataError("some particles are at the same place, which no triangulation tells apart")

    def tensor(values: _Array) -> Tensor:
        return torch.from_numpy(values).to(positions.device)

    return Triangulation(
        tensor(owner[pairs].T.copy()),
        tensor(vectors).to(positions.dtype),
        tensor(owner[rows]),
        tensor(images[rows[:, 1:]] - images[rows[:, :1]]).to(positions.dtype),
    )


def _simplices(x: Tensor, box: Tensor) -> tuple[_Array, _Array, _Array]:
    """Particles and the images around them (M, d), whose images they are (M,), simplices (S, d + 1).

    A simplex of a particle is right when its empty sphere lies within the layer of images: the layer grows
    until all do.
    """
    particles, dimension = x.shape
    spacing, widths = _spacing(x, box), perpendicular_widths(box, dimension)
    moved = x + _TIE_BREAK * spacing * _quasirandom(particles, dimension)
    margin = _FIRST_MARGIN * spacing
    while True:
        shifts, owner = _layer(fractional(x, box), margin / widths)
        displacement = shifts @ lattice(box, dimension)
        points = (moved[owner] + displacement).numpy()
        try:
            found = Delaunay(points)
        except QhullError as error:
            raise DataError(f"these positions cannot be triangulated: {str(error).splitlines()[0]}") from None
        own = (found.simplices < particles).any(1)
        widest = float(_diameters(found, points)[own].max())
        if widest <= margin and widest < float(widths.min()):
            return (x[owner] + displacement).numpy(), owner.numpy(), found.simplices[own].astype(np.int64)
        if margin > float(widths.min()):
            raise DataError(
                f"the box is too small to triangulate: {particles} particles leave spheres of {widest:g} "
                f"empty, its narrowest width is {float(widths.min()):g}; use a larger system"
            )
        # At the rim of too thin a layer spheres may seem huge.
        margin = min(1.01 * widest, 1.5 * margin)


def _spacing(x: Tensor, box: Tensor) -> float:
    """Mean distance between particles, the edge of the cube that each has for itself."""
    return float(volume(box, x.shape[1]) / len(x)) ** (1.0 / x.shape[1])


def _layer(fractions: Tensor, margin: Tensor) -> tuple[Tensor, Tensor]:
    """Shifts (M, d) by lattice vectors and particles (M,) within the margin of the cell, unshifted first."""
    reach = [range(-int(m), int(m) + 1) for m in torch.ceil(margin).tolist()]
    cells = torch.tensor(sorted(itertools.product(*reach), key=any), dtype=fractions.dtype)
    images = fractions[None] + cells[:, None]
    near = ((images > -margin) & (images < 1.0 + margin)).all(-1)
    near[0] = True
    cell, owner = near.nonzero(as_tuple=True)
    return cells[cell], owner


def _diameters(found: Delaunay, points: _Array) -> _Array:
    """Diameters of the circumscribed spheres, from the facets of the lifted points.

    The facet n.x + m z + c = 0 over the paraboloid z = scale |x|^2 + shift is a sphere about the point
    -n / (2 m scale).
    """
    normal, slope = found.equations[:, :-2], found.equations[:, -2]
    centre = -normal / (2.0 * slope * found.paraboloid_scale)[:, None]
    return 2.0 * np.linalg.norm(points[found.simplices[:, 0]] - centre, axis=-1)


def _quasirandom(particles: int, dimension: int) -> Tensor:
    """Points (N, d) in [0, 1) without order among neighbours, from multiples of irrational numbers."""
    steps = torch.tensor([2.0, 3.0, 5.0], dtype=torch.float64).sqrt()[:dimension]
    # Squares of the index: multiples alone would move a lattice as a lattice.
    return torch.remainder(torch.arange(particles, dtype=torch.float64)[:, None].square() * steps, 1.0)
