"""Invariances, a brute-force reference, continuity, and the constant set of columns."""

import math

import pytest
import scipy.special
import torch
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.physics.box import minimum_image
from gensample.physics.mixtures import Mixture, get_mixture
from gensample.physics.potentials import energy
from gensample.structure.descriptors import invariants as descriptors
from gensample.structure.descriptors.invariants import invariant_names, invariants

System = tuple[Tensor, Tensor, Tensor, Mixture]


def liquid(name: str, side: int, seed: int = 0) -> System:
    """A disturbed lattice in a box just wide enough for the descriptors, species shuffled.

    In 3D thinner than the mixture, to keep the tests short.
    """
    mixture, generator = get_mixture(name), torch.Generator().manual_seed(seed)
    grid = torch.cartesian_prod(*[torch.arange(side, dtype=torch.float64)] * mixture.dimension)
    edge = 1.05 * max(mixture.edge_length(len(grid)), 10.0)
    x = grid * edge / side + 0.1 * torch.randn(grid.shape, generator=generator, dtype=torch.float64)
    species = mixture.species(len(x))[torch.randperm(len(x), generator=generator)]
    return x, species, torch.full((mixture.dimension,), edge, dtype=torch.float64), mixture


@pytest.fixture(
    scope="module", params=[("ka3d-fs", 8), ("ka2d", 12), ("ka2d-ternary", 12)], ids=lambda p: p[0]
)
def system(request: pytest.FixtureRequest) -> System:
    return liquid(*request.param)


@pytest.fixture(scope="module")
def reference(system: System) -> Tensor:
    return invariants(*system)


def assert_same(result: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(result, expected, rtol=1e-3, atol=2e-4)


def test_names_fit_the_columns(system: System, reference: Tensor) -> None:
    names = invariant_names(system[3])
    assert reference.shape == (len(system[0]), len(names))
    assert reference.dtype == torch.float32
    assert len(set(names)) == len(names)
    assert torch.isfinite(reference).all()
    varies = reference.std(0) > 0
    constant = {name for name, v in zip(names, varies.tolist(), strict=True) if not v}
    # Nothing sits at 0.7 sigma in a liquid; the cage distance was not given.
    assert all("cage_distance" in name or "_0.7" in name for name in constant)


def test_rotation_by_a_right_angle_and_reflection(system: System, reference: Tensor) -> None:
    x, species, box, mixture = system
    order = [1, 0] if mixture.dimension == 2 else [2, 1, 0]
    rotation = torch.tensor([-1.0, *[1.0] * (mixture.dimension - 1)], dtype=torch.float64)
    assert_same(invariants(x[:, order] * rotation, species, box, mixture), reference)
    assert_same(invariants(x * rotation, species, box, mixture), reference)


def test_translation_wrapping_and_permutation(system: System, reference: Tensor) -> None:
    x, species, box, mixture = system
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(-2, 3, x.shape, generator=generator) * box
    assert_same(invariants(x + 0.37 + images, species, box, mixture), reference)
    order = torch.randperm(len(x), generator=generator)
    assert_same(invariants(x[order], species[order], box, mixture), reference[order])


def test_distinguishes_species_and_structure(system: System, reference: Tensor) -> None:
    x, species, box, mixture = system
    other = species.clone()
    other[[int((species == 0).nonzero()[0]), int((species == 1).nonzero()[0])]] = torch.tensor([1, 0])
    assert (invariants(x, other, box, mixture) - reference).abs().max() > 0.1
    moved = x.clone()
    moved[0] += 0.2
    assert (invariants(moved, species, box, mixture) - reference)[0].abs().max() > 0.1


def smooth_step(t: float) -> float:
    t = min(max(t, -1.0), 1.0)
    return 0.5 - 0.25 * t * (3 - t * t)


def brute_order(vectors: Tensor, weights: Tensor, degree: int) -> float:
    """Norm of the weighted sum of angular functions from pairs of neighbours, by the addition theorem."""
    unit = vectors / vectors.norm(dim=-1, keepdim=True)
    cosine = (unit @ unit.T).clamp(-1, 1).numpy()
    if vectors.shape[1] == 2:
        kernel = scipy.special.eval_chebyt(degree, cosine)
    else:
        kernel = scipy.special.eval_legendre(degree, cosine)
    return math.sqrt(max(float(weights @ torch.tensor(kernel) @ weights), 0.0))


def brute_own(system: System, particle: int, cage: Tensor) -> dict[str, float]:
    """The columns before averaging of one particle, from all other particles and the definitions."""
    x, species, box, mixture = system
    others = torch.arange(len(x)) != particle
    vectors, kinds = minimum_image(x - x[particle], box)[others], species[others]
    r = vectors.norm(dim=-1)
    edge = torch.tensor([smooth_step((d - 5.0 + 0.15) / 0.15) for d in r.tolist()], dtype=torch.float64)
    inner = [
        torch.tensor([smooth_step((d - b) / 0.15) for d in r.tolist()], dtype=torch.float64)
        for b in descriptors.BOUNDARIES
    ]
    shells = [inner[0], inner[1] - inner[0], inner[2] - inner[1]]
    result = {
        "energy": float(energy(x, species, box, mixture)[particle]),
        "cage_distance": float(cage[particle]),
    }
    for kind, letter in enumerate("ABC"[: mixture.num_species]):
        chosen = kinds == kind
        for centre, width in descriptors.SHELLS:
            density = (edge * torch.exp(-0.5 * ((r - centre) / width) ** 2))[chosen].sum()
            result[f"density_{letter}_{centre:.1f}"] = float(density)
        for k, weight in enumerate(shells):
            for degree in range(2, 9):
                norm = brute_order(vectors[chosen], weight[chosen], degree)
                result[f"order_{letter}_shell{k + 1}_{degree}"] = norm / float(weight.sum())
    return result


def test_own_columns_against_brute_force(system: System) -> None:
    x, species, box, mixture = system
    cage = torch.rand(len(x), generator=torch.Generator().manual_seed(3))
    result, names = invariants(x, species, box, mixture, cage), invariant_names(mixture)
    for particle in (0, len(x) // 2, len(x) - 1):
        expected = brute_own(system, particle, cage)
        got = {name: float(result[particle, names.index(name)]) for name in expected}
        assert got == pytest.approx(expected, rel=2e-3, abs=2e-3)
        assert len(expected) == names.index("mean_A_1(" + names[0] + ")")


def test_neighbor_means_against_brute_force(system: System) -> None:
    x, species, box, mixture = system
    cage = torch.rand(len(x), generator=torch.Generator().manual_seed(3))
    result, names = invariants(x, species, box, mixture, cage), invariant_names(mixture)
    own = names.index("mean_A_1(" + names[0] + ")")
    for particle in (1, len(x) - 2):
        r = minimum_image(x - x[particle], box).norm(dim=-1)
        edge = torch.tensor([smooth_step((d - 5.0 + 0.15) / 0.15) for d in r.tolist()], dtype=torch.float64)
        edge[particle] = 0
        block = own
        for kind in range(mixture.num_species):
            for length in (1.0, 2.0):
                weight = edge * torch.exp(-r / length) * (species == kind)
                mean = (weight[:, None] * result[:, :own].double()).sum(0) / weight.sum()
                torch.testing.assert_close(
                    result[particle, block : block + own].double(), mean, rtol=1e-4, atol=1e-5
                )
                block += own
        assert block == len(names)


def test_no_column_jumps_when_particles_move_a_little(system: System, reference: Tensor) -> None:
    """Pairs cross every boundary; a sharp cut-off anywhere would show as a jump of a whole neighbour."""
    x, species, box, mixture = system
    step = 1e-4 * torch.randn(x.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    # The energy is smooth as well, but steep where two particles of a disturbed lattice nearly touch.
    gentle = torch.tensor(["energy" not in name for name in invariant_names(mixture)])
    change = (invariants(x + step, species, box, mixture) - reference)[:, gentle].abs()
    assert change.max() < 0.02


def test_batch_is_each_configuration_on_its_own() -> None:
    x, species, box, mixture = liquid("ka2d", 12)
    y, other, _, _ = liquid("ka2d", 12, seed=1)
    boxes, cages = (
        torch.stack([box, 1.05 * box]),
        torch.rand(2, len(x), generator=torch.Generator().manual_seed(0)),
    )
    batch = invariants(torch.stack([x, y]), torch.stack([species, other]), boxes, mixture, cages)
    assert torch.equal(batch[0], invariants(x, species, boxes[0], mixture, cages[0]))
    assert torch.equal(batch[1], invariants(y, other, boxes[1], mixture, cages[1]))
    shared = invariants(torch.stack([x, y]), species, box, mixture)
    assert torch.equal(shared[1], invariants(y, species, box, mixture))


def test_the_set_of_columns_is_constant() -> None:
    assert invariant_names(get_mixture("ka3d")) == invariant_names(get_mixture("ka3d-fs"))
    assert len(invariant_names(get_mixture("ka3d"))) == 520
    assert len(invariant_names(get_mixture("ka2d"))) == 520
    assert len(invariant_names(get_mixture("ka2d-ternary"))) == 155 * 7


def test_bad_input_is_refused() -> None:
    x, species, box, mixture = liquid("ka2d", 12)
    with pytest.raises(DataError, match="cage distances"):
        invariants(x, species, box, mixture, torch.zeros(3))
    with pytest.raises(ConfigError, match="half the shortest box edge"):
        invariants(x, species, 0.8 * box, mixture)
    with pytest.raises(DataError, match="species"):
        invariants(x, species + 1, box, mixture)
