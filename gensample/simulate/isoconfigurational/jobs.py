"""The jobs of a simulation, each of which makes one folder of results, and the dataset made of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gensample.data.store import StoreWriter
from gensample.errors import GensampleError
from gensample.ranges import RESIDUAL_FORCE
from gensample.seeding import numpy_generator
from gensample.simulate.isoconfigurational.config import SimulationConfig
from gensample.simulate.isoconfigurational.evidence import overlap_decay, scattering_decay, summarise
from gensample.simulate.lammps import scripts
from gensample.simulate.lammps.engine import Engine
from gensample.simulate.lammps.files import keep, load, read_dump, wrapped
from gensample.simulate.programs import (
    FORCE_TOLERANCE,
    Lammps,
    Minima,
    Minimiser,
    run_script,
)
from gensample.simulate.quench import (
    PRECISION,
    TOLERANCE,
    Block,
    Present,
    future_work,
    minimum_attrs,
    write_futures,
)
from gensample.simulate.scheduler import Job
from gensample.simulate.settings import SPLITS
from gensample.simulate.start import BATH, REPLICA, StartPoints, Workshop, lattice_melt


class EnsembleWorkshop(Workshop):
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
        relax = partial(self._relax, c), partial(self._relaxation, c)
        relaxed = Job(f"relaxation-{c:05d}", None, self.config.relaxation, *relax)
        jobs = [relaxed] if self.start else self._equilibrated(c)
        structure, before = f"structure-{c:05d}", jobs[-1].name
        found = partial(self._structure, before), partial(self._minimum, before)
        jobs.append(Job(structure, before, 1.0, *found))
        for name, replicas in self.block_names(c):
            cost, those = len(replicas) * self.config.lags[-1], (c, replicas, structure)
            work, inputs = partial(self._replicate, *those), partial(self._replicas_to_come, *those)
            jobs.append(Job(name, structure, cost, work, inputs))
        return jobs + self._futures(c, structure)

    @property
    def minimiser(self) -> Minimiser:
        """Of futures."""
        return Minimiser(Lammps(self.engine), TOLERANCE)

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

        def start(before: str) -> tuple[Present, np.ndarray]:
            found = load(self.root / structure / "structure.npz")
            fields = load(self.root / before / "displacements.npz")["displacements"]
            present = Present(found["thermal"], found["inherent"], self.box, self.species, self.mixture)
            return present, fields

        def work(before: str, folder: Path) -> None:
            future_work(partial(start, before), self.minimiser, self.precision)(folder)

        befores = [name for name, _ in self.block_names(c)]
        return [
            Job(block.name, before, 0.0, partial(work, before))
            for block, before in zip(self.future_blocks(c), befores, strict=False)
        ]

    def _equilibrated(self, c: int) -> list[Job]:
        jobs: list[Job] = []
        for k in range(self.segments):
            before = jobs[-1].name if jobs else None
            name, inputs = f"equilibration-{c:05d}-{k:04d}", partial(self._segment, c, k, before)
            work = partial(self._equilibrate, inputs)
            jobs.append(Job(name, before, self.config.equilibration.segment, work, inputs))
        return jobs

    def _relaxation(self, c: int, folder: Path) -> str:
        assert self.start is not None
        config = self.config
        self.write_given(folder, self.start.positions[c], config.temperature, c)
        steps, seed = config.steps(config.relaxation), self.lammps_seed(c, BATH, 0)
        settled = scripts.settle(steps, config.temperature, config.bath(), self.mixture, seed)
        return scripts.given(config, self.mixture) + settled

    def _relax(self, c: int, folder: Path) -> None:
        run_script(self.engine, self.mixture, self._relaxation(c, folder), folder)
        keep(folder, "after.restart")

    def _segment(self, c: int, k: int, before: str | None, folder: Path) -> str:
        config, seed = self.config, self.lammps_seed(c, BATH, k)
        if before is None:
            self.write_melt(folder, c)
            start = scripts.melt(config, config.temperature, config.bath(), self.mixture, seed)
        else:
            start = scripts.restart(self.mixture, config.timestep, before)
        return start + scripts.equilibration_segment(config, self.mixture, seed + 2)

    def _equilibrate(self, inputs: Callable[[Path], str], folder: Path) -> None:
        run_script(self.engine, self.mixture, inputs(folder), folder)
        np.savez(
            folder / "evidence.npz",
            energy=np.loadtxt(folder / "energy.txt", ndmin=2)[:, 1] / self.config.particles,
            snapshots=read_dump(folder / "snapshots.dump", self.mixture.dimension),
        )
        keep(folder, "after.restart", "evidence.npz")

    def _minimum(self, before: str, folder: Path) -> str:
        tolerance = FORCE_TOLERANCE if self.config.inherent else None
        return scripts.structure(self.mixture, tolerance, before)

    def _structure(self, before: str, folder: Path) -> None:
        names = ("thermal", "inherent") if self.config.inherent else ("thermal",)
        run_script(self.engine, self.mixture, self._minimum(before, folder), folder)
        found: dict[str, Any] = {
            name: read_dump(folder / f"{name}.dump", self.mixture.dimension)[0] for name in names
        }
        if self.config.inherent:
            found["energy"], found["residual"] = np.loadtxt(folder / "inherent.txt")
            if not RESIDUAL_FORCE.holds(found["residual"]):
                left = f"a force of {found['residual']:.2g} is left"
                raise GensampleError(f"LAMMPS found no minimum in {folder}: {left}")
        np.savez(folder / "structure.npz", **found)
        keep(folder, "structure.npz")

    def _replica_inputs(
        self, c: int, replicas: range, folder: Path, positions: np.ndarray, thermal: str | None = None
    ) -> str:
        script = ""
        for r in replicas:
            generator = numpy_generator(self.config.seed, c, REPLICA, r)
            self.write_start(folder / f"replica-{r}.data", positions, self.config.temperature, generator)
            seed = self.lammps_seed(c, REPLICA, r)
            script += scripts.replica(self.config, self.mixture, r, seed, thermal)
        return script

    def _replicas_to_come(self, c: int, replicas: range, structure: str, folder: Path) -> str:
        """Inputs before the positions are known: data files have any, the dump of ``structure`` theirs."""
        config = self.config
        steps = config.steps(config.relaxation if self.start else config.equilibration.time)
        anywhere = lattice_melt(config.particles, self.box, numpy_generator(0))
        thermal = f"../{structure}/thermal.dump {steps}"
        return self._replica_inputs(c, replicas, folder, anywhere, thermal)

    def _replicate(self, c: int, replicas: range, structure: str, folder: Path) -> None:
        positions = load(self.root / structure / "structure.npz")["thermal"]
        script = self._replica_inputs(c, replicas, folder, positions)
        seconds = run_script(self.engine, self.mixture, script, folder)
        fields = [self._displacement(folder, r, positions) for r in replicas]
        np.savez(folder / "displacements.npz", displacements=np.stack(fields), core_seconds=seconds)
        keep(folder, "displacements.npz")

    def _displacement(self, folder: Path, r: int, positions: np.ndarray) -> np.ndarray:
        """Drift-free displacement at each lag, (K, N, d) float32."""
        lags = range(1, len(self.config.lags) + 1)
        frames = [read_dump(folder / f"replica-{r}-{k}.dump", self.mixture.dimension)[0] for k in lags]
        moved = np.stack(frames) - positions
        moved -= moved.mean(1, keepdims=True)
        if self.config.displacement_precision:
            moved = np.round(moved / self.config.displacement_precision) * self.config.displacement_precision
        return np.asarray(moved, np.float32)

    def write(self, path: Path, command: str) -> None:
        """The dataset of a finished simulation."""
        count, config = len(self.split), self.config
        structures = [load(self.root / f"structure-{c:05d}" / "structure.npz") for c in range(count)]
        boxes = np.tile(self.box, (count, 1))
        attrs, arrays = (
            self._evidence() if self.start is None else self.start.record(config, np.arange(count))
        )
        contents = self.contents(
            command,
            attrs,
            temperature=config.temperature,
            box=boxes,
            split=self.split,
            positions=wrapped([one["thermal"] for one in structures], boxes),
            times=np.array(config.lags),
            replicas=np.array(self.replicas),
        )
        with StoreWriter.create(path, contents) as writer:
            if config.inherent:
                inherent, energy, residual = ([one[key] for one in structures] for key in Minima._fields)
                writer.write_inherent(wrapped(inherent, boxes), minimum_attrs(energy, residual))
            for name, array in arrays.items():
                writer.write_array(name, array)
            self._write_replicas(writer)
            blocks = [block for c in range(count) for block in self.future_blocks(c)]
            if blocks:
                write_futures(writer, self.root, blocks, self.minimiser.attrs, self.precision)

    def _write_replicas(self, writer: StoreWriter) -> None:
        """Displacements, and the mean core-seconds of the replicas of which they are known."""
        spent, known = 0.0, 0
        for c in range(len(self.split)):
            for name, replicas in self.block_names(c):
                found = load(self.root / name / "displacements.npz")
                for r, field in zip(replicas, found["displacements"], strict=True):
                    writer.write_replica(c, r, field)
                # Not there in what was finished before they were recorded.
                if "core_seconds" in found:
                    spent, known = spent + float(found["core_seconds"]), known + len(replicas)
        if known:
            writer.write_attribute("core_seconds_per_replica", spent / known)

    def _evidence(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Attributes and arrays that show the equilibration."""
        config = self.config
        spacing = config.equilibration.time / config.equilibration.snapshots
        kept = round(config.equilibration.segment / spacing)
        energies, overlaps, scatterings = [], [], []
        for c in range(len(self.split)):
            parts = [
                load(self.root / f"equilibration-{c:05d}-{k:04d}" / "evidence.npz")
                for k in range(self.segments)
            ]
            energies.append(np.concatenate([part["energy"] for part in parts]))
            # LAMMPS dumps the start of a segment too, which is the end of the one before.
            snapshots = np.concatenate([part["snapshots"][-kept:] for part in parts])
            overlaps.append(overlap_decay(snapshots, self.species))
            scatterings.append(scattering_decay(snapshots, self.species))
        energy, overlap, scattering = np.stack(energies), np.stack(overlaps), np.stack(scatterings)
        arrays = {
            "equilibration/energy": energy,
            "equilibration/overlap": overlap,
            "equilibration/scattering": scattering,
            "equilibration/lags": spacing * np.arange(1, overlap.shape[1] + 1),
        }
        return summarise(energy, overlap, scattering, spacing, config.equilibration.time), arrays
