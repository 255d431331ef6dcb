"""Inherent structures for a dataset that has none, or other ones."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from gensample.data.store import Store, StoreWriter
from gensample.errors import ConfigError, DataError
from gensample.physics.box import check_cutoff
from gensample.physics.mixtures import TRUNCATIONS, Mixture, get_mixture
from gensample.simulate.engine import Engine, find_engine
from gensample.simulate.files import write_data
from gensample.simulate.parts import Parts, claim
from gensample.simulate.scheduler import Job, run_jobs
from gensample.simulate.structure import FORCE_TOLERANCE, load, quench_attrs, quench_in, wrapped


@dataclass(frozen=True)
class Task:
    """What is to be minimised: a mixture, and the positions (C, N, d), species (N,) and boxes (C, d)."""

    mixture: Mixture
    positions: np.ndarray
    species: np.ndarray
    box: np.ndarray

    def fingerprint(self) -> dict[str, str]:
        """Tells whether an unfinished quench belongs to this task."""
        digest = hashlib.sha256(repr((self.mixture, FORCE_TOLERANCE)).encode())
        for array in (self.positions, self.species, self.box):
            digest.update(np.ascontiguousarray(array).tobytes())
        return {"quench": digest.hexdigest()}

    def jobs(self, engine: Engine) -> list[Job]:
        """One job for each configuration."""
        count = len(self.positions)
        return [Job(_name(c), None, 1.0, self._work(engine, c)) for c in range(count)]

    def _work(self, engine: Engine, c: int) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            start = folder / "start.data"
            write_data(start, self.positions[c], self.species, self.mixture.num_species, self.box[c])
            quench_in(folder, engine, self.mixture, "data")

        return work


def quench(
    source: Path, out: Path | None = None, *, processes: int = 2, lmp: str | None = None, again: bool = False
) -> str:
    """Add inherent structures to a dataset, in place or as a copy ``out``; resumes; returns a summary.

    Everything else in the dataset stays as it is. ``again`` replaces inherent structures it already has.

    Raises:
        ConfigError: ``out`` exists, the mixture is unknown, or the folder of finished jobs is another's.
        DataError: the dataset is damaged or has no known potential.
        MissingDependencyError: LAMMPS is not installed.
        GensampleError: LAMMPS failed.
    """
    target = (source if out is None else out).resolve()
    if target.exists() and target != source.resolve():
        raise ConfigError(f"{target} exists; remove it or choose another --out")
    task, has_inherent = _read(source)
    if has_inherent and not again:
        return f"{source} has inherent structures; nothing to do (--again replaces them)"
    engine = find_engine(lmp)
    root = parts_folder(target)
    with claim(root, task.fingerprint()) as parts:
        jobs = task.jobs(engine)
        run_jobs(jobs, parts.run, parts.is_done, processes, engine.stop, "quenched", "structures")
        summary = _write(task, parts, engine, source, target)
        parts.remove()
    return f"{target}: {summary}"


def parts_folder(target: Path) -> Path:
    """Where the finished jobs of an unfinished quench lie."""
    return target.with_name(f"{target.name}.quench")


def _read(source: Path) -> tuple[Task, bool]:
    with Store.open(source) as store:
        mixture = get_mixture(store.mixture)
        if store.truncation not in TRUNCATIONS:
            raise DataError(
                f"{source} has the truncation {store.truncation!r}, known are {', '.join(TRUNCATIONS)}"
            )
        if store.dimension != mixture.dimension or int(store.species.max()) >= mixture.num_species:
            raise DataError(f"{source} has other dimensions or more species than its mixture {mixture.name}")
        check_cutoff(mixture.cutoff, torch.from_numpy(store.box))
        mixture = replace(mixture, truncation=store.truncation)
        return Task(mixture, store.positions, store.species, store.box), store.inherent is not None


def _write(task: Task, parts: Parts, engine: Engine, source: Path, target: Path) -> str:
    structures = [load(parts.root / _name(c) / "structure.npz") for c in range(len(task.positions))]
    attrs = {**quench_attrs(structures), "engine": f"LAMMPS {engine.version}"}
    with parts.publish(target) as temporary:
        shutil.copy(source, temporary)
        with StoreWriter.resume(temporary) as writer:
            writer.write_inherent(wrapped(structures, "inherent", task.box), attrs)
    return (
        f"{len(structures)} inherent structures, energy per particle {attrs['energy'].mean():.4f}, "
        f"largest residual force {attrs['max_residual_force']:.1e}"
    )


def _name(c: int) -> str:
    return f"structure-{c:05d}"
