"""The programs that `gensample quench` can use: LAMMPS as subprocesses, or our own batches on any device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from gensample.data.positions import ACCEPTED_SHIFT, MAX_STEPS, MAX_STEPS_SHIFT, MINIMISER, TOLERANCE
from gensample.errors import ConfigError, GensampleError, MissingDependencyError
from gensample.physics.minimize import minimize
from gensample.physics.mixtures import SHIFT, Mixture
from gensample.ranges import PROCESSES, RESIDUAL_FORCE, check_choice, check_device
from gensample.simulate.lammps import scripts
from gensample.simulate.lammps.engine import Engine, find_engine
from gensample.simulate.lammps.files import read_dump, write_data
from gensample.simulate.scheduler import Job
from gensample.simulate.structure import FORCE_TOLERANCE, Structure, keep, run_script

ENGINES = ("lammps", "torch")
# LAMMPS may end where rounding lets it go no further down; what is left then is no minimum.
LARGEST_RESIDUAL = 0.1
# Particles of one batch: some kB of memory each, and what is lost when a quench is interrupted.
PARTICLES_PER_BATCH = {"cpu": 50_000, "cuda": 1_000_000}


@dataclass(frozen=True)
class Task:
    """What is to be minimised: a mixture, and the positions (C, N, d), species (N,) and boxes (C, d)."""

    mixture: Mixture
    positions: np.ndarray
    species: np.ndarray
    box: np.ndarray

    def part(self, rows: slice) -> Task:
        """Some of the configurations."""
        return replace(self, positions=self.positions[rows], box=self.box[rows])


class Minima(NamedTuple):
    """Inherent structures (C, N, d), wrapped or not, energies per particle (C,), largest forces left (C,)."""

    inherent: np.ndarray
    energy: np.ndarray
    residual: np.ndarray


class Minimiser(ABC):
    """Does a task at once, or as jobs, each of which leaves ``structure.npz`` in its folder.

    ``settings`` decide whether finished jobs can be used; ``attrs``: how the structures were made, for the
    store; ``processes``: jobs side by side; ``block``: name of a job's folder, by its first configuration.
    """

    settings: object
    attrs: Mapping[str, Any]
    processes: int
    block: str

    @abstractmethod
    def minimise(self, task: Task, folder: Path) -> Minima:
        """Minima of all configurations, by one process, whose files are made in ``folder``.

        The bits of one do not depend on the others. GensampleError for one that does not come to rest.
        """

    @abstractmethod
    def width(self, particles: int) -> int:
        """Configurations of one job."""

    @abstractmethod
    def stop(self) -> None:
        """End what runs."""

    def jobs(self, task: Task) -> list[Job]:
        """The jobs, in the order of the configurations."""
        count, width = len(task.positions), self.width(task.positions.shape[1])
        blocks = [slice(first, min(first + width, count)) for first in range(0, count, width)]
        return [
            Job(self.block.format(rows.start), None, float(rows.stop - rows.start), self._work(task, rows))
            for rows in blocks
        ]

    def structures(self, files: Sequence[Structure]) -> list[Structure]:
        """Inherent structure, energy and residual of each configuration, from the files of all jobs."""
        return [
            {key: file[key][k] for key in Minima._fields}
            for file in files
            for k in range(len(file["energy"]))
        ]

    def _work(self, task: Task, rows: slice) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            found = self.minimise(task.part(rows), folder)
            np.savez(folder / "structure.npz", **found._asdict())
            keep(folder, "structure.npz")

        return work


def choose(
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
    if engine == "torch":
        check_device("--device", device)
        return Batched(torch.device(device), tolerance or TOLERANCE)
    try:
        return Lammps(find_engine(lmp), tolerance or FORCE_TOLERANCE, processes)
    except MissingDependencyError:
        if engine is None and lmp is None:
            return Batched(torch.device("cpu"), tolerance or TOLERANCE)
        raise


class Lammps(Minimiser):
    """Conjugate gradients of LAMMPS, one process for each job."""

    block = "structure-{:05d}"

    def __init__(self, engine: Engine, tolerance: float, processes: int) -> None:
        self._engine, self._tolerance, self.processes = engine, tolerance, processes
        self.settings = ("lammps", tolerance)
        self.attrs = {
            "minimiser": "LAMMPS cg",
            "tolerance": tolerance,
            "engine": f"LAMMPS {engine.version}",
        }

    def stop(self) -> None:
        """End the processes that run."""
        self._engine.stop()

    def width(self, particles: int) -> int:
        """One: a process starts in a small part of the time that a quench takes."""
        return 1

    def minimise(self, task: Task, folder: Path) -> Minima:
        """One after the other in one process."""
        rows = range(len(task.positions))
        for k in rows:
            path, masses = folder / f"start-{k}.data", task.mixture.masses
            write_data(path, task.positions[k], task.species, masses, task.box[k])
        run_script(self._engine, task.mixture, scripts.quenches(task.mixture, self._tolerance, rows), folder)
        energy, residual = np.array([np.loadtxt(folder / f"inherent-{k}.txt") for k in rows]).T
        _check(
            residual, max(self._tolerance, LARGEST_RESIDUAL), "look at the positions, or take --engine torch"
        )
        dumps = [read_dump(folder / f"inherent-{k}.dump", task.mixture.dimension)[0] for k in rows]
        return Minima(np.stack(dumps), energy, residual)


class Batched(Minimiser):
    """FIRE of `gensample.physics.minimize`, many configurations at once."""

    processes = 1
    block = "batch-{:06d}"

    def __init__(self, device: torch.device, tolerance: float) -> None:
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

    def stop(self) -> None:
        """Nothing but this process runs."""

    def width(self, particles: int) -> int:
        """As many as a batch holds."""
        return max(1, self._particles // particles)

    def minimise(self, task: Task, folder: Path) -> Minima:
        """All at once."""
        shift = task.mixture.truncation == SHIFT
        found = minimize(
            torch.from_numpy(task.positions).to(self._device),
            torch.from_numpy(task.species.astype(np.int64)).to(self._device),
            torch.from_numpy(task.box).to(self._device),
            task.mixture,
            tolerance=self._tolerance,
            max_steps=MAX_STEPS_SHIFT if shift else MAX_STEPS,
        )
        residual = found.residual.cpu().numpy()
        accepted = ACCEPTED_SHIFT if shift else self._tolerance
        _check(residual, max(self._tolerance, accepted), "give a larger --tolerance, or take --engine lammps")
        return Minima(found.positions.cpu().numpy(), found.energy.cpu().numpy(), residual)


def _check(residual: np.ndarray, accepted: float, cure: str) -> None:
    """GensampleError for forces (C,) that are left above what is accepted, or are no numbers."""
    missed = np.flatnonzero(~(residual <= accepted))
    if len(missed):
        raise GensampleError(
            f"{len(missed)} configurations (the first is number {missed[0]} of the job) did not reach "
            f"a force of {accepted:g}, but {residual[missed].max():.1e}: {cure}"
        )
