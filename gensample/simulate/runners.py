"""Short runs, and the programs that run them: LAMMPS as a subprocess, or batches in torch on any device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch

from gensample.errors import ConfigError, MissingDependencyError
from gensample.physics import dynamics
from gensample.physics.mixtures import Mixture
from gensample.ranges import PROCESSES, check_choice, check_device
from gensample.seeding import derive_seed, numpy_generator
from gensample.simulate.initial import maxwell_boltzmann
from gensample.simulate.lammps import scripts
from gensample.simulate.lammps.engine import Engine, find_engine
from gensample.simulate.lammps.files import read_dump, write_data
from gensample.simulate.lammps.scripts import Snapshots
from gensample.simulate.settings import Bath
from gensample.simulate.structure import run_script

ENGINES = ("lammps", "torch")
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


def displacements(found: Sequence[np.ndarray], start: np.ndarray) -> np.ndarray:
    """Displacements (R, W, N, d) of legs' positions (W, N, d) from ``start`` (N, d), drift removed."""
    moved: np.ndarray = np.stack(found) - start
    moved -= moved.mean(2, keepdims=True)
    return moved


class Dynamics(Protocol):
    """Runs legs of one system.

    kind: the name of the program; description: with its version; processes: of it, side by side.
    """

    kind: str
    description: str
    processes: int

    def run(self, system: System, timestep: float, legs: Sequence[Leg], folder: Path) -> list[np.ndarray]:
        """Unwrapped positions (W, N, d) at what is kept of each leg; ``folder`` is for files on the way."""

    def width(self, particles: int, time: float) -> int:
        """Replicas, of so many tau each, worth running at once."""

    def stop(self) -> None:
        """End what runs."""


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
            script += scripts.short_run(number, leg, bath, timestep, mixture, leg.noise_seed)
        run_script(self.engine, mixture, script, folder)
        found = []
        for number, leg in enumerate(legs):
            count = 1 if isinstance(leg.kept, Snapshots) else len(leg.kept)
            dumps = [folder / f"leg-{number}-{k}.dump" for k in range(count)]
            found.append(np.stack([read_dump(dump, mixture.dimension)[0] for dump in dumps]))
        return found


class Torch:
    """Runs the legs that are alike, but for where they start, as one batch on a device of torch."""

    kind, processes = "torch", 1

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self.description = f"torch {torch.__version__} on {device}"

    def run(self, system: System, timestep: float, legs: Sequence[Leg], folder: Path) -> list[np.ndarray]:
        """See `Dynamics`.

        Raises:
            ConfigError: snapshots, which this program does not average.
            DataError: a run exploded.
        """
        alike: dict[tuple[float, str, tuple[int, ...]], list[int]] = {}
        for number, leg in enumerate(legs):
            if isinstance(leg.kept, Snapshots):
                raise ConfigError("dynamics in torch keep single steps and no means of them; use LAMMPS")
            alike.setdefault((leg.temperature, leg.thermostat, tuple(leg.kept)), []).append(number)
        found: dict[int, np.ndarray] = {}
        for (*_, kept), numbers in alike.items():
            batch = [legs[number] for number in numbers]
            found |= zip(numbers, self._run(system, timestep, batch, kept), strict=True)
        return [found[number] for number in range(len(legs))]

    def _run(
        self, system: System, timestep: float, legs: Sequence[Leg], kept: tuple[int, ...]
    ) -> list[np.ndarray]:
        start = np.stack([leg.positions for leg in legs])
        thermostat = legs[0].thermostat
        limits = dynamics.Limits(
            None if thermostat == "none" else legs[0].temperature,
            DAMPING,
            noise=[leg.noise_seed for leg in legs] if thermostat == "langevin" else None,
        )
        moved = dynamics.run(
            self._tensor(start),
            self._tensor(np.stack([leg.velocities(system.mass) for leg in legs])),
            dynamics.System(
                torch.from_numpy(system.species.astype(np.int64)).to(self.device),
                self._tensor(system.box),
                system.mixture,
            ),
            kept,
            limits,
            timestep=timestep,
        )
        return list(start[:, None] + moved.transpose(0, 1).cpu().numpy())

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float64)).to(self.device)

    def width(self, particles: int, time: float) -> int:
        """See `Dynamics`: what fills a GPU."""
        return 64

    def stop(self) -> None:
        """Nothing but this process runs."""


def choose_dynamics(
    engine: str | None, *, device: str = "cpu", lmp: str | None = None, processes: int | None = None
) -> Dynamics:
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
    if engine == "torch" or device != "cpu":
        return Torch(device)
    try:
        return Lammps(find_engine(lmp), processes or 2)
    except MissingDependencyError:
        if engine is None and lmp is None:
            return Torch(device)
        raise
