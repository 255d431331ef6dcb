"""Periodic triangulations against freud, Euler's formula, and the empty spheres that define them."""

import math

import freud
import numpy as np
import pytest
import torch
from torch import Tensor

from gensample.errors import DataError
from gensample.physics.box import lattice, minimum_image
from gensample.structure.delaunay import Triangulation, triangulate


def gas(particles: int, box: list[float], dimension: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    cell = torch.tensor(box, dtype=torch.float64)
    x = torch.rand(particles, dimension, generator=generator, dtype=torch.float64) * cell[:dimension]
    return x, cell


def freud_neighbors(x: Tensor, box: Tensor) -> set[tuple[int, int]]:
    """Voronoi neighbours of freud, which loses faces smaller than about 1e-5 in 3D."""
    two = x.shape[1] == 2
    points = np.zeros((len(x), 3))
    points[:, : x.shape[1]] = x.numpy() - 0.5 * box.numpy()
    edges = [*box.tolist(), 0] if two else box.tolist()
    found = freud.locality.Voronoi().compute((freud.box.Box(*edges, is2D=two), points)).nlist
    return {(int(i), int(j)) for i, j in found[:]}


def face_size(found: Triangulation, i: int, j: int) -> float:
    """About the area of the face between two Voronoi cells, spanned by the centres of their simplices."""
    around = (found.corners[:, 0] == i) & (found.corners[:, 1:] == j).any(1)
    spokes = found.spokes[around]
    centre = torch.linalg.solve(2 * spokes, spokes.square().sum(-1))
    return float(torch.linalg.svdvals(centre - centre.mean(0))[:2].prod())


@pytest.mark.parametrize("box", [[9.0, 11.0], [6.0, 7.0, 8.0]], ids=["2d", "3d"])
@pytest.mark.parametrize("seed", range(3))
def test_neighbors_are_those_of_freud(box: list[float], seed: int) -> None:
    x, cell = gas(150, box, len(box), seed)
    found = triangulate(x, cell)
    edge_index, vectors = found[:2]
    pairs = {(int(i), int(j)) for i, j in edge_index.T}
    expected = freud_neighbors(x, cell)
    assert expected <= pairs
    assert len(pairs - expected) <= (0 if len(box) == 2 else 10)
    assert all(face_size(found, i, j) < 1e-5 for i, j in pairs - expected)
    torch.testing.assert_close(vectors, minimum_image(x[edge_index[1]] - x[edge_index[0]], cell))


@pytest.mark.parametrize("box", [[9.0, 11.0], [9.0, 11.0, 4.0], [6.0, 7.0, 8.0, 2.5, -1.0, 3.0]])
def test_spheres_are_empty_and_fill_space(box: list[float]) -> None:
    """Delaunay's definition, in orthogonal and tilted boxes, with a void to make large spheres."""
    dimension = 2 if box[0] == 9.0 else 3
    x, cell = gas(90, box, dimension, 1)
    x = x[(minimum_image(x - x[0], cell).norm(dim=-1) > 2.2) | (torch.arange(len(x)) == 0)]
    _, _, corners, spokes = triangulate(x, cell)
    content = torch.linalg.det(spokes).abs().sum() / math.factorial(dimension)
    # Each simplex is seen from d + 1 corners; together they fill the box.
    torch.testing.assert_close(content, (dimension + 1) * cell[:dimension].prod())
    # |c|^2 = |c - a_k|^2: the centre from the particle.
    centre = torch.linalg.solve(2 * spokes, spokes.square().sum(-1))
    middle = x[corners[:, 0]] + centre
    distance = minimum_image(x[None] - middle[:, None], cell).norm(dim=-1)
    assert (distance > centre.norm(dim=-1, keepdim=True) * (1 - 1e-6)).all()


def test_euler_in_the_plane_and_symmetry() -> None:
    """On a torus there are twice as many triangles as particles and three times as many edges."""
    x, cell = gas(200, [12.0, 10.0], 2)
    edge_index, vectors, corners, spokes = triangulate(x, cell)
    assert len(corners) == 3 * 2 * len(x)
    assert edge_index.shape[1] == 2 * 3 * len(x)
    assert spokes.shape == (1200, 2, 2)
    assert (edge_index[0].diff() >= 0).all()
    pairs = {(int(i), int(j)) for i, j in edge_index.T}
    assert pairs == {(j, i) for i, j in pairs}
    torch.testing.assert_close(
        torch.zeros_like(x).index_add(0, edge_index[0], vectors).sum(0),
        torch.zeros(2).double(),
        atol=1e-9,
        rtol=0,
    )


@pytest.mark.parametrize("box", [[1.0, 1.3], [1.0, 1.2, 0.9], [1.5, 12.0, 12.0]])
def test_boxes_narrower_than_their_empty_spheres_are_refused(box: list[float]) -> None:
    x, cell = gas(2, box, len(box), 5)
    with pytest.raises(DataError, match="too small"):
        triangulate(x, cell)


@pytest.mark.parametrize("box", [[2.6, 2.4], [2.6, 2.4, 0.9], [2.2, 2.3, 2.4]])
def test_few_particles_fill_the_box_once(box: list[float]) -> None:
    """Layers of images several boxes thick, as far as empty spheres reach."""
    dimension = 3 if box[0] == 2.2 else 2
    grid = torch.cartesian_prod(*[torch.arange(3.0, dtype=torch.float64)] * dimension) / 3
    cell = torch.tensor(box, dtype=torch.float64)
    jitter = 0.02 * torch.randn(grid.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    spokes = triangulate((grid + jitter) @ lattice(cell, dimension), cell).spokes
    content = torch.linalg.det(spokes).abs().sum() / math.factorial(dimension)
    torch.testing.assert_close(content, (dimension + 1) * cell[:dimension].prod())


@pytest.mark.parametrize("dimension", [2, 3])
def test_perfect_lattices_are_triangulated_alike_from_all_sides(dimension: int) -> None:
    """Squares and cubes can be cut along either diagonal: all images of a particle see the same one."""
    grid = torch.cartesian_prod(*[torch.arange(4, dtype=torch.float64)] * dimension)
    edge_index, _, _, spokes = triangulate(grid, torch.full((dimension,), 4.0))
    pairs = {(int(i), int(j)) for i, j in edge_index.T}
    assert pairs == {(j, i) for i, j in pairs}
    content = torch.linalg.det(spokes).abs().sum() / math.factorial(dimension)
    torch.testing.assert_close(content, torch.tensor((dimension + 1) * 4.0**dimension).double())


def test_lattice_vectors_change_nothing() -> None:
    x, cell = gas(80, [6.0, 7.0], 2)
    moved = x + cell * torch.randint(-2, 3, x.shape, generator=torch.Generator().manual_seed(0))
    before, after = triangulate(x, cell), triangulate(moved, cell)
    assert torch.equal(before.edge_index, after.edge_index)
    torch.testing.assert_close(before.vectors, after.vectors)


def test_what_cannot_be_triangulated_is_refused() -> None:
    x, cell = gas(20, [6.0, 7.0], 2)
    with pytest.raises(DataError, match="same place"):
        triangulate(torch.cat([x, x[:1]]), cell)
    with pytest.raises(DataError, match="no particles"):
        triangulate(x[:0], cell)
    x[3, 1] = float("nan")
    with pytest.raises(DataError, match="finite"):
        triangulate(x, cell)
