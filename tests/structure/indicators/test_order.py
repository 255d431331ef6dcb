"""Order parameters against freud, brute force and quadrature, ideal gases and perfect crystals."""

import itertools
import math
from collections.abc import Callable

import freud
import numpy as np
import pytest
import scipy.integrate
import torch
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.physics.box import minimum_image
from gensample.physics.mixtures import Mixture, get_mixture
from gensample.physics.neighbors import neighbor_list
from gensample.structure.delaunay import triangulate
from gensample.structure.indicators.order import (
    CONTACT,
    coordination,
    hexatic_order,
    local_density,
    steinhardt_order,
    steric_order,
    two_body_entropy,
)

# freud computes in single precision: directions of unit-length bonds in a box of 10 to about 1e-6.
FREUD_ROUNDING = 2e-5

System = tuple[Tensor, Tensor, Tensor, Mixture]


def liquid(name: str, side: int, seed: int = 0) -> System:
    """A disturbed lattice at the mixture's density, species shuffled."""
    mixture, generator = get_mixture(name), torch.Generator().manual_seed(seed)
    grid = torch.cartesian_prod(*[torch.arange(side, dtype=torch.float64)] * mixture.dimension)
    edge = mixture.edge_length(len(grid))
    x = (grid + 0.15 * torch.randn(grid.shape, generator=generator, dtype=torch.float64)) * edge / side
    species = mixture.species(len(x))[torch.randperm(len(x), generator=generator)]
    return x, species, torch.full((mixture.dimension,), edge, dtype=torch.float64), mixture


def triangular(rows: int, spacing: float = 1.1) -> tuple[Tensor, Tensor]:
    """The triangular crystal, rows * rows / 2 cells of two particles."""
    cells = torch.cartesian_prod(*[torch.arange(rows, dtype=torch.float64)] * 2)
    x = torch.cat([cells, cells + 0.5]) * torch.tensor([1.0, math.sqrt(3.0)], dtype=torch.float64) * spacing
    return x, rows * spacing * torch.tensor([1.0, math.sqrt(3.0)], dtype=torch.float64)


def fcc(cells: int, density: float) -> tuple[Tensor, Tensor]:
    base = torch.tensor([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]], dtype=torch.float64)
    grid = torch.cartesian_prod(*[torch.arange(cells, dtype=torch.float64)] * 3)
    edge = (4.0 / density) ** (1 / 3)
    x = (grid[:, None] + base).reshape(-1, 3) * edge
    return x, torch.full((3,), cells * edge, dtype=torch.float64)


def freud_system(x: Tensor, box: Tensor) -> tuple[freud.box.Box, np.ndarray]:
    points = np.zeros((len(x), 3))
    points[:, : x.shape[1]] = (x - 0.5 * box).numpy()
    cell = freud.box.Box(*box.tolist(), is2D=x.shape[1] == 2)
    return cell, cell.wrap(points)


def freud_list(edge_index: Tensor, vectors: Tensor, particles: int) -> freud.locality.NeighborList:
    padded = torch.zeros(len(vectors), 3)
    padded[:, : vectors.shape[1]] = vectors
    i, j = edge_index.numpy()
    return freud.locality.NeighborList.from_arrays(particles, particles, i, j, padded.numpy())


def neighbors(kind: str, x: Tensor, box: Tensor) -> tuple[Tensor, Tensor]:
    if kind == "delaunay":
        return triangulate(x, box)[:2]
    return neighbor_list(x, box, 1.4)


@pytest.mark.parametrize("kind", ["delaunay", "cutoff"])
@pytest.mark.parametrize("fold", [4, 6])
def test_hexatic_order_is_that_of_freud(kind: str, fold: int) -> None:
    x, _, box, _ = liquid("ka2d", 12)
    edge_index, vectors = neighbors(kind, x, box)
    expected = freud.order.Hexatic(k=fold).compute(
        freud_system(x, box), neighbors=freud_list(edge_index, vectors, len(x))
    )
    result = hexatic_order(edge_index, vectors, len(x), fold)
    np.testing.assert_allclose(result.numpy(), np.abs(expected.particle_order), atol=FREUD_ROUNDING)
    assert result.std() > 0.05


@pytest.mark.parametrize("kind", ["delaunay", "cutoff"])
@pytest.mark.parametrize("degree", [4, 6, 7])
@pytest.mark.parametrize("average", [False, True])
def test_steinhardt_order_is_that_of_freud(kind: str, degree: int, average: bool) -> None:
    x, _, box, _ = liquid("ka3d", 6)
    edge_index, vectors = neighbors(kind, x, box)
    expected = freud.order.Steinhardt(degree, average=average).compute(
        freud_system(x, box), neighbors=freud_list(edge_index, vectors, len(x))
    )
    result = steinhardt_order(edge_index, vectors, len(x), degree, average)
    np.testing.assert_allclose(result.numpy(), expected.particle_order, atol=FREUD_ROUNDING)
    assert result.std() > 0.005


def test_bond_order_of_crystals() -> None:
    x, box = triangular(6)
    edge_index, vectors = triangulate(x, box)[:2]
    assert (coordination(edge_index, torch.zeros(len(x)), 1) == 6).all()
    torch.testing.assert_close(hexatic_order(edge_index, vectors, len(x)), torch.ones(len(x)).double())
    x, box = fcc(3, 1.0)
    edge_index, vectors = neighbor_list(x, box, 1.3)
    assert (coordination(edge_index, torch.zeros(len(x)), 1) == 12).all()
    # Table I of Steinhardt et al.: fcc has q4 = 0.19094 and q6 = 0.57452, and so have their averages.
    for degree, value in ((4, 0.19094), (6, 0.57452)):
        for average in (False, True):
            result = steinhardt_order(edge_index, vectors, len(x), degree, average)
            torch.testing.assert_close(result, torch.full_like(result, value), atol=1e-5, rtol=0)


def test_a_particle_without_neighbours_has_no_order() -> None:
    none, x = torch.zeros(2, 0, dtype=torch.int64), torch.zeros(3, 2)
    assert hexatic_order(none, x[:0], 3).tolist() == [0, 0, 0]
    assert steinhardt_order(none, torch.zeros(0, 3), 3, 6, average=True).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("name", "side"), [("ka2d", 12), ("ka3d", 6)])
@pytest.mark.parametrize(("radius", "width"), [(2.0, 1.0), (1.5, 0.4)])
def test_local_density_is_that_of_freud(name: str, side: int, radius: float, width: float) -> None:
    x, _, box, mixture = liquid(name, side)
    density = freud.density.LocalDensity(radius, width).compute(freud_system(x, box)).density
    result = local_density(x, box, radius, width)
    np.testing.assert_allclose(result.numpy(), density, rtol=1e-5)
    assert result.std() > 0.02 * mixture.density


def test_coordination_by_species() -> None:
    x, species, box, _ = liquid("ka2d-ternary", 10)
    edge_index, _ = neighbor_list(x, box, 1.4)
    result = coordination(edge_index, species, 3)
    near = minimum_image(x[None] - x[:, None], box).norm(dim=-1) < 1.4
    near.fill_diagonal_(False)
    for kind in range(3):
        assert torch.equal(result[:, kind], (near & (species == kind)).sum(1))


def entropy_by_quadrature(system: System, particle: int, reach: float, width: float) -> float:
    """The definition, by scipy's adaptive quadrature and plain Python sums."""
    x, species, box, mixture = system
    others = torch.arange(len(x)) != particle
    r_ij = minimum_image(x - x[particle], box).norm(dim=-1)[others].numpy()
    kinds = species[others].numpy()
    volume, total = float(box.prod()), 0.0
    for b in range(mixture.num_species):
        density = int((species == b).sum()) / volume
        distances = r_ij[kinds == b]

        def integrand(r: float, density: float = density, distances: np.ndarray = distances) -> float:
            sphere = 2 * math.pi * r if mixture.dimension == 2 else 4 * math.pi * r * r
            bells = np.exp(-((r - distances) ** 2) / (2 * width**2)) / math.sqrt(2 * math.pi * width**2)
            g = bells.sum() / (density * sphere)
            return sphere * ((g * math.log(g) if g > 0 else 0.0) - g + 1)

        integral, _ = scipy.integrate.quad(integrand, 1e-9, reach, limit=400, epsabs=1e-6)
        total += -0.5 * density * integral
    return total


@pytest.mark.parametrize(("name", "side"), [("ka2d", 8), ("ka2d-ternary", 8), ("ka3d", 6)])
def test_entropy_against_quadrature(name: str, side: int) -> None:
    system = liquid(name, side)
    x, species, box, mixture = system
    result = two_body_entropy(x, species, box, mixture.num_species, reach=1.9, width=0.12)
    for particle in (0, len(x) // 2, len(x) - 1):
        expected = entropy_by_quadrature(system, particle, 1.9, 0.12)
        assert float(result[particle]) == pytest.approx(expected, rel=3e-4)


@pytest.mark.parametrize(("dimension", "kinds", "particles"), [(2, 1, 210), (2, 2, 420), (3, 1, 780)])
def test_entropy_of_an_ideal_gas_is_near_zero(dimension: int, kinds: int, particles: int) -> None:
    """What is left is the noise of a few neighbours: reach / (8 sqrt(pi) width) of each species."""
    generator = torch.Generator().manual_seed(dimension)
    x = 4.6 * torch.rand(particles, dimension, generator=generator, dtype=torch.float64)
    reach, width, box = 1.9, 0.1, torch.full((dimension,), 4.6, dtype=torch.float64)
    species = torch.randint(kinds, (len(x),), generator=generator)
    mean = float(two_body_entropy(x, species, box, kinds, reach, width).mean())
    # Shells that are a good part of the box fluctuate less, by their share of it.
    ball = math.pi * reach**2 if dimension == 2 else 4 / 3 * math.pi * reach**3
    spread = reach - 2 * math.sqrt(math.pi) * width * ball / 4.6**dimension
    assert mean == pytest.approx(-kinds * spread / (8 * math.sqrt(math.pi) * width), rel=0.1)


def test_entropy_of_crystals_is_far_below_that_of_a_gas() -> None:
    for x, box in (triangular(10, 1.0), fcc(5, 1.2)):
        species = torch.zeros(len(x), dtype=torch.int64)
        generator = torch.Generator().manual_seed(0)
        gas = torch.rand(x.shape, generator=generator, dtype=torch.float64) * box
        crystal = two_body_entropy(x, species, box, 1, 2.0, 0.1)
        assert crystal.std() < 1e-9
        assert float(crystal.mean()) < 2.5 * float(two_body_entropy(gas, species, box, 1, 2.0, 0.1).mean())


def steric_by_hand(system: System, particle: int) -> float:
    """Theta from the simplices of one particle and school geometry, without the library's vectors."""
    x, species, box, mixture = system
    corners = triangulate(x, box).corners
    misfits = []
    for row in corners[corners[:, 0] == particle].tolist():
        r = {
            (a, b): float(minimum_image(x[row[a]] - x[row[b]], box).norm())
            for a in range(len(row))
            for b in range(len(row))
        }
        s = {(a, b): mixture.sigma[int(species[row[a]])][int(species[row[b]])] for a, b in r}
        if mixture.dimension == 2:
            angle, reference = (
                math.acos((d[0, 1] ** 2 + d[0, 2] ** 2 - d[1, 2] ** 2) / (2 * d[0, 1] * d[0, 2]))
                for d in (r, s)
            )
            misfits.append(abs(angle - reference))
        else:
            pairs = list(itertools.combinations(range(4), 2))
            above = sum(abs(r[pair] - 2 ** (1 / 6) * s[pair]) for pair in pairs)
            misfits.append(above / sum(2 ** (1 / 6) * s[pair] for pair in pairs))
    return sum(misfits) / len(misfits)


@pytest.mark.parametrize(("name", "side"), [("ka2d", 9), ("ka2d-ternary", 9), ("ka3d", 6)])
def test_steric_order_against_geometry_by_hand(name: str, side: int) -> None:
    system = liquid(name, side)
    result = steric_order(*system)
    for particle in (0, 1, len(result) // 2, len(result) - 1):
        assert float(result[particle]) == pytest.approx(steric_by_hand(system, particle), rel=1e-9)


def test_triangular_crystal_is_perfect_whatever_its_spacing() -> None:
    for spacing in (0.9, 1.1):
        x, box = triangular(6, spacing)
        result = steric_order(x, torch.zeros(len(x), dtype=torch.int64), box, get_mixture("ka2d"))
        torch.testing.assert_close(result, torch.zeros_like(result), atol=1e-12, rtol=0)
    b_alone = steric_order(x, torch.ones(len(x), dtype=torch.int64), box, get_mixture("ka2d"))
    assert float(b_alone.max()) < 1e-12


def test_touching_tetrahedra_are_perfect() -> None:
    """Of fcc at contact, the tetrahedra are regular; octahedra are cut into four that are not."""
    x, box = fcc(3, math.sqrt(2.0) / CONTACT**3)
    species, mixture = torch.zeros(len(x), dtype=torch.int64), get_mixture("ka3d")
    found = triangulate(x, box)
    lengths = (found.spokes[:, :, None] - found.spokes[:, None]).norm(dim=-1)
    regular = (found.spokes.norm(dim=-1).amax(1) < 1.01 * CONTACT) & (lengths.amax((1, 2)) < 1.01 * CONTACT)
    assert torch.bincount(found.corners[regular, 0]).tolist() == [8] * len(x)
    only = found._replace(corners=found.corners[regular], spokes=found.spokes[regular])
    perfect = steric_order(x, species, box, mixture, triangulation=only)
    torch.testing.assert_close(perfect, torch.zeros_like(perfect), atol=1e-12, rtol=0)
    wider = steric_order(x, species, box, mixture, contact=CONTACT / 1.1, triangulation=only)
    torch.testing.assert_close(wider, torch.full_like(wider, 0.1))
    assert steric_order(x, species, box, mixture).min() > 0.02


PARAMETERS: dict[str, Callable[[Tensor, Tensor, Tensor, Mixture], Tensor]] = {
    "density": lambda x, s, box, m: local_density(x, box),
    "entropy": lambda x, s, box, m: two_body_entropy(x, s, box, m.num_species, 1.9, 0.12),
    "steric": steric_order,
    "bonds": lambda x, s, box, m: (
        hexatic_order if m.dimension == 2 else lambda *a: steinhardt_order(*a, 6, True)
    )(*triangulate(x, box)[:2], len(x)),
}


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize(("mixture", "side"), [("ka2d", 9), ("ka3d", 6)])
def test_invariances(name: str, mixture: str, side: int) -> None:
    """Exchange of axes (a rotation or reflection), images, translation, order, and a tilted cell."""
    x, species, box, kind = liquid(mixture, side)
    function, dimension = PARAMETERS[name], kind.dimension
    reference = function(x, species, box, kind)
    assert reference.std() > 1e-3
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(-2, 3, x.shape, generator=generator) * box
    order = torch.randperm(len(x), generator=generator)
    turned = x.flip(-1) * torch.tensor([-1.0, *[1.0] * (dimension - 1)])
    same = [
        function(turned, species, box, kind),
        function(x + 0.37 + images, species, box, kind),
        function(x, species, torch.cat([box, torch.zeros(dimension * (dimension - 1) // 2)]), kind),
        function(x, species, torch.cat([box, box[:1], torch.zeros(2 if dimension == 3 else 0)]), kind),
    ]
    for result in same:
        torch.testing.assert_close(result, reference)
    torch.testing.assert_close(function(x[order], species[order], box, kind), reference[order])


@pytest.mark.parametrize("dimension", [2, 3])
def test_any_rotation_of_the_neighbours(dimension: int) -> None:
    x, species, box, mixture = liquid("ka2d" if dimension == 2 else "ka3d", 9 if dimension == 2 else 6)
    generator = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(dimension, dimension, generator=generator, dtype=torch.float64)).Q
    found = triangulate(x, box)
    turned = found._replace(vectors=found.vectors @ turn, spokes=found.spokes @ turn)
    results = []
    for one in (found, turned):
        results.append([steric_order(x, species, box, mixture, triangulation=one)])
        if dimension == 2:
            results[-1].append(hexatic_order(one.edge_index, one.vectors, len(x)))
        else:
            results[-1].append(steinhardt_order(one.edge_index, one.vectors, len(x), 4))
            results[-1].append(steinhardt_order(one.edge_index, one.vectors, len(x), 6, True))
    for before, after in zip(*results, strict=True):
        torch.testing.assert_close(before, after)


def test_bad_input_is_refused() -> None:
    x, species, box, mixture = liquid("ka2d", 9)
    with pytest.raises(DataError, match="two dimensions"):
        hexatic_order(torch.zeros(2, 1, dtype=torch.int64), torch.ones(1, 3), 1)
    with pytest.raises(DataError, match="three dimensions"):
        steinhardt_order(torch.zeros(2, 1, dtype=torch.int64), torch.ones(1, 2), 1, 6)
    with pytest.raises(ConfigError, match="at least 1"):
        hexatic_order(torch.zeros(2, 1, dtype=torch.int64), torch.ones(1, 2), 1, 0)
    with pytest.raises(ConfigError, match="width of the edge"):
        local_density(x, box, 1.0, 2.5)
    with pytest.raises(ConfigError, match="width above 0"):
        two_body_entropy(x, species, box, 2, 1.0, 0.0)
    with pytest.raises(ConfigError, match="half the shortest box edge"):
        two_body_entropy(x, species, box, 2, 4.0, 0.1)
    with pytest.raises(DataError, match="species 0 to 1"):
        steric_order(x, species + 1, box, mixture)
    with pytest.raises(DataError, match="needs positions"):
        steric_order(x, species, box, get_mixture("ka3d"))
