"""The programs that run short runs: LAMMPS as a subprocess, or batches in torch on any device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from gensample.errors import ConfigError, MissingDependencyError
from gensample.physics import dynamics
from gensample.ranges import PROCESSES, check_choice, check_device
from gensample.simulate.lammps.engine import find_engine
from gensample.simulate.lammps.scripts import Snapshots
from gensample.simulate.short_runs import DAMPING, Lammps, Leg, System, noise_seed

ENGINES = ("lammps", "torch")


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
            noise=[noise_seed(leg) for leg in legs] if thermostat == "langevin" else None,
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
