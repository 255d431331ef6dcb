"""Recursive descriptors against their definition, pair by pair, and their invariances."""

import math

import pytest
import scipy.special
import torch
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.physics.box import minimum_image
from gensample.physics.mixtures import Mixture, get_mixture
from gensample.structure.descriptors import recursive as module
from gensample.structure.descriptors.recursive import recursive, recursive_names

System = tuple[Tensor, Tensor, Tensor, Mixture]


def liquid(name: str, side: int, seed: int = 0) -> System:
    """A disturbed lattice in a box just wide enough for the descriptors, species shuffled."""
    mixture, generator = get_mixture(name), torch.Generator().manual_seed(seed)
    grid = torch.cartesian_prod(*[torch.arange(side, dtype=torch.float64)] * mixture.dimension)
    edge = 1.02 * max(mixture.edge_length(len(grid)), 2 * module.RANGE)
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
    return recursive(*system)


def around(system: System, particle: int) -> tuple[Tensor, Tensor]:
    x, species, box, _ = system
    others = torch.arange(len(x)) != particle
    return minimum_image(x - x[particle], box)[others], species[others]


def angular_norm(vectors: Tensor, weights: Tensor, degree: int) -> float:
    """From the addition theorem, without spherical harmonics: sum_jk w_j w_k P_l(cos) (Fourier: T_l)."""
    unit = vectors / vectors.norm(dim=-1, keepdim=True)
    cosine = (unit @ unit.T).clamp(-1, 1).numpy()
    kernel = scipy.special.eval_chebyt if vectors.shape[1] == 2 else scipy.special.eval_legendre
    square = weights @ torch.from_numpy(kernel(degree, cosine)) @ weights
    return math.sqrt(max(float(square), 0.0)) / max(float(weights.sum()), 1e-3)


def test_generation_0_by_brute_force(system: System, found: Tensor) -> None:
    names, mixture = recursive_names(system[3]), system[3]
    for particle in (0, len(system[0]) // 2):
        vectors, kinds = around(system, particle)
        r = vectors.norm(dim=-1)
        t = ((r - 4.4) / 0.3).clamp(0, 1)
        fade = 1 - 3 * t**2 + 2 * t**3
        expected = {}
        for kind, letter in enumerate("ABC"[: mixture.num_species]):
            for shells in module.RADIAL:
                for k in range(shells.count):
                    centre = shells.first + k * shells.spacing
                    terms = fade * torch.exp(-((r - centre) ** 2) / (2 * shells.spacing**2))
                    expected[f"radial_{letter}_{centre:.3f}_0"] = float(terms[kinds == kind].sum())
        for k in range(16):
            weight = torch.exp(-((r - 1 - 0.1 * k) ** 2) / 0.02)
            for degree in range(1, 13):
                expected[f"angular_{1 + 0.1 * k:.1f}_{degree}_0"] = angular_norm(vectors, weight, degree)
        got = {name: float(found[particle, names.index(name)]) for name in expected}
        assert got == pytest.approx(expected, rel=1e-4, abs=2e-5)
        assert len(expected) == (len(names) - 1) // 3


def test_generations_are_weighted_means_about_each_particle(system: System, found: Tensor) -> None:
    x, _, box, _ = system
    apart = minimum_image(x[:, None] - x, box).norm(dim=-1)
    weight = torch.exp(-apart / 2.1) * (apart < 2.1)
    mean = weight / weight.sum(1, keepdim=True)
    own, first, second, cage = found.split([(found.shape[1] - 1) // 3] * 3 + [1], 1)
    torch.testing.assert_close(first, mean @ own)
    torch.testing.assert_close(second, mean @ (mean @ own))
    assert cage.abs().max() == 0


def test_names_fit_the_columns(system: System, found: Tensor) -> None:
    names = recursive_names(system[3])
    assert found.shape == (len(system[0]), len(names))
    assert found.dtype == torch.float64
    assert len(set(names)) == len(names)
    assert found.isfinite().all()
    assert len(recursive_names(get_mixture("ka3d"))) == 3 * (2 * 90 + 16 * 12) + 1


def test_the_distance_to_the_cage_is_the_last_column(system: System, found: Tensor) -> None:
    distance = torch.rand(len(system[0]), generator=torch.Generator().manual_seed(0))
    other = recursive(*system, cage_distance=distance)
    assert torch.equal(other[:, :-1], found[:, :-1])
    assert torch.equal(other[:, -1].float(), distance)


def rotated(x: Tensor, seed: int) -> Tensor:
    """About the middle of a cluster, by an orthogonal matrix; a reflection for odd seeds."""
    generator = torch.Generator().manual_seed(seed)
    d = x.shape[1]
    matrix = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64)).Q
    if float(torch.linalg.det(matrix)) * (-1) ** seed < 0:
        matrix[:, 0] *= -1
    return x @ matrix.T


@pytest.mark.parametrize("name", ["ka3d-fs", "ka2d"])
@pytest.mark.parametrize("seed", [0, 1])
def test_any_rotation_or_reflection_of_a_cluster(name: str, seed: int) -> None:
    """A cluster alone in a wide box can be turned by any angle."""
    mixture = get_mixture(name)
    generator = torch.Generator().manual_seed(5)
    grid = torch.cartesian_prod(*[torch.arange(-2, 3, dtype=torch.float64)] * mixture.dimension)
    x = 1.05 * grid + 0.1 * torch.randn(grid.shape, generator=generator, dtype=torch.float64)
    species = mixture.species(len(x))[torch.randperm(len(x), generator=generator)]
    box = torch.full((mixture.dimension,), 30.0, dtype=torch.float64)
    torch.testing.assert_close(
        recursive(rotated(x, seed), species, box, mixture),
        recursive(x, species, box, mixture),
        rtol=1e-9,
        atol=1e-9,
    )


def test_translation_wrapping_and_exchange_of_like_particles(system: System, found: Tensor) -> None:
    x, species, box, mixture = system
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(-2, 3, x.shape, generator=generator) * box
    moved = recursive(x + 0.37 + images, species, box, mixture)
    torch.testing.assert_close(moved, found, rtol=1e-8, atol=1e-8)
    order = torch.randperm(len(x), generator=generator)
    shuffled = recursive(x[order], species[order], box, mixture)
    torch.testing.assert_close(shuffled, found[order], rtol=1e-9, atol=1e-9)
    like = (species == 0).nonzero().squeeze(-1)
    exchanged = torch.arange(len(x))
    exchanged[like] = like[torch.randperm(len(like), generator=generator)]
    torch.testing.assert_close(
        recursive(x[exchanged], species, box, mixture), found[exchanged], rtol=1e-9, atol=1e-9
    )


def test_radial_columns_see_species_and_angular_ones_do_not(system: System, found: Tensor) -> None:
    x, species, box, mixture = system
    other = species.clone()
    other[7] = (species[7] + 1) % mixture.num_species
    names = recursive_names(mixture)
    angular = torch.tensor([name.startswith("angular") for name in names])
    changed = recursive(x, other, box, mixture)
    torch.testing.assert_close(changed[:, angular], found[:, angular])
    radial = torch.tensor([name.startswith("radial") and name.endswith("_0") for name in names])
    assert (changed - found)[:, radial].abs().max() > 0.5


def test_columns_of_generation_0_do_not_jump(system: System, found: Tensor) -> None:
    """Pairs cross RANGE and the ends of the shells; a sharp cut would show as a whole neighbour."""
    x, species, box, mixture = system
    step = 1e-5 * torch.randn(x.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    own = (found.shape[1] - 1) // 3
    assert (recursive(x + step, species, box, mixture) - found)[:, :own].abs().max() < 5e-3


def test_a_lonely_particle_has_zeros() -> None:
    mixture = get_mixture("ka2d")
    x = torch.tensor([[1.0, 1.0], [14.0, 14.0]], dtype=torch.float64)
    box = torch.tensor([30.0, 30.0], dtype=torch.float64)
    assert recursive(x, torch.tensor([0, 1]), box, mixture).abs().max() == 0


def test_bad_input_is_refused() -> None:
    x, species, box, mixture = liquid("ka2d", 11)
    with pytest.raises(ConfigError, match="half the shortest box edge"):
        recursive(x, species, 0.8 * box, mixture)
    with pytest.raises(DataError, match="species 0 to 1, got 1 to 2"):
        recursive(x, species + 1, box, mixture)
