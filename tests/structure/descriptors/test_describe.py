"""Sets of descriptors by name, side by side."""

import dataclasses

import pytest
import torch

from gensample.errors import ConfigError
from gensample.physics.mixtures import get_mixture
from gensample.structure.descriptors import SETS, descriptor_columns, descriptor_names
from gensample.structure.descriptors.invariants import invariants
from gensample.structure.descriptors.recursive import recursive
from gensample.structure.descriptors.symmetry import symmetry_functions
from gensample.structure.particles import DescriptorSet, Particles

LEVELS = [(0.5, 1.0), (0.5, 10.0), (0.8, 1.0), (0.8, 10.0)]


@pytest.fixture(scope="module")
def structure() -> Particles:
    mixture, generator = get_mixture("ka2d"), torch.Generator().manual_seed(0)
    grid = torch.cartesian_prod(*[torch.arange(11, dtype=torch.float64)] * 2)
    x = 0.95 * grid + 0.1 * torch.randn(grid.shape, generator=generator, dtype=torch.float64)
    vector = 0.1 * torch.randn(x.shape, generator=generator)
    box = torch.tensor([10.45, 10.45], dtype=torch.float64)
    probe = 0.1 + torch.rand(2, len(x), len(LEVELS), generator=generator)
    runs = (vector, torch.ones(len(x)))
    return Particles(x, mixture.species(len(x)), box, mixture, vector, runs, (probe[0].log(), probe[1]))


def test_every_set_has_a_name_for_each_column(structure: Particles) -> None:
    for name in SETS:
        found = descriptor_columns(structure, [name])
        names = descriptor_names(structure.mixture, [name], LEVELS)
        assert found.shape == (len(structure.positions), len(names))
        assert found.dtype == torch.float32
        assert len(set(names)) == len(names)
        assert all(column.startswith(f"{name}/") for column in names)


def test_sets_are_side_by_side_in_the_order_asked_for(structure: Particles) -> None:
    of = (structure.positions, structure.species, structure.box, structure.mixture)
    distance = structure.cage_vector.double().norm(dim=-1)
    expected = [recursive(*of, distance), symmetry_functions(*of), invariants(*of, distance)]
    found = descriptor_columns(structure, ["recursive", "symmetry", "invariants"])
    assert torch.equal(found, torch.cat([x.float() for x in expected], 1))
    names = descriptor_names(structure.mixture, ["recursive", "symmetry", "invariants"])
    assert len(names) == found.shape[1]
    assert names[expected[0].shape[1]] == "symmetry/radial_A_0.1"


def test_recursive_ends_in_the_length_of_the_cage_vector(structure: Particles) -> None:
    assert descriptor_names(structure.mixture, ["recursive"])[-1] == "recursive/cage_distance"
    torch.testing.assert_close(
        descriptor_columns(structure, ["recursive"])[:, -1], structure.cage_vector.norm(dim=-1)
    )


def test_recursive_positions_leave_the_cage_out(structure: Particles) -> None:
    found = descriptor_columns(structure, ["recursive-positions"])
    assert torch.equal(found, descriptor_columns(structure, ["recursive"])[:, :-1])
    without = dataclasses.replace(structure, cage_vector=0 * structure.cage_vector)
    assert torch.equal(found, descriptor_columns(without, ["recursive-positions"]))
    assert not torch.equal(
        descriptor_columns(structure, ["recursive"]), descriptor_columns(without, ["recursive"])
    )


def test_an_unknown_set_is_refused(structure: Particles) -> None:
    with pytest.raises(ConfigError, match="got 'nonesuch'") as refusal:
        descriptor_columns(structure, ["nonesuch"])
    assert all(name in str(refusal.value) for name in SETS)
    with pytest.raises(ConfigError, match="nonesuch"):
        descriptor_names(structure.mixture, ["recursive", "nonesuch"])


def test_a_set_from_outside_is_an_entry(structure: Particles, monkeypatch: pytest.MonkeyPatch) -> None:
    own = DescriptorSet(lambda mixture, levels: ["x"], lambda of: of.positions[:, :1])
    monkeypatch.setitem(SETS, "mine", own)
    assert descriptor_names(structure.mixture, ["mine"]) == ["mine/x"]
    torch.testing.assert_close(descriptor_columns(structure, ["mine"]), structure.positions[:, :1].float())
