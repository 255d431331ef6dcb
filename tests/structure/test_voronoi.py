"""Boundaries of Voronoi cells: lattices in closed form, gases by their sums."""

import math

import pytest
import torch

from gensample.errors import DataError
from gensample.structure.voronoi import cell_surface


def test_square_and_cubic_lattices():
    for d, expected in ((2, 4.0), (3, 6.0)):
        axes = torch.arange(6, dtype=torch.float64) + 0.3
        grid = torch.cartesian_prod(*[axes] * d)
        jitter = 1e-7 * torch.randn(grid.shape, generator=torch.Generator().manual_seed(0)).double()
        found = cell_surface(grid + jitter, torch.full((d,), 6.0))
        torch.testing.assert_close(found, torch.full_like(found, expected), atol=1e-4, rtol=0)


def test_triangular_lattice():
    """A hexagon of inradius 1/2 has a perimeter of 2 sqrt(3)."""
    rows = [(i + 0.5 * (j % 2), j * math.sqrt(3) / 2) for i in range(8) for j in range(8)]
    x = torch.tensor(rows, dtype=torch.float64)
    found = cell_surface(x, torch.tensor([8.0, 4 * math.sqrt(3)]))
    torch.testing.assert_close(found, torch.full_like(found, 2 * math.sqrt(3)))


def test_face_centred_cubic_lattice():
    """A rhombic dodecahedron of nearest-neighbour distance 1: twelve rhombi of area sqrt(2) / 4."""
    a = math.sqrt(2)
    basis = a * torch.tensor([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]], dtype=torch.float64)
    cells = a * torch.cartesian_prod(*[torch.arange(4, dtype=torch.float64)] * 3)
    x = (cells[:, None] + basis).reshape(-1, 3)
    x = x + 1e-7 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).double()
    found = cell_surface(x, torch.full((3,), 4 * a))
    torch.testing.assert_close(found, torch.full_like(found, 12 * math.sqrt(2) / 4), atol=1e-4, rtol=0)


def test_moves_of_the_lattice_change_nothing():
    x = 8 * torch.rand(200, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    box = torch.tensor([8.0, 8.0])
    moved = x + torch.tensor([3.0, -20.5]) + 8 * torch.randint(-2, 3, x.shape)
    torch.testing.assert_close(cell_surface(x, box), cell_surface(moved, box))


def test_what_has_no_cells_is_refused():
    with pytest.raises(DataError, match="finite"):
        cell_surface(torch.tensor([[0.0, math.nan]]), torch.ones(2))
    x = torch.rand(40, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with pytest.raises(DataError, match="too thin a gas"):
        cell_surface(x, torch.tensor([40.0, 40.0]))
