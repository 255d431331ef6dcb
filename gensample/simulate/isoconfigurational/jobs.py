"""The jobs of a simulation: each makes one folder of results, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from gensample.seeding import numpy_generator
from gensample.simulate.futures import PRECISION, TOLERANCE, Origin
from gensample.simulate.isoconfigurational.config import SimulationConfig
from gensample.simulate.lammps import scripts
from gensample.simulate.lammps.engine import Engine
from gensample.simulate.lammps.files import read_dump
from gensample.simulate.minimisers import Lammps
from gensample.simulate.quench import Block, future_work
from gensample.simulate.scheduler import Job
from gensample.simulate.settings import SPLITS
from gensample.simulate.start import StartPoints
from gensample.simulate.structure import copy_thermal, keep, load, quench_in, run_script
from gensample.simulate.workshop import BATH, REPLICA, Bench


class Workshop(Bench):
    """Builds the jobs of one simulation; they read the results of earlier ones below ``root``."""

    def __init__(
        self, config: SimulationConfig, engine: Engine, root: Path, start: StartPoints | None = None
    ) -> None:
        super().__init__(config, engine, root, start)
        self.config = config
        names = [name for name in SPLITS if name in config.splits]
        self.split = [name for name in names for _ in range(config.splits[name].configurations)]
        self.replicas = [config.splits[name].replicas for name in self.split]
        self.precision = config.displacement_precision or PRECISION
        self.segments = round(config.equilibration.time / config.equilibration.segment)

    def jobs(self) -> list[Job]:
        """All jobs, configurations in order, each after the one it needs."""
        return [job for c in range(len(self.split)) for job in self._jobs_of(c)]

    def block_names(self, configuration: int, kind: str = "replicas") -> list[tuple[str, range]]:
        """Folder and replicas of each block of a configuration; ``kind``: "replicas" or "futures"."""
        size, total = self.config.replicas_per_job, self.replicas[configuration]
        starts = range(0, total, size)
        return [(f"{kind}-{configuration:05d}-{s:05d}", range(s, min(s + size, total))) for s in starts]

    def _jobs_of(self, c: int) -> list[Job]:
        jobs = self._given(c) if self.start else self._equilibrated(c)
        structure, before = f"structure-{c:05d}", jobs[-1].name
        jobs.append(Job(structure, before, 1.0, self._structure(before)))
        for name, replicas in self.block_names(c):
            cost = len(replicas) * self.config.lags[-1]
            jobs.append(Job(name, structure, cost, self._replicate(c, replicas, structure)))
        return jobs + self._futures(c, structure)

    @property
    def minimiser(self) -> Lammps:
        """Of futures."""
        return Lammps(self.engine, TOLERANCE, 1)

    def future_blocks(self, configuration: int) -> list[Block]:
        """Folder and replicas of each block of futures of a configuration; none where none are quenched."""
        if not (self.config.inherent and self.config.inherent_displacements):
            return []
        return [
            Block(name, configuration, list(replicas))
            for name, replicas in self.block_names(configuration, "futures")
        ]

    def _futures(self, c: int, structure: str) -> list[Job]:
        """Each after the replicas of which it quenches the futures."""

        def start(before: str) -> tuple[Origin, np.ndarray]:
            found = load(self.root / structure / "structure.npz")
            fields = load(self.root / before / "displacements.npz")["displacements"]
            origin = Origin(found["thermal"], found["inherent"], self.box, self.species, self.mixture)
            return origin, fields

        befores = [name for name, _ in self.block_names(c)]
        return [
            Job(block.name, before, 0.0, future_work(partial(start, before), self.minimiser, self.precision))
            for block, before in zip(self.future_blocks(c), befores, strict=False)
        ]

    def _equilibrated(self, c: int) -> list[Job]:
        jobs: list[Job] = []
        for k in range(self.segments):
            before = jobs[-1].name if jobs else None
            name = f"equilibration-{c:05d}-{k:04d}"
            jobs.append(Job(name, before, self.config.equilibration.segment, self._equilibrate(c, k, before)))
        return jobs

    def _given(self, c: int) -> list[Job]:
        return [Job(f"relaxation-{c:05d}", None, self.config.relaxation, self._relax(c))]

    def _relax(self, c: int) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            assert self.start is not None
            config = self.config
            self.write_given(folder, self.start.positions[c], config.temperature, c)
            script = scripts.given(config, self.mixture)
            steps, seed = config.steps(config.relaxation), self.lammps_seed(c, BATH, 0)
            script += scripts.settle(steps, config.temperature, config.bath(), self.mixture, seed)
            run_script(self.engine, self.mixture, script, folder)
            keep(folder, "after.restart")

        return work

    def _equilibrate(self, c: int, k: int, before: str | None) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            seed = self.lammps_seed(c, BATH, k)
            if before is None:
                self.write_melt(folder, c)
                start = scripts.melt(
                    self.config, self.config.temperature, self.config.bath(), self.mixture, seed
                )
            else:
                shutil.copyfile(self.root / before / "after.restart", folder / "before.restart")
                start = scripts.restart(self.mixture, self.config.timestep)
            script = start + scripts.equilibration_segment(self.config, self.mixture, seed + 2)
            run_script(self.engine, self.mixture, script, folder)
            np.savez(
                folder / "evidence.npz",
                energy=np.loadtxt(folder / "energy.txt", ndmin=2)[:, 1] / self.config.particles,
                snapshots=read_dump(folder / "snapshots.dump", self.mixture.dimension),
            )
            keep(folder, "after.restart", "evidence.npz")

        return work

    def _structure(self, before: str) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            shutil.copyfile(self.root / before / "after.restart", folder / "before.restart")
            if self.config.inherent:
                quench_in(folder, self.engine, self.mixture, "restart")
            else:
                copy_thermal(folder, self.engine, self.mixture)

        return work

    def _replicate(self, c: int, replicas: range, structure: str) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            positions = load(self.root / structure / "structure.npz")["thermal"]
            script = ""
            for r in replicas:
                self._write_replica(folder, c, r, positions)
                script += scripts.replica(self.config, self.mixture, r, self.lammps_seed(c, REPLICA, r))
            seconds = run_script(self.engine, self.mixture, script, folder)
            fields = [self._displacement(folder, r, positions) for r in replicas]
            np.savez(folder / "displacements.npz", displacements=np.stack(fields), core_seconds=seconds)
            keep(folder, "displacements.npz")

        return work

    def _write_replica(self, folder: Path, c: int, r: int, positions: np.ndarray) -> None:
        generator = numpy_generator(self.config.seed, c, REPLICA, r)
        self.write_start(folder / f"replica-{r}.data", positions, self.config.temperature, generator)

    def _displacement(self, folder: Path, r: int, positions: np.ndarray) -> np.ndarray:
        """Drift-free displacement at each lag, (K, N, d) float32."""
        lags = range(1, len(self.config.lags) + 1)
        frames = [read_dump(folder / f"replica-{r}-{k}.dump", self.mixture.dimension)[0] for k in lags]
        moved = np.stack(frames) - positions
        moved -= moved.mean(1, keepdims=True)
        if self.config.displacement_precision:
            moved = np.round(moved / self.config.displacement_precision) * self.config.displacement_precision
        return np.asarray(moved, np.float32)
