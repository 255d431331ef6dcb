import h5py
import pytest
import torch

from gensample.data.catalog import dataset_file
from gensample.errors import ConfigError, DataError
from gensample.physics.box import minimum_image
from gensample.physics.minimize import minimize
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import energy_forces_virial

KA2D = get_mixture("ka2d")


def random_start(mixture, particles, count, seed=0):
    """Uniform positions, full of overlaps, in boxes of the mixture's density."""
    generator = torch.Generator().manual_seed(seed)
    box = torch.full((mixture.dimension,), mixture.edge_length(particles), dtype=torch.float64)
    positions = (
        torch.rand(count, particles, mixture.dimension, generator=generator, dtype=torch.float64) * box
    )
    return positions, mixture.species(particles), box


def forces_at(minimum, species, box, mixture, truncation=None):
    """Largest force on a particle, and energy per particle, by the reference."""
    found = energy_forces_virial(minimum.positions, species, box, mixture, truncation)
    return found.forces.norm(dim=-1).amax(1), found.energy.mean(1)


@pytest.fixture(scope="module")
def mini():
    """Thermal positions, inherent structures and their energies by LAMMPS, species, boxes."""
    with h5py.File(dataset_file("ka2d-mini")) as file:
        arrays = [torch.from_numpy(file[key][...]) for key in ("positions", "inherent", "species", "box")]
        return *arrays, torch.from_numpy(file["inherent"].attrs["energy"])


@pytest.mark.parametrize(("name", "tolerance"), [("ka2d", 1e-2), ("ka2d-ternary", 1e-6), ("ka3d-fs", 1e-6)])
def test_random_overlapping_starts_reach_a_minimum(name, tolerance):
    mixture = get_mixture(name)
    start, species, box = random_start(mixture, {2: 60, 3: 160}[mixture.dimension], 3)
    kept = start.clone()
    minimum = minimize(start, species, box, mixture, tolerance=tolerance)
    force, energy = forces_at(minimum, species, box, mixture)
    assert minimum.converged.all()
    assert (force <= tolerance * (1 + 1e-6)).all()
    torch.testing.assert_close(minimum.residual, force, rtol=1e-3, atol=1e-9)
    torch.testing.assert_close(minimum.energy, energy, rtol=1e-10, atol=1e-10)
    assert (minimum.energy < -2.0).all()
    assert ((minimum.positions >= 0) & (minimum.positions < box)).all()
    assert torch.equal(start, kept)


def test_energies_are_those_of_lammps(mini):
    """Stored structures of the same thermal positions: the mean agrees, most minima are the same ones."""
    species = mini[2]
    positions, inherent, _, box, energy = (array[:8] for array in mini)
    minimum = minimize(positions, species, box, KA2D, tolerance=1e-4)
    assert minimum.converged.all()
    difference = minimum.energy - energy
    assert abs(float(difference.mean())) < 5e-4
    assert int((difference.abs() < 1e-7).sum()) >= 4
    same = difference.abs() < 1e-7
    apart = minimum_image(minimum.positions - inherent, box[:, None])[same]
    assert float((apart - apart.mean(1, keepdim=True)).norm(dim=-1).max()) < 1e-2


def test_a_minimum_stays_where_it_is(mini):
    _, inherent, species, box, energy = mini
    minimum = minimize(inherent, species, box, KA2D, tolerance=1e-6)
    assert (minimum.steps == 0).all()
    torch.testing.assert_close(minimum.positions, inherent, rtol=0, atol=1e-12)
    torch.testing.assert_close(minimum.energy, energy, rtol=0, atol=1e-8)


def test_a_batch_is_each_configuration_on_its_own():
    """Boxes may differ; the same bits, whatever leaves when."""
    start, species, box = random_start(KA2D, 44, 5, seed=2)
    boxes = box * torch.tensor([1.0, 1.0, 1.02, 1.05, 1.1]).double()[:, None]
    start = start / box * boxes[:, None]
    together = minimize(start, species, boxes, KA2D)
    assert len(set(together.steps.tolist())) > 1
    for c in range(5):
        alone = minimize(start[c : c + 1], species, boxes[c], KA2D)
        assert torch.equal(alone.positions[0], together.positions[c])
        assert torch.equal(alone.energy[0], together.energy[c])
        assert torch.equal(alone.residual[0], together.residual[c])


def test_the_first_steps_in_three_dimensions_do_not_depend_on_the_batch():
    mixture = get_mixture("ka3d-fs")
    start, species, box = random_start(mixture, 200, 3, seed=2)
    together = minimize(start, species, box, mixture, max_steps=60)
    alone = [minimize(x[None], species, box, mixture, max_steps=60).positions for x in start]
    assert torch.equal(torch.cat(alone), together.positions)


def test_what_did_not_converge_says_so():
    start, species, box = random_start(KA2D, 44, 6, seed=3)
    full = minimize(start, species, box, KA2D, tolerance=1e-3)
    some = int(full.steps.sort().values[2])
    cut = minimize(start, species, box, KA2D, tolerance=1e-3, max_steps=some)
    assert cut.converged.tolist() == (full.steps <= some).tolist()
    assert not cut.converged.all()
    assert (cut.steps[~cut.converged] == some).all()
    force, energy = forces_at(cut, species, box, KA2D)
    torch.testing.assert_close(cut.residual, force, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(cut.energy, energy, rtol=1e-9, atol=1e-9)
    assert (cut.residual[~cut.converged] > 1e-3).all()


def test_particles_almost_on_top_of_each_other_part(mini):
    positions, species, box = mini[0][:2].clone(), mini[2], mini[3][:2]
    positions[0, 1] = positions[0, 0] + 0.2
    positions[1, 1] = positions[1, 0] + 1e-12
    minimum = minimize(positions, species, box, KA2D, tolerance=1e-2)
    assert minimum.converged.all()
    assert (minimum.energy < -3.3).all()


def test_positions_given_by_component_are_left_alone():
    """What a minimisation gives has such strides; another one from there must not move it."""
    start, species, box = random_start(KA2D, 44, 1)
    start = start.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    kept = start.clone()
    assert int(minimize(start, species, box, KA2D, tolerance=1e-2).steps) > 0
    assert torch.equal(start, kept)


def test_another_truncation():
    start, species, box = random_start(KA2D, 44, 1)
    minimum = minimize(start, species, box, KA2D, truncation="smooth")
    assert float(forces_at(minimum, species, box, KA2D, "smooth")[0]) < 1.1e-5
    assert float(forces_at(minimum, species, box, KA2D)[0]) > 1e-3


def test_bad_input_is_refused():
    start, species, box = random_start(KA2D, 44, 2)
    with pytest.raises(ConfigError, match="tolerance must be positive"):
        minimize(start, species, box, KA2D, tolerance=0.0)
    with pytest.raises(DataError, match=r"44 particles need species \(44,\)"):
        minimize(start, species[1:], box, KA2D)
    with pytest.raises(DataError, match="finite"):
        minimize(start * torch.nan, species, box, KA2D)
    start[1, 7] = start[1, 3]
    with pytest.raises(DataError, match="configuration 1: particles 3 and 7 are at the same place"):
        minimize(start, species, box, KA2D)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_finds_minima_too(mini):
    positions, _, species, box, energy = mini
    minimum = minimize(positions.cuda(), species, box, KA2D)
    assert minimum.positions.device.type == "cuda"
    assert minimum.converged.all()
    assert abs(float(minimum.energy.cpu().mean() - energy.mean())) < 5e-4
