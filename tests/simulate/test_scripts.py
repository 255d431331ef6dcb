"""The potentials and thermostats of the scripts, in LAMMPS itself."""

import numpy as np
import pytest
import torch

from gensample.physics.mixtures import MIXTURES, get_mixture
from gensample.physics.potentials import energy_forces_virial
from gensample.simulate.lammps import scripts
from gensample.simulate.lammps.files import read_dump, write_data
from gensample.simulate.lammps.scripts import INNER, write_pair_table
from gensample.simulate.programs import run_script
from gensample.simulate.start import lattice_melt, maxwell_boltzmann


def prepare(folder, mixture, particles, jitter=0.0, temperature=0.0, density=None):
    """A data file of a disordered lattice; returns what it holds."""
    generator = np.random.default_rng(3)
    edge = (particles / (density or mixture.density)) ** (1 / mixture.dimension)
    box = np.full(mixture.dimension, edge)
    positions = lattice_melt(particles, box, generator)
    positions += generator.normal(scale=jitter, size=positions.shape)
    species = mixture.species(particles).numpy()
    velocities = maxwell_boltzmann(particles, mixture.dimension, temperature, generator)
    write_data(folder / "start.data", positions, species, mixture.masses, box, velocities)
    return positions, species, box


def start(mixture):
    return scripts.header(mixture.dimension) + "read_data start.data\n" + scripts.interactions(mixture)


@pytest.mark.parametrize("name", sorted(MIXTURES))
def test_energies_forces_and_virial_are_those_of_the_library(engine, tmp_path, name):
    mixture = get_mixture(name)
    positions, species, box = prepare(tmp_path, mixture, 150 if mixture.dimension == 2 else 200, jitter=0.03)
    forces = "fx fy fz"[: 3 * mixture.dimension - 1]
    script = start(mixture) + (
        "compute e all pe/atom\nthermo_modify norm no\nthermo_style custom pe press\n"
        "fix move all nve\nrun 0\n"
        f"write_dump all custom out.dump id c_e {forces} modify sort id format float %.17g\n"
        "variable w equal press*vol\n"
        'print "$(v_w:%.17g)" file virial.txt\n'
    )
    run_script(engine, mixture, script, tmp_path)
    (found,) = read_dump(tmp_path / "out.dump", 1 + mixture.dimension)
    expected = energy_forces_virial(
        torch.from_numpy(positions), torch.from_numpy(species), torch.from_numpy(box), mixture
    )
    # Where potentials are tabulated forces reach 1,000 here, where interpolation is at its worst.
    tolerance = 1e-7 if scripts.tabulated(mixture) else 1e-10
    scale = float(expected.forces.abs().max())
    assert np.abs(found[:, 0] - expected.energy.numpy()).max() < tolerance
    assert np.abs(found[:, 1:] - expected.forces.numpy()).max() < tolerance * scale
    assert float((tmp_path / "virial.txt").read_text()) == pytest.approx(float(expected.virial), abs=1e-5)


def test_the_table_ends_in_zero_with_zero_force(tmp_path):
    write_pair_table(tmp_path / "table", get_mixture("ka2d-ternary"))
    text = (tmp_path / "table").read_text()
    assert text.count("PAIR_") == 6
    section = text[text.index("PAIR_0_1") : text.index("PAIR_0_2")].split("\n")
    _, r, energy, force = (float(x) for x in section[-3].split())
    assert r == pytest.approx(2.5 * 0.8)
    assert abs(energy) < 1e-12
    assert abs(force) < 1e-10
    assert float(section[3].split()[1]) == pytest.approx(INNER * 0.8)


def observe(engine, folder, mixture, thermostat, temperature, steps, seed=7, timestep=0.005):
    """Temperature and total energy per particle every 20 steps of a run, (T, 2)."""
    script = start(mixture) + f"minimize 0 1e-2 1000 10000\nreset_timestep 0\ntimestep {timestep}\n"
    script += scripts.dynamics(thermostat, temperature, temperature, 0.5, seed, mixture.dimension)
    script += (
        "variable t equal temp\nvariable e equal etotal\n"
        'fix out all print 20 "$(v_t:%.12g) $(v_e:%.12g)" file out.txt screen no\n'
        f"run {steps}\n"
        "write_dump all custom v.dump id vx vy modify sort id format float %.17g\n"
    )
    run_script(engine, mixture, script, folder)
    return np.loadtxt(folder / "out.txt")


@pytest.mark.parametrize("name", ["ka2d", "ka2d-ternary"])
def test_energy_is_constant_without_a_thermostat(engine, tmp_path, name):
    mixture = get_mixture(name)
    prepare(tmp_path, mixture, 100, temperature=1.0)
    coarse, fine = (
        observe(engine, tmp_path, mixture, "none", 1.0, 3000, timestep=t) for t in (0.005, 0.0025)
    )
    first, last = coarse[: len(coarse) // 2, 1], coarse[len(coarse) // 2 :, 1]
    assert abs(last.mean() - first.mean()) < 1e-4
    # The fluctuation that is left is that of the velocity-Verlet scheme, second order in the time step.
    assert coarse[:, 1].std() < 1e-3
    assert coarse[:, 1].std() / fine[:, 1].std() == pytest.approx(4.0, rel=0.4)
    assert np.ptp(coarse[:, 0]) > 0.05


@pytest.mark.parametrize("thermostat", ["nose-hoover", "langevin"])
def test_thermostats_hold_the_temperature_and_the_momentum(engine, tmp_path, thermostat):
    mixture = get_mixture("ka2d")
    prepare(tmp_path, mixture, 100, temperature=2.0)
    observed = observe(engine, tmp_path, mixture, thermostat, 0.6, 12000)
    # 550 values of 198 degrees of freedom, correlated over about 1 tau: standard error about 1 %.
    assert observed[50:, 0].mean() == pytest.approx(0.6, rel=0.03)
    assert np.ptp(observed[50:, 1]) > 0.05
    (velocities,) = read_dump(tmp_path / "v.dump", 2)
    assert np.abs(velocities.mean(0)).max() < 1e-12


def test_langevin_differs_with_the_seed_and_repeats_with_it(engine, tmp_path):
    mixture = get_mixture("ka2d")
    prepare(tmp_path, mixture, 60, temperature=1.0)
    runs = [observe(engine, tmp_path, mixture, "langevin", 1.0, 100, seed) for seed in (7, 7, 8)]
    assert (runs[0] == runs[1]).all()
    assert (runs[0] != runs[2]).any()
