"""The jobs of a simulation: each makes one folder of results, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gensample.physics.mixtures import SMOOTH, Mixture, get_mixture
from gensample.seeding import derive_seed, numpy_generator
from gensample.simulate import scripts
from gensample.simulate.config import SimulationConfig
from gensample.simulate.engine import Engine
from gensample.simulate.files import read_dump, write_data
from gensample.simulate.initial import lattice_melt, maxwell_boltzmann
from gensample.simulate.tables import write_pair_table

# Keys of the random streams of one configuration.
MELT, VELOCITY, BATH, REPLICA = range(4)
FORCE_TOLERANCE = 1e-7


@dataclass(frozen=True)
class Job:
    """A unit of work: its folder's name, the job it waits for, and how it fills a scratch folder."""

    name: str
    after: str | None
    cost: float
    work: Callable[[Path], None]


class Workshop:
    """Builds the jobs of one simulation; finished ones are folders below ``root``."""

    def __init__(self, config: SimulationConfig, engine: Engine, root: Path) -> None:
        self.config, self.engine, self.root = config, engine, root
        self.mixture: Mixture = get_mixture(config.mixture)
        self.species = self.mixture.species(config.particles).numpy().astype(np.int8)
        density = config.resolved_density(self.mixture)
        self.box = np.full(self.mixture.dimension, (config.particles / density) ** (1 / self.mixture.dimension))
        names = [name for name in ("train", "val", "test") if name in config.splits]
        self.split = [name for name in names for _ in range(config.splits[name].configurations)]
        self.replicas = [config.splits[name].replicas for name in self.split]
        self.segments = round(config.equilibration.time / config.equilibration.segment)

    def is_done(self, job: Job) -> bool:
        """Whether the job's folder is there."""
        return (self.root / job.name).is_dir()

    def run(self, job: Job) -> None:
        """Do the work in a scratch folder and rename it, so that a killed job leaves nothing that counts."""
        scratch = Path(tempfile.mkdtemp(prefix="scratch-", dir=self.root))
        if self.mixture.truncation == SMOOTH:
            write_pair_table(scratch / "pair.table", self.mixture)
        job.work(scratch)
        scratch.rename(self.root / job.name)

    def discard_scratch(self) -> None:
        """Remove what killed jobs left."""
        for folder in self.root.glob("scratch-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def jobs(self) -> list[Job]:
        """All jobs, configurations in order, each after the one it needs."""
        return [job for c in range(len(self.split)) for job in self._jobs_of(c)]

    def block_names(self, configuration: int) -> list[tuple[str, range]]:
        """Folder and replicas of each block of a configuration."""
        size, total = self.config.replicas_per_job, self.replicas[configuration]
        starts = range(0, total, size)
        return [(f"replicas-{configuration:05d}-{s:05d}", range(s, min(s + size, total))) for s in starts]

    def _jobs_of(self, c: int) -> list[Job]:
        jobs = []
        before: str | None = None
        for k in range(self.segments):
            name = f"equilibration-{c:05d}-{k:04d}"
            jobs.append(Job(name, before, self.config.equilibration.segment, self._equilibrate(c, k, before)))
            before = name
        assert before is not None
        structure = f"structure-{c:05d}"
        jobs.append(Job(structure, before, 1.0, self._quench(before)))
        for name, replicas in self.block_names(c):
            cost = len(replicas) * self.config.lags[-1]
            jobs.append(Job(name, structure, cost, self._replicate(c, replicas, structure)))
        return jobs

    def _equilibrate(self, c: int, k: int, before: str | None) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            seed = self._lammps_seed(c, BATH, k)
            if before is None:
                self._write_melt(folder, c)
                start = scripts.melt(self.config, self.mixture, seed)
            else:
                shutil.copyfile(self.root / before / "after.restart", folder / "before.restart")
                start = scripts.restart(self.mixture, self.config.timestep)
            self.engine.run(start + scripts.equilibration_segment(self.config, self.mixture, seed + 2), folder)
            np.savez(
                folder / "evidence.npz",
                energy=np.loadtxt(folder / "energy.txt", ndmin=2)[:, 1] / self.config.particles,
                snapshots=read_dump(folder / "snapshots.dump", self.mixture.dimension),
            )
            _keep(folder, "after.restart", "evidence.npz")

        return work

    def _quench(self, before: str) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            shutil.copyfile(self.root / before / "after.restart", folder / "before.restart")
            quench_in(folder, self.engine, self.mixture, "restart")

        return work

    def _replicate(self, c: int, replicas: range, structure: str) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            with np.load(self.root / structure / "structure.npz") as stored:
                positions = stored["thermal"]
            script = ""
            for r in replicas:
                self._write_replica(folder, c, r, positions)
                script += scripts.replica(self.config, self.mixture, r, self._lammps_seed(c, REPLICA, r))
            self.engine.run(script, folder)
            fields = [self._displacement(folder, r, positions) for r in replicas]
            np.savez(folder / "displacements.npz", displacements=np.stack(fields))
            _keep(folder, "displacements.npz")

        return work

    def _write_melt(self, folder: Path, c: int) -> None:
        config = self.config
        positions = lattice_melt(config.particles, self.box, numpy_generator(config.seed, c, MELT))
        velocities = maxwell_boltzmann(
            config.particles,
            self.mixture.dimension,
            config.melt.temperature,
            numpy_generator(config.seed, c, VELOCITY),
        )
        write_data(folder / "start.data", positions, self.species, self.box, velocities)

    def _write_replica(self, folder: Path, c: int, r: int, positions: np.ndarray) -> None:
        config = self.config
        generator = numpy_generator(config.seed, c, REPLICA, r)
        velocities = maxwell_boltzmann(config.particles, self.mixture.dimension, config.temperature, generator)
        write_data(folder / f"replica-{r}.data", positions, self.species, self.box, velocities)

    def _displacement(self, folder: Path, r: int, positions: np.ndarray) -> np.ndarray:
        """Drift-free displacement at each lag, (K, N, d) float32."""
        lags = range(1, len(self.config.lags) + 1)
        frames = [read_dump(folder / f"replica-{r}-{k}.dump", self.mixture.dimension)[0] for k in lags]
        moved = np.stack(frames) - positions
        moved -= moved.mean(1, keepdims=True)
        if self.config.displacement_precision:
            moved = np.round(moved / self.config.displacement_precision) * self.config.displacement_precision
        return moved.astype(np.float32)

    def _lammps_seed(self, *keys: int) -> int:
        # LAMMPS takes positive 32-bit seeds; a few units are left for scripts that need several.
        return derive_seed(self.config.seed, *keys) % 900_000_000 + 1


def quench_in(folder: Path, engine: Engine, mixture: Mixture, source: str) -> None:
    """Minimise the configuration prepared in ``folder``; leaves ``structure.npz`` alone there."""
    engine.run(scripts.quench(mixture, FORCE_TOLERANCE, source), folder)
    energy, residual = np.loadtxt(folder / "inherent.txt")
    np.savez(
        folder / "structure.npz",
        thermal=read_dump(folder / "thermal.dump", mixture.dimension)[0],
        inherent=read_dump(folder / "inherent.dump", mixture.dimension)[0],
        energy=energy,
        residual=residual,
    )
    _keep(folder, "structure.npz")


def _keep(folder: Path, *names: str) -> None:
    for path in folder.iterdir():
        if path.name not in names:
            path.unlink()
