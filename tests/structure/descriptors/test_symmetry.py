"""Symmetry functions against their definition, triplet by triplet, and their invariances."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.physics.box import minimum_image
from gensample.physics.mixtures import Mixture, get_mixture
from gensample.structure.descriptors.symmetry import ANGULAR, symmetry_functions, symmetry_names

System = tuple[Tensor, Tensor, Tensor, Mixture]


def liquid(name: str, side: int) -> System:
    mixture, generator = get_mixture(name), torch.Generator().manual_seed(0)
    grid = torch.cartesian_prod(*[torch.arange(side, dtype=torch.float64)] * mixture.dimension)
    edge = 1.02 * max(mixture.edge_length(len(grid)), 9.4)
    x = grid * edge / side + 0.1 * torch.randn(grid.shape, generator=generator, dtype=torch.float64)
    species = mixture.species(len(x))[torch.randperm(len(x), generator=generator)]
    return x, species, torch.full((mixture.dimension,), edge, dtype=torch.float64), mixture


@pytest.fixture(
    scope="module", params=[("ka3d-fs", 7), ("ka2d", 11), ("ka2d-ternary", 11)], ids=lambda p: p[0]
)
def system(request: pytest.FixtureRequest) -> System:
    return liquid(*request.param)


@pytest.fixture(scope="module")
def found(system: System) -> Tensor:
    return symmetry_functions(*system)


def brute(system: System, particle: int) -> dict[str, float]:
    """In plain numbers, one pair of neighbours after another."""
    x, species, box, mixture = system
    vectors = minimum_image(x - x[particle], box)
    others = [j for j in range(len(x)) if j != particle]
    distance = vectors.norm(dim=-1).tolist()
    result = dict.fromkeys(symmetry_names(mixture), 0.0)
    for j in others:
        if distance[j] < 4.7:
            t = min(max((distance[j] - 4.4) / 0.3, 0.0), 1.0)
            for k in range(1, 48):
                term = (1 - 3 * t**2 + 2 * t**3) * math.exp(-((distance[j] - 0.1 * k) ** 2) / 0.02)
                result[f"radial_{'ABC'[species[j]]}_{0.1 * k:.1f}"] += term
    near = [j for j in others if distance[j] < 2.5]
    for j, k in itertools.combinations(near, 2):
        squares = distance[j] ** 2 + distance[k] ** 2 + float((vectors[j] - vectors[k]).square().sum())
        cosine = float(vectors[j] @ vectors[k]) / (distance[j] * distance[k])
        letters = "".join(sorted("ABC"[species[j]] + "ABC"[species[k]]))
        for xi, several in ANGULAR.items():
            for sign, zeta in several:
                term = math.exp(-squares / xi**2) * (1 + sign * cosine) ** zeta
                result[f"angular_{letters}_{xi:g}_{sign:+d}_{zeta}"] += term
    return result


def test_by_brute_force(system: System, found: Tensor) -> None:
    for particle in (0, len(system[0]) // 2):
        expected = brute(system, particle)
        got = dict(zip(symmetry_names(system[3]), found[particle].tolist(), strict=True))
        assert got == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_names_and_the_published_table(system: System, found: Tensor) -> None:
    names = symmetry_names(system[3])
    assert found.shape == (len(system[0]), len(names))
    assert len(set(names)) == len(names)
    # Table of Cubuk et al.: 22 angular functions for each pair of species.
    assert sum(len(several) for several in ANGULAR.values()) == 22
    assert len(symmetry_names(get_mixture("ka3d"))) == 2 * 47 + 3 * 22


def test_three_particles_by_hand() -> None:
    """An equilateral triangle of side 1: one pair of neighbours, at 60 degrees."""
    mixture = get_mixture("ka2d")
    x = torch.tensor([[5.0, 5.0], [6.0, 5.0], [5.5, 5.0 + math.sqrt(0.75)]], dtype=torch.float64)
    box = torch.tensor([12.0, 12.0], dtype=torch.float64)
    found = symmetry_functions(x, torch.tensor([0, 0, 1]), box, mixture)
    names = symmetry_names(mixture)
    value = lambda particle, name: float(found[particle, names.index(name)])  # noqa: E731
    decay = math.exp(-3 / 0.695**2)
    assert value(0, "angular_AB_0.695_+1_16") == pytest.approx(decay * 1.5**16)
    assert value(0, "angular_AA_0.695_+1_16") == 0
    assert value(2, "angular_AA_0.695_+1_16") == pytest.approx(decay * 1.5**16)
    assert value(2, "angular_AA_2.554_-1_2") == pytest.approx(math.exp(-3 / 2.554**2) * 0.25)
    assert value(0, "radial_A_1.0") == pytest.approx(1)
    assert value(0, "radial_B_1.1") == pytest.approx(math.exp(-0.5))


@pytest.mark.parametrize("name", ["ka3d-fs", "ka2d"])
def test_any_rotation_of_a_cluster(name: str) -> None:
    mixture, generator = get_mixture(name), torch.Generator().manual_seed(5)
    d = mixture.dimension
    grid = torch.cartesian_prod(*[torch.arange(-2, 3, dtype=torch.float64)] * d)
    x = 1.05 * grid + 0.1 * torch.randn(grid.shape, generator=generator, dtype=torch.float64)
    species = mixture.species(len(x))[torch.randperm(len(x), generator=generator)]
    box = torch.full((d,), 30.0, dtype=torch.float64)
    matrix = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64)).Q
    turned = symmetry_functions(x @ matrix.T, species, box, mixture)
    torch.testing.assert_close(turned, symmetry_functions(x, species, box, mixture), rtol=1e-9, atol=1e-9)


def test_exchange_of_like_particles_and_translation(system: System, found: Tensor) -> None:
    x, species, box, mixture = system
    generator = torch.Generator().manual_seed(1)
    like = (species == 0).nonzero().squeeze(-1)
    exchanged = torch.arange(len(x))
    exchanged[like] = like[torch.randperm(len(like), generator=generator)]
    moved = symmetry_functions(x[exchanged] + 0.37, species, box, mixture)
    torch.testing.assert_close(moved, found[exchanged], rtol=1e-8, atol=1e-8)


def test_bad_input_is_refused() -> None:
    x, species, box, mixture = liquid("ka2d", 11)
    with pytest.raises(ConfigError, match="half the shortest box edge"):
        symmetry_functions(x, species, 0.8 * box, mixture)
    with pytest.raises(DataError, match="species 0 to 1"):
        symmetry_functions(x, species + 1, box, mixture)
