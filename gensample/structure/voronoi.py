"""Perimeters (2D) and surfaces (3D) of Voronoi cells in a periodic box."""

import itertools

import numpy as np
import torch
from scipy.spatial import QhullError, Voronoi
from torch import Tensor

from gensample.errors import DataError
from gensample.physics.box import wrap

# Images farther than this from the box, in mean distances between particles, have no face with a particle in
# it in a dense liquid; whether they might have is checked.
MARGIN = 4.0


def cell_surface(positions: Tensor, box: Tensor) -> Tensor:
    """Length of the boundary (2D) or area of the surface (3D) of each particle's Voronoi cell, (N,).

    positions: (N, d), wrapped or not; box: (d,). By Qhull, on the CPU, without gradients. Raises DataError
    for positions that are not finite or coincide, or a gas so thin that a cell reaches beyond the images.
    """
    if not bool(torch.isfinite(positions).all()):
        raise DataError("positions must be finite to have Voronoi cells, but some are NaN or infinite")
    x, edges = wrap(positions.detach().double().cpu(), box.double().cpu()).numpy(), box.double().cpu().numpy()
    margin = min(MARGIN * float(np.prod(edges) / len(x)) ** (1 / len(edges)), float(edges.min()))
    points = _with_images(x, edges, margin)
    try:
        found = Voronoi(points)
    except (QhullError, ValueError) as error:
        raise DataError(f"these positions have no Voronoi cells: {str(error).splitlines()[0]}") from None
    _check_reach(found, x, margin)
    faces = [k for k, (p, q) in enumerate(found.ridge_points) if min(p, q) < len(x)]
    area = _face_areas(found, faces)
    total = np.zeros(len(points))
    for corner in (0, 1):
        np.add.at(total, found.ridge_points[faces, corner], area)
    return torch.from_numpy(total[: len(x)]).to(positions)


def _with_images(x: np.ndarray, edges: np.ndarray, margin: float) -> np.ndarray:
    """The particles, then their periodic images within ``margin`` of the box."""
    images = []
    for shift in itertools.product((-1, 0, 1), repeat=len(edges)):
        if any(shift):
            moved = x + np.array(shift) * edges
            images.append(moved[((moved > -margin) & (moved < edges + margin)).all(1)])
    return np.concatenate([x, *images])


def _check_reach(found: Voronoi, x: np.ndarray, margin: float) -> None:
    """A corner of a cell is as far from its particle as from those beyond: half the margin is enough."""
    for p in range(len(x)):
        corners = found.regions[found.point_region[p]]
        if -1 in corners or np.linalg.norm(found.vertices[corners] - x[p], axis=1).max() > margin / 2:
            raise DataError("a Voronoi cell reaches too far for the periodic images at hand: too thin a gas")


def _face_areas(found: Voronoi, faces: list[int]) -> np.ndarray:
    """Lengths of faces with two corners, areas of polygons with more, by number of corners at once."""
    area = np.zeros(len(faces))
    corners = [found.ridge_vertices[k] for k in faces]
    count = np.array([len(c) for c in corners])
    for n in np.unique(count):
        which = np.flatnonzero(count == n)
        v = found.vertices[np.array([corners[k] for k in which])]
        if n == 2:
            area[which] = np.linalg.norm(v[:, 1] - v[:, 0], axis=-1)
        else:
            spokes = v[:, 1:] - v[:, :1]
            area[which] = 0.5 * np.linalg.norm(np.cross(spokes[:, :-1], spokes[:, 1:]).sum(1), axis=-1)
    return area
