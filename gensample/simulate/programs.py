"""What runs and minimises: LAMMPS as a subprocess, or batches of our own in torch on any device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch

from gensample.data.positions import ACCEPTED_SHIFT, MAX_STEPS, MAX_STEPS_SHIFT, MINIMISER, TOLERANCE
from gensample.errors import ConfigError, GensampleError, MissingDependencyError
from gensample.physics import dynamics
from gensample.physics.minimize import minimize
from gensample.physics.mixtures import SHIFT, Mixture
from gensample.ranges import PROCESSES, RESIDUAL_FORCE, check_choice, check_device
from gensample.seeding import derive_seed, numpy_generator
from gensample.simulate.lammps import scripts
from gensample.simulate.lammps.engine import Engine, find_engine
from gensample.simulate.lammps.files import keep, read_dump, write_data
from gensample.simulate.lammps.scripts import Snapshots
from gensample.simulate.scheduler import Job
from gensample.simulate.settings import Bath
from gensample.simulate.start import maxwell_boltzmann

ENGINES = ("lammps", "torch")
# Of the thermostat, tau.
DAMPING = 0.5
# Particles times tau of a call of LAMMPS: a minute at most, beside which its start, 0.1 s, is nothing.
CALL, REPLICAS = 400_000, 64
# Largest force component at which LAMMPS stops.
FORCE_TOLERANCE = 1e-7
# LAMMPS may end where rounding lets it go no further down; what is left then is no minimum.
LARGEST_RESIDUAL = 0.1
# Particles of one batch: some kB of memory each, and what is lost when a quench is interrupted.
PARTICLES_PER_BATCH = {"cpu": 50_000, "cuda": 1_000_000}


@dataclass(frozen=True)
class Leg:
    """A run at one temperature, or at one for each particle (N,).

    positions: (N, d) to start from, wrapped or not; key: (seed, ...) of its random numbers; kept: the steps,
    ascending, whose positions count, or snapshots whose mean does; drawn_at: temperature of the velocities
    that it begins with, where it is another; thermostat: its relaxation time is `DAMPING`, and particles of
    one temperature share a Nose-Hoover chain, so that there should be few; timestep: that of all legs of the
    run where it is None.
    """

    positions: np.ndarray
    temperature: float | np.ndarray
    key: tuple[int, ...]
    kept: Sequence[int] | Snapshots
    drawn_at: float | None = None
    thermostat: str = "nose-hoover"
    timestep: float | None = None

    def velocities(self, mass: np.ndarray) -> np.ndarray:
        """Maxwell-Boltzmann velocities (N, d) to begin with, total momentum zero."""
        temperature = self.temperature if self.drawn_at is None else self.drawn_at
        particles, dimension = self.positions.shape
        return maxwell_boltzmann(particles, dimension, temperature, numpy_generator(*self.key), mass)

    @property
    def noise_seed(self) -> int:
        """Of a thermostat that needs one; LAMMPS takes positive 32-bit seeds."""
        return derive_seed(*self.key) % 900_000_000 + 1


class System(NamedTuple):
    """Particles of which a leg gives the positions: species (N,), box (d,)."""

    mixture: Mixture
    species: np.ndarray
    box: np.ndarray

    @property
    def mass(self) -> np.ndarray:
        """Of each particle (N,)."""
        mass: np.ndarray = np.array(self.mixture.masses)[self.species]
        return mass


@dataclass(frozen=True)
class Task:
    """What is to be minimised: a mixture, and the positions (C, N, d), species (N,) and boxes (C, d)."""

    mixture: Mixture
    positions: np.ndarray
    species: np.ndarray
    box: np.ndarray


class Minima(NamedTuple):
    """Inherent structures (C, N, d), wrapped or not, energies per particle (C,), largest forces left (C,)."""

    inherent: np.ndarray
    energy: np.ndarray
    residual: np.ndarray


class Program(ABC):
    """Runs legs of one system, and minimises configurations.

    kind: its name; description: with its version; processes: of it, side by side; minimiser: what it
    minimises by; block: name of the folder of a job that does so, by its first configuration.
    """

    kind: ClassVar[str]
    minimiser: ClassVar[str]
    block: ClassVar[str]
    description: str
    processes: int

    @abstractmethod
    def run(self, system: System, timestep: float, legs: Sequence[Leg], folder: Path) -> list[np.ndarray]:
        """Unwrapped positions (W, N, d) at what is kept of each leg; ``folder`` is for files on the way.

        Raises:
            ConfigError: snapshots, of a program that does not average.
            DataError, GensampleError: a run exploded, or LAMMPS failed.
        """

    @abstractmethod
    def minimise(self, task: Task, tolerance: float, folder: Path) -> Minima:
        """Minima of all configurations, by one process, whose files are made in ``folder``.

        The bits of one do not depend on the others. GensampleError for one that does not come to rest.
        """

    @abstractmethod
    def width(self, particles: int, time: float) -> int:
        """Replicas, of so many tau each, worth running at once."""

    @abstractmethod
    def batch(self, particles: int) -> int:
        """Configurations that one job minimises."""

    @property
    def batching(self) -> tuple[int, ...]:
        """What of the batches decides which configurations a job has."""
        return ()

    @abstractmethod
    def stop(self) -> None:
        """End what runs beside this process."""


class Lammps(Program):
    """One process of LAMMPS does one leg, or conjugate gradients from one configuration, after the other."""

    kind, minimiser, block = "lammps", "LAMMPS cg", "structure-{:05d}"

    def __init__(self, engine: Engine, processes: int = 1) -> None:
        self.engine, self.processes = engine, processes
        self.description = f"LAMMPS {engine.version}"

    def run(self, system: System, timestep: float, legs: Sequence[Leg], folder: Path) -> list[np.ndarray]:
        """See `Program`."""
        mixture, script, found = system.mixture, "", []
        for number, leg in enumerate(legs):
            path, velocities = folder / f"leg-{number}.data", leg.velocities(system.mass)
            write_data(path, leg.positions, system.species, mixture.masses, system.box, velocities)
            bath = Bath(leg.thermostat, DAMPING)
            step = leg.timestep or timestep
            script += scripts.short_run(
                number, leg.temperature, leg.kept, bath, step, mixture, leg.noise_seed
            )
        run_script(self.engine, mixture, script, folder)
        for number, leg in enumerate(legs):
            count = 1 if isinstance(leg.kept, Snapshots) else len(leg.kept)
            dumps = [folder / f"leg-{number}-{k}.dump" for k in range(count)]
            found.append(np.stack([read_dump(dump, mixture.dimension)[0] for dump in dumps]))
        return found

    def minimise(self, task: Task, tolerance: float, folder: Path) -> Minima:
        """See `Program`."""
        mixture, rows = task.mixture, range(len(task.positions))
        for k in rows:
            path = folder / f"start-{k}.data"
            write_data(path, task.positions[k], task.species, mixture.masses, task.box[k])
        run_script(self.engine, mixture, scripts.quenches(mixture, tolerance, rows), folder)
        energy, residual = np.array([np.loadtxt(folder / f"inherent-{k}.txt") for k in rows]).T
        cure = "look at the positions, or take --engine torch"
        _check_rest(residual, max(tolerance, LARGEST_RESIDUAL), cure)
        dumps = [read_dump(folder / f"inherent-{k}.dump", mixture.dimension)[0] for k in rows]
        return Minima(np.stack(dumps), energy, residual)

    def width(self, particles: int, time: float) -> int:
        """See `Program`."""
        return min(REPLICAS, max(1, int(CALL / (particles * time))))

    def batch(self, particles: int) -> int:
        """One: a process starts in a small part of the time that a quench takes."""
        return 1

    def stop(self) -> None:
        """See `Program`."""
        self.engine.stop()


class Torch(Program):
    """Runs legs that are alike, but for where they start, as one batch; minimises by FIRE, all at once."""

    kind, minimiser, block = "torch", MINIMISER, "batch-{:06d}"
    processes = 1

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self.description = f"torch {torch.__version__} on {device}"

    def run(self, system: System, timestep: float, legs: Sequence[Leg], folder: Path) -> list[np.ndarray]:
        """See `Program`."""
        alike: dict[Any, list[int]] = {}
        for number, leg in enumerate(legs):
            if isinstance(leg.kept, Snapshots):
                raise ConfigError("dynamics in torch keep single steps and no means of them; use LAMMPS")
            heat_of = np.asarray(leg.temperature).tobytes()
            how = heat_of, leg.thermostat, tuple(leg.kept), leg.timestep or timestep
            alike.setdefault(how, []).append(number)
        found: dict[int, np.ndarray] = {}
        for (_, thermostat, kept, step), numbers in alike.items():
            batch = [legs[number] for number in numbers]
            heat = batch[0].temperature
            levels = self._tensor(heat) if isinstance(heat, np.ndarray) else None
            start = np.stack([leg.positions for leg in batch])
            moved = dynamics.run_dynamics(
                self._tensor(start),
                self._tensor(np.stack([leg.velocities(system.mass) for leg in batch])),
                torch.from_numpy(system.species.astype(np.int64)).to(self.device),
                self._tensor(system.box),
                system.mixture,
                kept,
                dynamics.Limits(
                    None if thermostat == "none" or isinstance(heat, np.ndarray) else heat,
                    DAMPING,
                    noise=[leg.noise_seed for leg in batch] if thermostat == "langevin" else None,
                    levels=levels,
                ),
                timestep=step,
            )
            found |= zip(numbers, start[:, None] + moved.transpose(0, 1).cpu().numpy(), strict=True)
        return [found[number] for number in range(len(legs))]

    def minimise(self, task: Task, tolerance: float, folder: Path) -> Minima:
        """See `Program`."""
        shift = task.mixture.truncation == SHIFT
        found = minimize(
            torch.from_numpy(task.positions).to(self.device),
            torch.from_numpy(task.species.astype(np.int64)).to(self.device),
            torch.from_numpy(task.box).to(self.device),
            task.mixture,
            tolerance=tolerance,
            max_steps=MAX_STEPS_SHIFT if shift else MAX_STEPS,
        )
        residual = found.residual.cpu().numpy()
        accepted = max(tolerance, ACCEPTED_SHIFT if shift else tolerance)
        _check_rest(residual, accepted, "give a larger --tolerance, or take --engine lammps")
        return Minima(found.positions.cpu().numpy(), found.energy.cpu().numpy(), residual)

    def width(self, particles: int, time: float) -> int:
        """See `Program`: what fills a GPU."""
        return 64

    def batch(self, particles: int) -> int:
        """As many as fit."""
        return max(1, self.batching[0] // particles)

    @property
    def batching(self) -> tuple[int, ...]:
        """See `Program`: particles of one batch."""
        return (PARTICLES_PER_BATCH["cpu" if self.device.type == "cpu" else "cuda"],)

    def stop(self) -> None:
        """Nothing but this process runs."""

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float64)).to(self.device)


@dataclass(frozen=True)
class Minimiser:
    """A program that minimises to a tolerance, at once or by jobs, each of which leaves ``structure.npz``."""

    program: Program
    tolerance: float

    @property
    def settings(self) -> tuple[Any, ...]:
        """What decides whether finished jobs can be used."""
        return (self.program.kind, self.tolerance, *self.program.batching)

    @property
    def attrs(self) -> dict[str, Any]:
        """How the structures were made, for the store."""
        return {
            "minimiser": self.program.minimiser,
            "tolerance": self.tolerance,
            "engine": self.program.description,
        }

    def minimise(self, task: Task, folder: Path) -> Minima:
        """See `Program`."""
        return self.program.minimise(task, self.tolerance, folder)

    def jobs(self, task: Task) -> list[Job]:
        """The jobs, in the order of the configurations."""

        def work(rows: slice, folder: Path) -> None:
            part = replace(task, positions=task.positions[rows], box=task.box[rows])
            found = self.minimise(part, folder)
            np.savez(folder / "structure.npz", **found._asdict())
            keep(folder, "structure.npz")

        count, width = len(task.positions), self.program.batch(task.positions.shape[1])
        blocks = [slice(first, min(first + width, count)) for first in range(0, count, width)]
        name = self.program.block.format
        return [Job(name(b.start), None, float(b.stop - b.start), partial(work, b)) for b in blocks]


def choose_minimiser(
    engine: str | None,
    *,
    device: str = "cpu",
    tolerance: float | None = None,
    processes: int = 2,
    lmp: str | None = None,
) -> Minimiser:
    """The minimiser of that name; None: LAMMPS if it is installed (or ``lmp`` names it), else torch.

    tolerance: largest force at which it stops, of a particle for torch (1e-6 unless given), a component of
    one for LAMMPS (1e-7); device belongs to torch, ``lmp`` and ``processes`` to LAMMPS. Raises ConfigError
    for what does not go together, MissingDependencyError for LAMMPS that is not there.
    """
    if engine is not None:
        check_choice("--engine", engine, ENGINES)
    PROCESSES.check("--processes", processes)
    if tolerance is not None:
        RESIDUAL_FORCE.check("--tolerance", tolerance)
    if engine == "torch" and lmp is not None:
        raise ConfigError("--lmp is an executable of LAMMPS, but --engine is torch: leave one of them out")
    if engine != "torch" and device != "cpu":
        raise ConfigError("--device needs --engine torch: LAMMPS runs on the CPU")
    check_device("--device", device)
    program = _first_found(engine, device, lmp, processes)
    return Minimiser(program, tolerance or (FORCE_TOLERANCE if program.kind == "lammps" else TOLERANCE))


def choose_dynamics(
    engine: str | None, *, device: str = "cpu", lmp: str | None = None, processes: int | None = None
) -> Program:
    """The program of that name; None: torch on another device than the CPU, else LAMMPS if it is installed.

    ``lmp``: the executable of LAMMPS, ``processes``: of it side by side (2).

    Raises:
        ConfigError: what does not go together.
        MissingDependencyError: LAMMPS is asked for and not there.
    """
    if engine is not None:
        check_choice("--engine", engine, ENGINES)
    check_device("--device", device)
    if processes is not None:
        PROCESSES.check("--processes", processes)
    for name, given in {"--lmp": lmp, "--processes": processes}.items():
        if given is not None and (engine == "torch" or device != "cpu"):
            raise ConfigError(
                f"{name} is of LAMMPS, which runs on the CPU: drop it, or --engine and --device"
            )
    if engine == "lammps" and device != "cpu":
        raise ConfigError(f"--engine lammps runs on the CPU, got --device {device}: leave one of them out")
    return _first_found("torch" if device != "cpu" else engine, device, lmp, processes or 2)


def _first_found(engine: str | None, device: str, lmp: str | None, processes: int) -> Program:
    """The program of that name; None: LAMMPS if it is installed, or ``lmp`` names it, else torch."""
    if engine != "torch":
        try:
            return Lammps(find_engine(lmp), processes)
        except MissingDependencyError:
            if engine is not None or lmp is not None:
                raise
    return Torch(device)


def displacements(found: Sequence[np.ndarray], start: np.ndarray) -> np.ndarray:
    """Displacements (R, W, N, d) of legs' positions (W, N, d) from ``start`` (N, d), drift removed."""
    moved: np.ndarray = np.stack(found) - start
    moved -= moved.mean(2, keepdims=True)
    return moved


def run_script(engine: Engine, mixture: Mixture, script: str, folder: Path) -> float:
    """Run a script in ``folder``, beside the table of potentials if the mixture needs one; core-seconds."""
    write_table(mixture, folder)
    return engine.run(script, folder)


def write_table(mixture: Mixture, folder: Path) -> None:
    """The table of potentials, if scripts of the mixture read one."""
    if scripts.tabulated(mixture):
        scripts.write_pair_table(folder / scripts.TABLE, mixture)


def _check_rest(residual: np.ndarray, accepted: float, cure: str) -> None:
    """GensampleError for forces (C,) that are left above what is accepted, or are no numbers."""
    missed = np.flatnonzero(~(residual <= accepted))
    if len(missed):
        raise GensampleError(
            f"{len(missed)} configurations (the first is number {missed[0]} of the job) did not reach "
            f"a force of {accepted:g}, but {residual[missed].max():.1e}: {cure}"
        )
