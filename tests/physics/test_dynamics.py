from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from gensample.errors import ConfigError, DataError, MissingDependencyError
from gensample.physics import dynamics
from gensample.physics.dynamics import Limits, run_dynamics
from gensample.physics.minimize import minimize
from gensample.physics.mixtures import Mixture, get_mixture
from gensample.physics.potentials import energy_forces_virial

KA2D = get_mixture("ka2d")
T = 0.45


class System(NamedTuple):
    """Particles of which a batch gives the positions."""

    species: torch.Tensor
    box: torch.Tensor
    mixture: Mixture


def run(x, v, system, kept, limits, **more):
    return run_dynamics(x, v, *system, kept, limits, **more)


def glass(mixture=KA2D, side=8, count=2, seed=0):
    """Inherent structures (C, N, d) of jittered lattices, and their system."""
    generator = torch.Generator().manual_seed(seed)
    grid = torch.cartesian_prod(*[torch.arange(side, dtype=torch.float64)] * mixture.dimension)
    box = torch.full((mixture.dimension,), mixture.edge_length(len(grid)), dtype=torch.float64)
    noise = torch.randn(count, *grid.shape, generator=generator, dtype=torch.float64)
    species = mixture.species(len(grid))[torch.randperm(len(grid), generator=generator)]
    system = System(species, box, mixture)
    return minimize(grid * box / side + 0.1 * noise, *system, tolerance=1e-2).positions, system


def velocities(positions, temperature=T, seed=0):
    generator = torch.Generator().manual_seed(seed)
    v = torch.randn(positions.shape, generator=generator, dtype=torch.float64) * temperature**0.5
    return v - v.mean(1, keepdim=True)


def moving(x, v, system, limits, timestep=0.005):
    columns = [values.permute(2, 0, 1).contiguous() for values in (x, v)]
    boxes = system.box.expand(len(x), -1)
    forces = dynamics.ListedForces(system.species, boxes, system.mixture, None, 0.4)
    return dynamics._Moving(*columns, forces, limits, timestep)


def energy(state, system):
    """Kinetic, potential and the thermostats', (B,)."""
    x = state.x.permute(1, 2, 0)
    potential = energy_forces_virial(x, *system).energy.sum(1)
    total = potential + 0.5 * dynamics.twice_kinetic(state.v)
    return total + sum(chain.energy() for _, chain in state.chains)


@pytest.mark.parametrize("name", ["ka2d", "ka3d-fs"])
@pytest.mark.parametrize("temperature", [None, 0.6])
def test_energy_is_conserved_to_the_second_order_of_the_step(name, temperature):
    """With the thermostat's where there is one; the errors at half a step are a quarter."""
    mixture = get_mixture(name)
    x, system = glass(mixture, {2: 8, 3: 6}[mixture.dimension], count=1)
    errors = []
    for timestep in (0.004, 0.002):
        state = moving(x.clone(), velocities(x), system, Limits(temperature), timestep)
        before, found = energy(state, system), []
        for _ in state.pauses(range(10, round(0.4 / timestep), 10)):
            found.append(energy(state, system) - before)
        errors.append(float(torch.stack(found).square().mean().sqrt()))
    assert errors[0] < 1e-3 * x.shape[1]
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.2)


@pytest.mark.parametrize("noise", [None, range(16)])
def test_temperatures_and_their_fluctuations_are_canonical(noise):
    """Of each run its own, of the variance 2 n T^2 of twice the kinetic energy (n degrees of freedom)."""
    x, system = glass(side=6, count=16)
    aims = torch.tensor([1.0, 3.0]).double().repeat(8)
    state = moving(x, velocities(x, 2.0), system, Limits(aims, noise=noise))
    found = torch.stack([dynamics.twice_kinetic(state.v) for _ in state.pauses(range(500, 2501, 20))])
    freedom = 2 * (x.shape[1] - 1)
    ratio = found / (freedom * aims)
    for temperature in (1.0, 3.0):
        assert ratio[:, aims == temperature].mean().item() == pytest.approx(1.0, abs=0.03)
        spread = ratio[:, aims == temperature].var().item()
        assert spread == pytest.approx(2 / freedom, rel=0.25)
    assert state.v.sum(2).abs().max() < 1e-9


def test_heat_leaves_by_friction_and_noise_without_a_swing():
    """Kinetic energy of free particles: the excess falls as exp(-2 t / damping)."""
    x, system = glass(side=6, count=8)
    far = System(system.species, 50 * system.box, system.mixture)
    state = moving(50 * x, velocities(x, 4.0), far, Limits(1.0, 0.5, noise=range(8)))
    excess = [dynamics.twice_kinetic(state.v).mean() / 70 - 1 for _ in state.pauses((1, 50, 100, 400))]
    for found, time in zip(excess, (0.005, 0.25, 0.5, 2.0), strict=True):
        assert float(found) == pytest.approx(3 * np.exp(-4 * time), abs=0.15)


@pytest.mark.parametrize("noise", [None, [3, 1, 4, 1, 5]])
def test_a_run_does_not_depend_on_the_others(monkeypatch, noise):
    x, system = glass(count=5)
    v, aims = velocities(x), torch.tensor([0.4, 0.5, 0.6, 0.7, 0.8]).double()
    limits = Limits(aims, noise=noise)
    together = run(x, v, system, (10, 60), limits)
    seeds = [None if noise is None else noise[k : k + 1] for k in range(5)]
    alone = [
        run(x[k : k + 1], v[k : k + 1], system, (10, 60), Limits(aims[k], noise=seeds[k])) for k in range(5)
    ]
    assert torch.equal(together, torch.cat(alone, 1))
    monkeypatch.setattr(dynamics, "PARTICLES_AT_ONCE", 150)
    assert torch.equal(run(x, v, system, (10, 60), limits), together)
    assert torch.equal(run(x, v, system, (60,), limits)[0], together[1])


def test_displacements_are_unwrapped_whatever_image_they_start_from():
    """A liquid that flies through the box as a whole, five edges far: the same but for its flight."""
    x, system = glass()
    v = velocities(x)
    still = run(x, v, system, (50,), Limits())[0]
    images = torch.randint(-2, 3, x.shape, generator=torch.Generator().manual_seed(1))
    flying = run(x + images * system.box, v + 5 * system.box / 0.25, system, (50,), Limits())[0]
    torch.testing.assert_close(flying - 5 * system.box, still, rtol=0, atol=1e-7)
    assert flying.dtype == torch.float64


def test_overlaps_explode_unless_moves_are_limited():
    x, system = glass()
    x[1, 0] = x[1, 1] + 0.02
    with pytest.raises(DataError, match="exploded"):
        run(x, velocities(x), system, (1, 200), Limits(T))
    state = moving(x, velocities(x), system, Limits(T, move=0.05))
    last = state.x.clone()
    for _ in state.pauses(range(1, 60)):
        assert (state.x - last).norm(dim=0).max() <= 0.05 * (1 + 1e-9)
        last = state.x.clone()
    assert (energy_forces_virial(last.permute(1, 2, 0), *system).energy.mean(1) < 0).all()


def test_what_does_not_fit_is_refused():
    x, system = glass()
    v = velocities(x)
    with pytest.raises(ConfigError, match="ascending"):
        run(x, v, system, (10, 10), Limits())
    with pytest.raises(ConfigError, match="time step"):
        run(x, v, system, (1,), Limits(), timestep=0.0)
    for limits in (Limits(noise=[1, 2]), Limits(T, noise=[1])):
        with pytest.raises(ConfigError, match="as many seeds"):
            run(x, v, system, (1,), limits)
    with pytest.raises(DataError, match="velocities"):
        run(x, v[:1], system, (1,), Limits())
    with pytest.raises(DataError, match="positions"):
        run(x[0], v[0], system, (1,), Limits())


@pytest.mark.parametrize("thermostat", ["none", "nose-hoover"])
def test_follows_lammps_step_by_step(thermostat, tmp_path):
    from gensample.simulate import programs
    from gensample.simulate.lammps.engine import find_engine

    try:
        lammps = programs.Lammps(find_engine(None))
    except MissingDependencyError:
        pytest.skip("needs LAMMPS")
    x, system = glass()
    kept = (1, 20, 200)
    legs = [
        programs.Leg(positions.numpy(), T, (1, k), kept, thermostat=thermostat)
        for k, positions in enumerate(x)
    ]
    particles = programs.System(KA2D, system.species.numpy(), system.box.numpy())
    theirs = np.stack(lammps.run(particles, 0.005, legs, Path(tmp_path)), 1)
    v = torch.from_numpy(np.stack([leg.velocities(np.ones(len(leg.positions))) for leg in legs]))
    ours = run(x, v, system, kept, Limits(None if thermostat == "none" else T))
    np.testing.assert_allclose(ours[:2], theirs[:2] - x.numpy(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours[2], theirs[2] - x.numpy(), rtol=0, atol=1e-5)
