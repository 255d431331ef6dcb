"""The programs that `gensample quench` can use: LAMMPS as subprocesses, or our own batches on any device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from gensample.data.inputs import MAX_STEPS, MINIMISER, TOLERANCE
from gensample.errors import ConfigError, GensampleError, MissingDependencyError
from gensample.physics.minimize import minimize
from gensample.physics.mixtures import Mixture
from gensample.ranges import PROCESSES, RESIDUAL_FORCE, check_choice, check_device
from gensample.simulate.engine import Engine, find_engine
from gensample.simulate.files import write_data
from gensample.simulate.scheduler import Job
from gensample.simulate.structure import FORCE_TOLERANCE, Structure, quench_in

ENGINES = ("lammps", "torch")
# Particles of one batch: some kB of memory each, and what is lost when a quench is interrupted.
PARTICLES_PER_BATCH = {"cpu": 50_000, "cuda": 1_000_000}


@dataclass(frozen=True)
class Task:
    """What is to be minimised: a mixture, and the positions (C, N, d), species (N,) and boxes (C, d)."""

    mixture: Mixture
    positions: np.ndarray
    species: np.ndarray
    box: np.ndarray


class Minimiser(Protocol):
    """Does a task as jobs, each of which leaves ``structure.npz`` in its folder."""

    @property
    def settings(self) -> object:
        """What decides whether finished jobs can be used."""

    @property
    def attrs(self) -> Mapping[str, Any]:
        """How the structures were made, for the store."""

    @property
    def processes(self) -> int:
        """Jobs side by side."""

    def jobs(self, task: Task) -> list[Job]:
        """The jobs, in the order of the configurations."""

    def structures(self, files: Sequence[Structure]) -> list[Structure]:
        """Inherent structure, energy and residual of each configuration, from the files of all jobs."""

    def stop(self) -> None:
        """End what runs."""


def choose(
    engine: str | None, *, device: str, tolerance: float | None, processes: int, lmp: str | None
) -> Minimiser:
    """The minimiser of that name; None: LAMMPS if it is installed (or ``lmp`` names it), else torch.

    device, tolerance (largest force on a particle) belong to torch, ``lmp`` and ``processes`` to LAMMPS.
    Raises ConfigError for what does not go together, MissingDependencyError for LAMMPS that is not there.
    """
    if engine is not None:
        check_choice("--engine", engine, ENGINES)
    PROCESSES.check("--processes", processes)
    if engine == "torch" and lmp is not None:
        raise ConfigError("--lmp is an executable of LAMMPS, but --engine is torch: leave one of them out")
    if engine != "torch" and (device != "cpu" or tolerance is not None):
        raise ConfigError(
            f"--device and --tolerance need --engine torch: LAMMPS runs on the CPU, to {FORCE_TOLERANCE:g}"
        )
    if engine == "torch":
        check_device("--device", device)
        return Batched(torch.device(device), TOLERANCE if tolerance is None else tolerance)
    try:
        return Lammps(find_engine(lmp), processes)
    except MissingDependencyError:
        if engine is None and lmp is None:
            return Batched(torch.device("cpu"), TOLERANCE)
        raise


class Lammps:
    """Conjugate gradients of LAMMPS, one process for each configuration."""

    settings = FORCE_TOLERANCE

    def __init__(self, engine: Engine, processes: int) -> None:
        self._engine, self.processes, self.stop = engine, processes, engine.stop
        self.attrs = {
            "minimiser": "LAMMPS cg",
            "tolerance": FORCE_TOLERANCE,
            "engine": f"LAMMPS {engine.version}",
        }

    def jobs(self, task: Task) -> list[Job]:
        """One job for each configuration."""
        return [Job(f"structure-{c:05d}", None, 1.0, self._work(task, c)) for c in range(len(task.positions))]

    def structures(self, files: Sequence[Structure]) -> list[Structure]:
        """A file is a structure."""
        return list(files)

    def _work(self, task: Task, c: int) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            start = folder / "start.data"
            write_data(start, task.positions[c], task.species, task.mixture.num_species, task.box[c])
            quench_in(folder, self._engine, task.mixture, "data")

        return work


class Batched:
    """FIRE of `gensample.physics.minimize`, many configurations at once."""

    processes = 1

    def __init__(self, device: torch.device, tolerance: float) -> None:
        RESIDUAL_FORCE.check("--tolerance", tolerance)
        self._device, self._tolerance = device, tolerance
        self.settings = ("torch", tolerance, self._particles)
        self.attrs = {
            "minimiser": MINIMISER,
            "tolerance": tolerance,
            "engine": f"torch {torch.__version__} on {device}",
        }

    @property
    def _particles(self) -> int:
        return PARTICLES_PER_BATCH["cpu" if self._device.type == "cpu" else "cuda"]

    def jobs(self, task: Task) -> list[Job]:
        """One job for each batch."""
        count, particles = task.positions.shape[:2]
        width = max(1, self._particles // particles)
        batches = [slice(first, min(first + width, count)) for first in range(0, count, width)]
        return [
            Job(f"batch-{batch.start:06d}", None, float(batch.stop - batch.start), self._work(task, batch))
            for batch in batches
        ]

    def structures(self, files: Sequence[Structure]) -> list[Structure]:
        """Files hold batches."""
        return [
            {key: file[key][k] for key in ("inherent", "energy", "residual")}
            for file in files
            for k in range(len(file["energy"]))
        ]

    def stop(self) -> None:
        """Nothing but this process runs."""

    def _work(self, task: Task, batch: slice) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            found = minimize(
                torch.from_numpy(task.positions[batch]).to(self._device),
                torch.from_numpy(task.species.astype(np.int64)).to(self._device),
                torch.from_numpy(task.box[batch]).to(self._device),
                task.mixture,
                tolerance=self._tolerance,
                max_steps=MAX_STEPS,
            )
            self._check(found.converged, found.residual, batch.start)
            np.savez(
                folder / "structure.npz",
                inherent=found.positions.cpu().numpy(),
                energy=found.energy.cpu().numpy(),
                residual=found.residual.cpu().numpy(),
            )

        return work

    def _check(self, converged: torch.Tensor, residual: torch.Tensor, first: int) -> None:
        missed = (~converged).nonzero().flatten().tolist()
        if missed:
            raise GensampleError(
                f"{len(missed)} configurations (the first is {first + missed[0]}) did not reach a force of "
                f"{self._tolerance:g} in {MAX_STEPS} steps, but {float(residual.max()):.1e}: give a larger "
                "--tolerance, or take --engine lammps"
            )
