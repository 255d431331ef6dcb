import pytest
import torch

from gensample.errors import ConfigError
from gensample.physics.listed_forces import CLOSEST, ListedForces, reduced_potential
from gensample.physics.mixtures import MIXTURES, TRUNCATIONS, get_mixture
from gensample.physics.potentials import energy_forces_virial, pair_potential


def batch(mixture, side, count=3, seed=0):
    """Disturbed lattices in boxes of their own, and species: positions (C, N, d), (N,), (C, d)."""
    generator = torch.Generator().manual_seed(seed)
    grid = torch.cartesian_prod(*[torch.arange(side, dtype=torch.float64)] * mixture.dimension)
    boxes = mixture.edge_length(len(grid)) * torch.tensor([1.0, 1.05, 1.1]).double()[:count, None]
    boxes = boxes.expand(count, mixture.dimension)
    noise = torch.randn(count, *grid.shape, generator=generator, dtype=torch.float64)
    species = mixture.species(len(grid))[torch.randperm(len(grid), generator=generator)]
    return grid * boxes[:, None] / side + 0.1 * noise, species, boxes


def columns(positions):
    return positions.permute(2, 0, 1).contiguous()


def assert_right(forces, positions, species, boxes, mixture, truncation):
    expected = energy_forces_virial(positions, species, boxes, mixture, truncation)
    total, force = forces(columns(positions))
    torch.testing.assert_close(total, expected.energy.sum(1), rtol=1e-12, atol=1e-9)
    torch.testing.assert_close(force.permute(1, 2, 0), expected.forces, rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("truncation", TRUNCATIONS)
@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize("size", ["list", "all pairs"])
def test_agrees_with_the_reference(name, truncation, size):
    mixture = get_mixture(name)
    side = {("list", 2): 8, ("list", 3): 7, ("all pairs", 2): 6, ("all pairs", 3): 6}[size, mixture.dimension]
    positions, species, boxes = batch(mixture, side)
    skin = 0.2 if size == "list" else 1.0
    forces = ListedForces(species, boxes, mixture, truncation, skin)
    assert_right(forces, positions, species, boxes, mixture, truncation)


@pytest.mark.parametrize("skin", [0.4, 2.0])
def test_the_list_is_made_again_when_needed_and_not_before(skin):
    """Small moves keep it, large ones and lattice vectors are seen; the answer is always right."""
    mixture = get_mixture("ka2d")
    positions, species, boxes = batch(mixture, 8)
    forces = ListedForces(species, boxes, mixture, None, skin)
    assert_right(forces, positions, species, boxes, mixture, None)
    moved = positions + 0.19 / 2**0.5
    moved[1] += 5 * boxes[1]
    assert_right(forces, moved, species, boxes, mixture, None)
    assert forces.builds == 1
    moved[2, 3] += 0.1
    assert_right(forces, moved, species, boxes, mixture, None)
    assert forces.builds == (2 if skin == 0.4 else 1)


def test_a_reserve_is_drawn_on_until_a_particle_has_moved_half_of_it():
    """The same forces, to the last bit, as from lists made at every step."""
    mixture = get_mixture("ka2d")
    positions, species, boxes = batch(mixture, 9)
    forces = ListedForces(species, boxes, mixture, None, 0.1, reserve=0.6)
    generator = torch.Generator().manual_seed(1)
    moved = positions.clone()
    for step in range(7):
        fresh = ListedForces(species, boxes, mixture, None, 0.4)(columns(moved))
        assert all(map(torch.equal, forces(columns(moved)), fresh))
        assert torch.equal(forces.forces(columns(moved)), fresh[1])
        assert forces.builds == (1 if step < 4 else 2), step
        moved += 0.05 * (1 + 0.4 * torch.rand(moved.shape, generator=generator))
    moved[0, 2] -= boxes[0]
    assert_right(forces, moved, species, boxes, mixture, None)
    assert forces.builds == 3


def test_going_on_with_some_configurations():
    mixture = get_mixture("ka2d")
    positions, species, boxes = batch(mixture, 8)
    forces = ListedForces(species, boxes, mixture, None, 0.3)
    before = forces(columns(positions))[1]
    chosen = torch.tensor([True, False, True])
    forces.take(chosen)
    assert_right(forces, positions[chosen], species, boxes[chosen], mixture, None)
    assert torch.equal(forces(columns(positions[chosen]))[1], before[:, chosen])


@pytest.mark.parametrize("truncation", TRUNCATIONS)
def test_reduced_form(truncation):
    """Against the formulas of `potentials`; huge and finite at contact, exactly zero beyond the cut-off."""
    potential = reduced_potential(get_mixture("ka2d"), truncation)
    q = torch.linspace(0.3, 2.6, 231, dtype=torch.float64)
    value, slope = pair_potential(q, torch.ones(()), torch.ones(()), get_mixture("ka2d"), truncation)
    energy, ratio = potential.energy_and_slope(q**2)
    torch.testing.assert_close(energy, value, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(ratio * q, slope, rtol=1e-12, atol=1e-13)
    assert (energy[q > 2.5] == 0).all()
    assert (ratio[q > 2.5] == 0).all()
    energy, ratio = potential.energy_and_slope(torch.tensor([0.0, CLOSEST**2]).double())
    assert torch.isfinite(energy).all()
    assert torch.isfinite(ratio).all()
    assert (energy > 1e24).all()


def test_unknown_truncation():
    with pytest.raises(ConfigError, match=r"unknown truncation 'cut'.*force-shift"):
        reduced_potential(get_mixture("ka2d"), "cut")
