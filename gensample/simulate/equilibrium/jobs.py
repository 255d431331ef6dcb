"""The jobs of an equilibrium sampling, each chain equilibrated, then sampled piece by piece; its dataset."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gensample.data.store import StoreWriter
from gensample.simulate.equilibrium.config import EquilibriumConfig
from gensample.simulate.equilibrium.evidence import summarise_sampling
from gensample.simulate.lammps import scripts
from gensample.simulate.lammps.engine import Engine
from gensample.simulate.lammps.files import keep, load, read_dump, wrapped
from gensample.simulate.programs import (
    FORCE_TOLERANCE,
    Lammps,
    Task,
    run_script,
)
from gensample.simulate.quench import minimum_attrs
from gensample.simulate.scheduler import Job
from gensample.simulate.start import BATH, StartPoints, Workshop
from gensample.stats.dynamics import OVERLAP_LENGTH

SAMPLES = "samples.npz"

Samples = dict[str, np.ndarray]


class ChainWorkshop(Workshop):
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
        settle = partial(self._equilibrate, level, chain), partial(self._equilibration, level, chain)
        jobs = [Job(before, None, cost, *settle)]
        for k, (name, count) in enumerate(self.pieces(level, chain)):
            cost = count * self.config.intervals()[level]
            inputs = partial(self._sampling, level, chain, k, count, jobs[-1].name)
            jobs.append(Job(name, jobs[-1].name, cost, partial(self._sample, inputs, count), inputs))
        return jobs

    def _equilibration(self, level: int, chain: int, folder: Path) -> str:
        config, temperature = self.config, self.config.temperatures[level]
        seed = self.lammps_seed(level, chain, BATH, 0)
        if self.start is None:
            self.write_melt(folder, level, chain)
            script = scripts.melt(config, temperature, config.thermostat, self.mixture, seed)
        else:
            self.write_given(folder, self.start.positions[chain], temperature, level, chain)
            script = scripts.given(config, self.mixture)
        steps = config.steps(config.equilibrations()[level])
        return script + scripts.settle(steps, temperature, config.thermostat, self.mixture, seed + 2)

    def _equilibrate(self, level: int, chain: int, folder: Path) -> None:
        run_script(self.engine, self.mixture, self._equilibration(level, chain, folder), folder)
        keep(folder, "after.restart")

    def _sampling(self, level: int, chain: int, k: int, count: int, before: str, folder: Path) -> str:
        seed = self.lammps_seed(level, chain, BATH, k + 1)
        start = scripts.restart(self.mixture, self.config.timestep, before)
        return start + scripts.sampling(self.config, level, count, self.mixture, seed)

    def _sample(self, inputs: Callable[[Path], str], count: int, folder: Path) -> None:
        run_script(self.engine, self.mixture, inputs(folder), folder)
        frames = read_dump(folder / "kept.dump", 1 + self.mixture.dimension)
        energy = np.loadtxt(folder / "energy.txt", ndmin=2)[-count * self.config.energies :, 1]
        samples: dict[str, Any] = {
            "energy": energy / self.config.particles,
            "thermal": by_species(frames[1:]),
            "moved": fraction_moved(frames[..., 1:]),
        }
        if self.config.inherent:
            task = Task(self.mixture, samples["thermal"], self.species, np.tile(self.box, (count, 1)))
            found = Lammps(self.engine).minimise(task, FORCE_TOLERANCE, folder)
            samples |= {"inherent": found.inherent, "inherent_energy": found.energy}
            samples["residual"] = found.residual
        np.savez(folder / SAMPLES, **samples)
        keep(folder, "after.restart", SAMPLES)

    def write(self, path: Path, command: str) -> None:
        """The dataset of a finished sampling: temperatures, chains and times in order."""
        config = self.config
        levels, chains, kept = len(config.temperatures), len(self.split), config.configurations
        samples = [self._chain(level, chain) for level in range(levels) for chain in range(chains)]
        boxes = np.tile(self.box, (levels * chains * kept, 1))
        attrs, arrays = self._evidence(samples)
        together = {name: np.concatenate([chain[name] for chain in samples]) for name in samples[0]}
        contents = self.contents(
            command,
            attrs,
            temperature=np.repeat(config.temperatures, chains * kept),
            box=boxes,
            split=np.tile(np.repeat(self.split, kept), levels).tolist(),
            positions=wrapped(together["thermal"], boxes),
        )
        with StoreWriter.create(path, contents) as writer:
            for name, array in arrays.items():
                writer.write_array(name, array)
            if config.inherent:
                made = minimum_attrs(together["inherent_energy"], together["residual"])
                writer.write_inherent(wrapped(together["inherent"], boxes), made)

    def _chain(self, level: int, chain: int) -> Samples:
        parts = [load(self.root / name / SAMPLES) for name, _ in self.pieces(level, chain)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _evidence(self, samples: list[Samples]) -> tuple[dict[str, Any], Samples]:
        """Attributes and arrays that show how well the chains sample, and the chain of each configuration."""
        config = self.config
        shape = (len(config.temperatures), len(self.split), -1)
        energy = np.stack([chain["energy"] for chain in samples]).reshape(shape)
        moved = np.stack([chain["moved"] for chain in samples]).reshape(shape)
        intervals = np.array(config.intervals())
        attrs = {
            "temperatures": np.array(config.temperatures),
            "sampling_interval": intervals,
            "equilibration_time": np.array(config.equilibrations()),
            "energy_spacing": intervals / config.energies,
            **summarise_sampling(energy, intervals / config.energies, moved),
        }
        number = np.repeat(np.arange(len(samples), dtype=np.int32), config.configurations)
        arrays = {"equilibration/energy": energy, "equilibration/chain": number}
        if self.start is not None:
            more, rows = self.start.record(config, number % len(self.split))
            attrs, arrays = {**attrs, **more}, {**arrays, **rows}
        return attrs, arrays


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
