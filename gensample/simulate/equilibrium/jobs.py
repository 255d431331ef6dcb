"""The jobs of an equilibrium sampling: each chain is equilibrated, then sampled piece by piece."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gensample.simulate.equilibrium.config import EquilibriumConfig
from gensample.simulate.lammps import scripts
from gensample.simulate.lammps.engine import Engine
from gensample.simulate.lammps.files import read_dump, write_data
from gensample.simulate.scheduler import Job
from gensample.simulate.start import StartPoints
from gensample.simulate.structure import keep, load, quench_in, run_script
from gensample.simulate.workshop import BATH, Bench
from gensample.stats.dynamics import OVERLAP_LENGTH

SAMPLES = "samples.npz"


class ChainWorkshop(Bench):
    """Builds the jobs of an equilibrium sampling; a chain is named by temperature level and number."""

    def __init__(
        self, config: EquilibriumConfig, engine: Engine, root: Path, start: StartPoints | None = None
    ) -> None:
        super().__init__(config, engine, root, start)
        self.config = config
        self.split = config.chain_splits()

    def jobs(self) -> list[Job]:
        """All jobs, temperature by temperature, chain by chain."""
        levels, chains = range(len(self.config.temperatures)), range(len(self.split))
        return [job for level in levels for chain in chains for job in self._jobs_of(level, chain)]

    def pieces(self, level: int, chain: int) -> list[tuple[str, int]]:
        """Folder and number of configurations of each piece of a chain."""
        size, total = self.config.configurations_per_job, self.config.configurations
        starts = range(0, total, size)
        return [(f"samples-{level:02d}-{chain:04d}-{s:06d}", min(size, total - s)) for s in starts]

    def _jobs_of(self, level: int, chain: int) -> list[Job]:
        before = f"equilibration-{level:02d}-{chain:04d}"
        melt = 0.0 if self.start else self.config.melt.time + self.config.melt.cooling_time
        cost = melt + self.config.equilibrations()[level]
        jobs = [Job(before, None, cost, self._equilibrate(level, chain))]
        for k, (name, count) in enumerate(self.pieces(level, chain)):
            cost = count * self.config.intervals()[level]
            seed = self.lammps_seed(level, chain, BATH, k + 1)
            jobs.append(Job(name, jobs[-1].name, cost, self._sample(level, count, seed, jobs[-1].name)))
        return jobs

    def _equilibrate(self, level: int, chain: int) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            config, temperature = self.config, self.config.temperatures[level]
            seed = self.lammps_seed(level, chain, BATH, 0)
            if self.start is None:
                self.write_melt(folder, level, chain)
                script = scripts.melt(config, temperature, config.thermostat, self.mixture, seed)
            else:
                self.write_given(folder, self.start.positions[chain], temperature, level, chain)
                script = scripts.given(config, self.mixture)
            steps = config.steps(config.equilibrations()[level])
            script += scripts.settle(steps, temperature, config.thermostat, self.mixture, seed + 2)
            run_script(self.engine, self.mixture, script, folder)
            keep(folder, "after.restart")

        return work

    def _sample(self, level: int, count: int, seed: int, before: str) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            shutil.copyfile(self.root / before / "after.restart", folder / "before.restart")
            script = scripts.restart(self.mixture, self.config.timestep)
            script += scripts.sampling(self.config, level, count, self.mixture, seed)
            run_script(self.engine, self.mixture, script, folder)
            frames = read_dump(folder / "kept.dump", 1 + self.mixture.dimension)
            energy = np.loadtxt(folder / "energy.txt", ndmin=2)[-count * self.config.energies :, 1]
            samples: dict[str, Any] = {
                "energy": energy / self.config.particles,
                "thermal": by_species(frames[1:]),
                "moved": fraction_moved(frames[..., 1:]),
            }
            keep(folder, "after.restart")
            if self.config.inherent:
                samples |= self._quench(samples["thermal"], folder)
            np.savez(folder / SAMPLES, **samples)

        return work

    def _quench(self, positions: np.ndarray, folder: Path) -> dict[str, np.ndarray]:
        """Inherent structures (T, N, d), their energies per particle and residual forces (T,)."""
        found: list[dict[str, np.ndarray]] = []
        scratch = folder / "quench"
        for x in positions:
            scratch.mkdir()
            write_data(scratch / "start.data", x, self.species, self.mixture.masses, self.box)
            quench_in(scratch, self.engine, self.mixture, "data")
            found.append(load(scratch / "structure.npz"))
            shutil.rmtree(scratch)
        names = {"inherent": "inherent", "inherent_energy": "energy", "residual": "residual"}
        return {ours: np.stack([one[theirs] for one in found]) for ours, theirs in names.items()}


def by_species(frames: np.ndarray) -> np.ndarray:
    """Positions (T, N, d) ordered by type, then by id, from frames (T, N, 1 + d) of type and position."""
    order = np.argsort(frames[:, :, 0], axis=1, kind="stable")
    return np.take_along_axis(frames[:, :, 1:], order[:, :, None], axis=1)


def fraction_moved(positions: np.ndarray) -> np.ndarray:
    """Fraction of particles that moved by OVERLAP_LENGTH or more in each interval, (T - 1,).

    Unwrapped positions (T, N, d) of the same particles, whatever their species.
    """
    steps = np.diff(positions, axis=0)
    steps = steps - steps.mean(1, keepdims=True)
    return np.asarray((np.linalg.norm(steps, axis=-1) >= OVERLAP_LENGTH).mean(1))
