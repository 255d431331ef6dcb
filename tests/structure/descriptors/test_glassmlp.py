"""Descriptors of GlassMLP and of mechanics against sums by hand, and their symmetries."""

import pytest
import torch

from gensample.physics.mixtures import get_mixture
from gensample.physics.neighbors import neighbor_list
from gensample.physics.potentials import energy
from gensample.structure.descriptors import descriptor_columns, descriptor_names
from gensample.structure.descriptors.glassmlp import LENGTHS, glassmlp_descriptors, glassmlp_names
from gensample.structure.descriptors.mechanics import mechanics, mechanics_names
from gensample.structure.modes import hessian
from gensample.structure.particles import Particles
from gensample.structure.voronoi import cell_surface


def liquid(name="ka2d", size=130, seed=0):
    """Random positions that do not overlap too much, in a box that holds every range."""
    mixture = get_mixture(name)
    edge = 10.6 if mixture.dimension == 2 else 9.5
    generator = torch.Generator().manual_seed(seed)
    per = round(edge)
    axes = torch.arange(per, dtype=torch.float64) * edge / per
    grid = torch.cartesian_prod(*[axes] * mixture.dimension)
    x = grid + 0.15 * torch.randn(grid.shape, generator=generator, dtype=torch.float64)
    species = torch.randint(2, (len(x),), generator=generator)
    return x, species, torch.full((mixture.dimension,), edge).double(), mixture


@pytest.mark.parametrize("name", ["ka2d", "ka3d-fs"])
def test_coarse_grained_columns_by_hand(name):
    x, species, box, mixture = liquid(name)
    found = glassmlp_descriptors(x, species, box, mixture).double()
    names = glassmlp_names(mixture)
    assert found.shape == (len(x), len(names))
    own = energy(x, species, box, mixture)
    i, length = 7, LENGTHS[4]
    apart = x - x[i]
    distance = (apart - box * torch.round(apart / box)).norm(dim=-1)
    weight = torch.exp(-distance / length) * (distance < box.min() / 2)
    for kind, chosen in (("A", species == 0), ("B", species == 1), ("all", species >= 0)):
        w, e, s = weight[chosen], own[chosen], cell_surface(x, box)[chosen]
        mean = (w * e).sum() / w.sum()
        expected = {
            "density": w.sum(),
            "energy": mean,
            "surface": (w * s).sum() / w.sum(),
            "energy_variance": (w * (e - mean).square()).sum() / w.sum(),
        }
        for column, value in expected.items():
            got = found[i, names.index(f"{column}_{kind}@{length:g}")]
            assert float(got) == pytest.approx(float(value), rel=1e-3, abs=1e-5), column


@pytest.mark.parametrize("name", ["ka2d", "ka3d-fs"])
def test_mechanics_is_the_diagonal_of_the_hessian_and_the_energy(name):
    x, species, box, mixture = liquid(name)
    found = mechanics(x, species, box, mixture, torch.zeros(len(x))).double()
    names = mechanics_names(mixture)
    assert found.shape == (len(x), len(names))
    column = {name: k for k, name in enumerate(names)}
    d = mixture.dimension
    matrix = torch.from_numpy(hessian(x, species, box, mixture).toarray())
    for i in (0, 11):
        block = matrix[d * i : d * i + d, d * i : d * i + d]
        values = torch.linalg.eigvalsh(block)
        got = found[i, [column[f"stiffness_{k}"] for k in range(1, d + 1)]]
        torch.testing.assert_close(got, values, rtol=1e-5, atol=1e-3)
        trace = found[i, column["curvature_A"]] + found[i, column["curvature_B"]]
        torch.testing.assert_close(trace, block.trace(), rtol=1e-5, atol=1e-3)
    total = found[:, column["energy_A"]] + found[:, column["energy_B"]]
    torch.testing.assert_close(total, energy(x, species, box, mixture), rtol=1e-5, atol=1e-4)


def test_means_of_mechanics_are_over_the_neighbours_of_a_kind():
    x, species, box, mixture = liquid()
    found = mechanics(x, species, box, mixture, torch.arange(len(x))).double()
    names = mechanics_names(mixture)
    (i, j), vectors = neighbor_list(x, box, 4.7)
    mine = (i == 3) & (species[j] == 1)
    weight = torch.exp(-vectors[mine].norm(dim=-1) / 2.0)
    expected = (weight * j[mine]).sum() / weight.sum()
    got = found[3, names.index("mean_B_2(cage_distance)")]
    assert float(got) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("sets", [["glassmlp"], ["mechanics"]])
def test_invariant_under_rotation_reflection_and_exchange(sets):
    x, species, box, mixture = liquid()
    cage = 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(2)).double()
    found = descriptor_columns(Particles(x, species, box, mixture, cage), sets)
    assert found.shape[1] == len(descriptor_names(mixture, sets))
    turned = descriptor_columns(
        Particles(x.flip(1) * torch.tensor([-1.0, 1.0]), species, box, mixture, cage.flip(1)), sets
    )
    torch.testing.assert_close(turned, found, rtol=1e-3, atol=1e-3)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(3))
    mixed = descriptor_columns(Particles(x[order], species[order], box, mixture, cage[order]), sets)
    torch.testing.assert_close(mixed, found[order], rtol=1e-3, atol=1e-3)
