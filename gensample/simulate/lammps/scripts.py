"""LAMMPS input scripts, built from small pieces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from gensample.errors import ConfigError
from gensample.physics.mixtures import FORCE_SHIFT, HARMONIC, INVERSE_POWER, SMOOTH, Mixture
from gensample.physics.potentials import pair_potential
from gensample.simulate.equilibrium.config import ENERGY_STEPS, EquilibriumConfig
from gensample.simulate.isoconfigurational.config import SimulationConfig
from gensample.simulate.settings import Bath, Liquid

# One thread of the OPENMP styles runs 14 % faster than the plain styles (ka2d, N = 500); the suffix is
# ignored for styles that have no such variant.
SUFFIX = "package omp 1\nsuffix omp"
# File of tabulated potentials, beside the script.
TABLE = "pair.table"
# Tabulated from so many sigma_ab: 240,000 eps up the repulsion, so that only a broken start comes closer.
INNER = 0.4
# Also the number LAMMPS interpolates from; the energy of a pair at r = 0.8 sigma is then exact to 1e-9.
POINTS = 10000
# Largest force component to which close pairs are pushed apart; thermal ones reach a few hundred at T = 1.
TAME_FORCE = 100.0


def _axes(mixture: Mixture) -> str:
    """Names of the unwrapped coordinates."""
    return "xu yu zu"[: 3 * mixture.dimension - 1]


def header(dimension: int) -> str:
    """Units, atoms and boundaries; the coordinates' image flags keep displacements unwrapped."""
    return f"""{SUFFIX}
units lj
dimension {dimension}
atom_style atomic
boundary p p p
atom_modify map array
newton on
"""


def tabulated(mixture: Mixture) -> bool:
    """Whether LAMMPS has no style for the potential and reads `TABLE` beside the script."""
    return mixture.potential == INVERSE_POWER or mixture.truncation == SMOOTH


def write_pair_table(path: Path, mixture: Mixture) -> None:
    """Energies and forces of every pair of species from INNER sigma to the cut-off."""
    path.write_text(_table(mixture), encoding="utf-8")


@lru_cache
def _table(mixture: Mixture) -> str:
    kinds = range(mixture.num_species)
    sections = [_section(mixture, a, b) for a in kinds for b in kinds if a <= b]
    return "# gensample\n\n" + "\n".join(sections)


def _section(mixture: Mixture, a: int, b: int) -> str:
    sigma, epsilon = (torch.tensor(t[a][b], dtype=torch.float64) for t in (mixture.sigma, mixture.epsilon))
    r = np.linspace(INNER * float(sigma), mixture.cutoff_factor * float(sigma), POINTS)
    energy, slope = pair_potential(torch.from_numpy(r), sigma, epsilon, mixture)
    rows = zip(r, energy.tolist(), (-slope).tolist(), strict=True)
    body = "\n".join(f"{i + 1} {x:.12g} {e:.15g} {f:.15g}" for i, (x, e, f) in enumerate(rows))
    return f"PAIR_{a}_{b}\nN {POINTS} R {r[0]:.12g} {r[-1]:.12g}\n\n{body}\n"


def interactions(mixture: Mixture) -> str:
    """Pair style and coefficients of a mixture."""
    kinds = range(mixture.num_species)
    pairs = [(a, b) for a in kinds for b in kinds if a <= b]
    cutoffs = {(a, b): mixture.cutoff_factor * mixture.sigma[a][b] for a, b in pairs}
    lj = [f"{mixture.epsilon[a][b]} {mixture.sigma[a][b]} {cutoffs[a, b]:.15g}" for a, b in pairs]
    if tabulated(mixture):
        style = f"pair_style table spline {POINTS}"
        coefficients = [f"{TABLE} PAIR_{a}_{b} {cutoffs[a, b]:.15g}" for a, b in pairs]
    elif mixture.potential == HARMONIC:
        style = "pair_style harmonic/cut"
        sigma, epsilon = mixture.sigma, mixture.epsilon
        coefficients = [f"{0.5 * epsilon[a][b] / sigma[a][b] ** 2:.17g} {sigma[a][b]:.17g}" for a, b in pairs]
    elif mixture.truncation == FORCE_SHIFT:
        style, coefficients = f"pair_style lj/smooth/linear {mixture.cutoff:.15g}", lj
    else:
        style, coefficients = f"pair_style lj/cut {mixture.cutoff:.15g}\npair_modify shift yes", lj
    lines = [f"pair_coeff {a + 1} {b + 1} {text}" for (a, b), text in zip(pairs, coefficients, strict=True)]
    return "\n".join([style, *lines, "neighbor 0.3 bin", "neigh_modify every 1 delay 0 check yes", ""])


def dynamics(name: str, start: float, stop: float, damping: float, seed: int, dimension: int) -> str:
    """Integrator with thermostat ``name`` between two temperatures."""
    plane = "fix plane all enforce2d\n" if dimension == 2 else ""
    if name == "nose-hoover":
        return f"fix move all nvt temp {start} {stop} {damping}\n{plane}"
    bath = f"fix bath all langevin {start} {stop} {damping} {seed} zero yes\n" if name == "langevin" else ""
    return f"fix move all nve\n{bath}{plane}"


def of_levels(temperature: np.ndarray, bath: Bath, dimension: int) -> str:
    """Integrator with a Nose-Hoover chain for each of the temperatures that particles (N,) have."""
    if bath.name != "nose-hoover":
        raise ConfigError(f"temperatures of single particles are kept by nose-hoover, not by {bath.name}")
    text = "fix plane all enforce2d\n" if dimension == 2 else ""
    for k, level in enumerate(np.unique(temperature).tolist()):
        members = " ".join(map(str, np.flatnonzero(temperature == level) + 1))
        text += f"group level{k} id {members}\n"
        text += f"fix move{k} level{k} nvt temp {level} {level} {bath.damping}\n"
    return text


def melt(config: Liquid, temperature: float, bath: Bath, mixture: Mixture, seed: int) -> str:
    """From a data file: push overlaps apart, melt, cool to the temperature."""
    hot = config.melt.temperature
    return (
        header(mixture.dimension)
        + "read_data start.data\n"
        + interactions(mixture)
        + "minimize 0 1e-2 1000 10000\n"
        + f"reset_timestep 0\ntimestep {config.timestep}\n"
        + dynamics(bath.name, hot, hot, bath.damping, seed, mixture.dimension)
        + f"run {config.steps(config.melt.time)}\n{_stop(bath, mixture)}"
        + dynamics(bath.name, hot, temperature, bath.damping, seed + 1, mixture.dimension)
        + f"run {config.steps(config.melt.cooling_time)}\n{_stop(bath, mixture)}"
        + "reset_timestep 0\n"
    )


def _stop(bath: Bath, mixture: Mixture) -> str:
    """Take off what `dynamics` has put on."""
    text = "unfix move\n" + ("unfix bath\n" if bath.name == "langevin" else "")
    return text + ("unfix plane\n" if mixture.dimension == 2 else "")


def given(config: Liquid, mixture: Mixture) -> str:
    """The configuration and velocities of ``start.data``, close pairs pushed apart if asked for."""
    push = f"min_modify dmax 0.05 norm max\nminimize 0 {TAME_FORCE} 1000 10000\nreset_timestep 0\n"
    return (
        header(mixture.dimension)
        + "read_data start.data\n"
        + interactions(mixture)
        + (push if config.start is not None and config.start.minimise else "")
        + f"timestep {config.timestep}\n"
    )


def settle(steps: int, temperature: float, bath: Bath, mixture: Mixture, seed: int) -> str:
    """A run at one temperature of which the end alone is kept."""
    return (
        dynamics(bath.name, temperature, temperature, bath.damping, seed, mixture.dimension)
        + f"thermo {max(steps, 1)}\nrun {steps}\n"
        + "write_restart after.restart\n"
    )


def restart(mixture: Mixture, timestep: float, before: str) -> str:
    """Continue from the binary restart file of the job ``before``, whose folder lies beside this one."""
    return (
        header(mixture.dimension)
        + f"read_restart ../{before}/after.restart\n"
        + interactions(mixture)
        + f"timestep {timestep}\n"
    )


def equilibration_segment(config: SimulationConfig, mixture: Mixture, seed: int) -> str:
    """One segment at the target temperature, with snapshots and block-averaged energies."""
    steps = config.steps(config.equilibration.segment)
    every = config.steps(config.equilibration.time) // config.equilibration.snapshots
    samples = every // 10
    bath = dynamics(
        config.thermostat.equilibration,
        config.temperature,
        config.temperature,
        config.thermostat.damping,
        seed,
        mixture.dimension,
    )
    return (
        bath
        + f"fix energy all ave/time 10 {samples} {every} c_thermo_pe file energy.txt format ' %.12g'\n"
        + f"dump snapshots all custom {every} snapshots.dump id {_axes(mixture)}\n"
        + "dump_modify snapshots sort id first no format float %.8g\n"
        + f"thermo {steps}\nrun {steps}\n"
        + "write_restart after.restart\n"
    )


def sampling(config: EquilibriumConfig, level: int, frames: int, mixture: Mixture, seed: int) -> str:
    """Configurations at the end of each interval of temperature ``level``, and averaged energies.

    Types are dumped, too: exchanges of species change them. LAMMPS also dumps the start, step 0.
    """
    temperature, every = config.temperatures[level], config.steps(config.intervals()[level])
    spacing = every // config.energies
    swaps = _swaps(config, temperature, mixture, seed + 1)
    bath = config.thermostat
    return (
        "reset_timestep 0\n"
        + dynamics(bath.name, temperature, temperature, bath.damping, seed, mixture.dimension)
        + "".join(f"fix {swap}\n" for swap in swaps)
        + f"fix energy all ave/time {ENERGY_STEPS} {spacing // ENERGY_STEPS} {spacing} c_thermo_pe "
        + "file energy.txt format ' %.12g'\n"
        + f"dump kept all custom {every} kept.dump id type {_axes(mixture)}\n"
        + "dump_modify kept sort id first no format float %.15g\n"
        + f"thermo {frames * every}\nrun {frames * every}\n"
        # A fix of exchanges would go into the restart file, and LAMMPS does not take it back at step 0.
        + "".join(f"unfix {swap.split()[0]}\n" for swap in swaps)
        + "write_restart after.restart\n"
    )


def _swaps(config: EquilibriumConfig, temperature: float, mixture: Mixture, seed: int) -> list[str]:
    """Fixes that exchange pairs of species, each attempt a Metropolis step at the temperature."""
    swap, kinds = config.swap, range(mixture.num_species)
    pairs = swap.pairs or [[a, b] for a in kinds for b in kinds if a < b]
    rate = f"{swap.every} {swap.attempts}"
    fixes = [
        f"swap{k} all atom/swap {rate} {seed + k} {temperature} types {a + 1} {b + 1}"
        for k, (a, b) in enumerate(pairs)
    ]
    return fixes if swap.every else []


def structure(mixture: Mixture, tolerance: float | None, before: str) -> str:
    """The configuration after the job ``before`` as it is; with a tolerance its inherent structure, too."""
    text = restart(mixture, 0.005, before) + _dump("thermal.dump", mixture)
    return text if tolerance is None else text + _minimise(mixture, tolerance, "inherent")


def quenches(mixture: Mixture, tolerance: float, numbers: Iterable[int]) -> str:
    """Inherent structures of configurations in ``start-number.data``, one after the other.

    Each begins anew ("clear"), so that its bits do not depend on those before.
    """
    return "".join(
        "clear\n"
        + header(mixture.dimension)
        + f"read_data start-{number}.data\n"
        + interactions(mixture)
        + _minimise(mixture, tolerance, f"inherent-{number}")
        for number in numbers
    )


def _minimise(mixture: Mixture, tolerance: float, name: str) -> str:
    """Conjugate gradients to a maximum force component; leaves ``name.dump``, and ``name.txt``.

    The latter holds the energy per particle and the residual force.
    """
    plane = "fix plane all enforce2d\n" if mixture.dimension == 2 else ""
    return (
        "min_style cg\n"
        + "min_modify dmax 0.05 norm max\n"
        + plane
        + "thermo_style custom step pe fmax\nthermo_modify norm no\nthermo 1000\n"
        + f"minimize 0 {tolerance} 20000 200000\n"
        + _dump(f"{name}.dump", mixture)
        + "variable e equal pe/atoms\nvariable f equal fmax\n"
        + f'print "$(v_e:%.15g) $(v_f:%.15g)" file {name}.txt\n'
    )


def _dump(name: str, mixture: Mixture) -> str:
    return f"write_dump all custom {name} id {_axes(mixture)} modify sort id format float %.17g\n"


def replica(
    config: SimulationConfig, mixture: Mixture, number: int, seed: int, thermal: str | None = None
) -> str:
    """One trajectory from ``replica-number.data``, positions dumped at every lag.

    thermal: file and step of the dump that has the positions, where the data file has only velocities.
    """
    how = f"id {_axes(mixture)} modify sort id format float %.12g"
    dump = f"write_dump all custom replica-{number}-{{}}.dump {how}\n"
    bath = Bath(config.thermostat.replicas, config.thermostat.damping)
    start = f"replica-{number}.data"
    if thermal is not None:
        start += f"\nread_dump {thermal} {'x y z'[: 2 * mixture.dimension - 1]} box no timestep no"
    text = _from_data(start, config.temperature, bath, config.timestep, mixture, seed)
    steps = [0, *[config.steps(lag) for lag in config.lags]]
    for index in range(1, len(steps)):
        text += f"run {steps[index] - steps[index - 1]}\n" + dump.format(index)
    return text


class Snapshots(NamedTuple):
    """Positions that are averaged over: steps between them, their number, and the step of the last."""

    every: int
    number: int
    last: int


def short_run(
    number: int,
    temperature: float | np.ndarray,
    kept: Sequence[int] | Snapshots,
    bath: Bath,
    timestep: float,
    mixture: Mixture,
    seed: int,
) -> str:
    """A run from ``leg-number.data``; the unwrapped positions kept go to ``leg-number-K.dump``, K from 0."""
    text = _from_data(f"leg-{number}.data", temperature, bath, timestep, mixture, seed)
    if isinstance(kept, Snapshots):
        return text + _mean(f"leg-{number}-0.dump", kept, mixture)
    for index, (last, step) in enumerate(pairwise((0, *kept))):
        text += f"run {step - last}\n" + _dump(f"leg-{number}-{index}.dump", mixture)
    return text


def _mean(name: str, snapshots: Snapshots, mixture: Mixture) -> str:
    columns = " ".join(f"f_mean[{axis + 1}]" for axis in range(mixture.dimension))
    return (
        f"compute unwrapped all property/atom {_axes(mixture)}\n"
        + f"fix mean all ave/atom {snapshots.every} {snapshots.number} {snapshots.last} c_unwrapped[*]\n"
        + f"run {snapshots.last}\n"
        + f"write_dump all custom {name} id {columns} modify sort id format float %.17g\n"
    )


def _from_data(
    file: str, temperature: float | np.ndarray, bath: Bath, timestep: float, mixture: Mixture, seed: int
) -> str:
    """Everything up to the run of a trajectory from a data file."""
    return (
        "clear\n"
        + header(mixture.dimension)
        + f"read_data {file}\n"
        + interactions(mixture)
        + f"timestep {timestep}\n"
        + (
            of_levels(temperature, bath, mixture.dimension)
            if isinstance(temperature, np.ndarray)
            else dynamics(bath.name, temperature, temperature, bath.damping, seed, mixture.dimension)
        )
        + "thermo 1000000\n"
    )
