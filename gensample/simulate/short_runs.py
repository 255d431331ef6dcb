"""Short runs: dynamics from given positions with fresh velocities; of cage positions, probe and heated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gensample.data.positions import mixture_of
from gensample.data.store import Store
from gensample.physics.mixtures import Mixture
from gensample.seeding import derive_seed, numpy_generator
from gensample.simulate.initial import maxwell_boltzmann
from gensample.simulate.lammps import scripts
from gensample.simulate.lammps.engine import Engine, find_engine
from gensample.simulate.lammps.files import read_dump, write_data
from gensample.simulate.lammps.scripts import Snapshots
from gensample.simulate.parts import Addition
from gensample.simulate.scheduler import Job, run_jobs
from gensample.simulate.settings import Bath
from gensample.simulate.structure import keep, run_script
from gensample.work import Work

# Of the thermostat, tau.
DAMPING = 0.5
# Particles times tau of a call of LAMMPS: a minute at most, beside which its start, 0.1 s, is nothing.
CALL, REPLICAS = 400_000, 64


@dataclass(frozen=True)
class Leg:
    """A run at one temperature.

    positions: (N, d) to start from, wrapped or not; key: (seed, ...) of its random numbers; kept: the steps,
    ascending, whose positions count, or snapshots whose mean does; drawn_at: temperature of the velocities
    that it begins with, where it is another; thermostat: its relaxation time is `DAMPING`.
    """

    positions: np.ndarray
    temperature: float
    key: tuple[int, ...]
    kept: Sequence[int] | Snapshots
    drawn_at: float | None = None
    thermostat: str = "nose-hoover"

    def velocities(self, mass: np.ndarray) -> np.ndarray:
        """Maxwell-Boltzmann velocities (N, d) to begin with, total momentum zero."""
        temperature = self.temperature if self.drawn_at is None else self.drawn_at
        particles, dimension = self.positions.shape
        return maxwell_boltzmann(particles, dimension, temperature, numpy_generator(*self.key), mass)


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
class Starts:
    """Where runs start: positions (C, N, d), species (N,), box (C, d), temperature (C,) of the dataset."""

    mixture: Mixture
    positions: np.ndarray
    species: np.ndarray
    box: np.ndarray
    temperature: np.ndarray

    @classmethod
    def of(cls, store: Store, positions: np.ndarray) -> Starts:
        """Positions that belong to the configurations of a dataset.

        Raises:
            DataError: it has no known potential.
        """
        return cls(mixture_of(store), positions, store.species, store.box, store.temperature)

    def system(self, c: int) -> System:
        """Of one configuration."""
        return System(self.mixture, self.species, self.box[c])


class Lammps:
    """Runs legs one after the other in one process of LAMMPS; ``processes`` may do so side by side."""

    kind = "lammps"

    def __init__(self, engine: Engine, processes: int = 1) -> None:
        self.engine, self.processes, self.stop = engine, processes, engine.stop
        self.description = f"LAMMPS {engine.version}"

    def width(self, particles: int, time: float) -> int:
        """Replicas, of so many tau each, worth running at once."""
        return min(REPLICAS, max(1, int(CALL / (particles * time))))

    def run(self, system: System, timestep: float, legs: Sequence[Leg], folder: Path) -> list[np.ndarray]:
        """Unwrapped positions (W, N, d) at what is kept of each leg; LAMMPS works in ``folder``.

        Raises:
            GensampleError: LAMMPS failed.
        """
        mixture, script = system.mixture, ""
        for number, leg in enumerate(legs):
            path = folder / f"leg-{number}.data"
            velocities = leg.velocities(system.mass)
            write_data(path, leg.positions, system.species, mixture.masses, system.box, velocities)
            bath = Bath(leg.thermostat, DAMPING)
            script += scripts.short_run(number, leg, bath, timestep, mixture, noise_seed(leg))
        run_script(self.engine, mixture, script, folder)
        return [_read(folder, number, leg, mixture.dimension) for number, leg in enumerate(legs)]


def _read(folder: Path, number: int, leg: Leg, dimension: int) -> np.ndarray:
    count = 1 if isinstance(leg.kept, Snapshots) else len(leg.kept)
    dumps = [folder / f"leg-{number}-{k}.dump" for k in range(count)]
    return np.stack([read_dump(dump, dimension)[0] for dump in dumps])


def noise_seed(leg: Leg) -> int:
    """Of a thermostat that needs one; LAMMPS takes positive 32-bit seeds."""
    return derive_seed(*leg.key) % 900_000_000 + 1


def displacements(found: Sequence[np.ndarray], start: np.ndarray) -> np.ndarray:
    """Displacements (R, W, N, d) of legs' positions (W, N, d) from ``start`` (N, d), drift removed."""
    moved: np.ndarray = np.stack(found) - start
    moved -= moved.mean(2, keepdims=True)
    return moved


def leg_job(
    name: str,
    cost: float,
    run: Callable[[Sequence[Leg], Path], list[np.ndarray]],
    legs: Callable[[], Sequence[Leg]],
    start: np.ndarray,
    result: tuple[str, Callable[[np.ndarray], dict[str, np.ndarray]]],
) -> Job:
    """Runs legs from ``start`` and keeps what is made of their displacements (R, W, N, d).

    result: name of the file of arrays, and the function that makes them.
    """
    file, summary = result

    def work(folder: Path) -> None:
        found: dict[str, Any] = summary(displacements(run(legs(), folder), start))
        np.savez(folder / file, **found)
        keep(folder, file)

    return Job(name, None, cost, work)


def add_runs(
    addition: Addition,
    jobs: Callable[[Lammps], list[Job]],
    write: Callable[[Work, Path, dict[str, Any]], str],
    *,
    done: str,
    processes: int,
    lmp: str | None,
    again: bool,
    command: str,
) -> str:
    """Do the jobs of an addition with LAMMPS and write what they found; resumes; returns a summary.

    Raises:
        ConfigError: as `Addition.make`.
        MissingDependencyError: LAMMPS is not installed.
        GensampleError: LAMMPS failed.
    """

    def add(work: Work, target: Path) -> str:
        lammps = Lammps(find_engine(lmp), processes)
        run_jobs(jobs(lammps), work, lammps.processes, lammps.stop, done, "tau")
        return write(work, target, {"engine": lammps.description, "command": command})

    return addition.make(add, again)
