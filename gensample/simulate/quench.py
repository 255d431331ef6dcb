"""Inherent structures for a dataset that has none, or other ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gensample.data.positions import mixture_of
from gensample.data.store import Store, StoreWriter, digest
from gensample.errors import ConfigError
from gensample.simulate.minimisers import Minimiser, Task, choose
from gensample.simulate.parts import Addition
from gensample.simulate.scheduler import run_jobs
from gensample.simulate.structure import wrapped
from gensample.work import Work, amended


def quench(
    source: Path,
    out: Path | None = None,
    *,
    engine: str | None = None,
    device: str = "cpu",
    tolerance: float | None = None,
    processes: int = 2,
    lmp: str | None = None,
    again: bool = False,
) -> str:
    """Add inherent structures to a dataset, in place or as a copy ``out``; resumes; returns a summary.

    Everything else in the dataset stays as it is. ``again`` replaces inherent structures it already has, and
    removes probe runs, which started from those.
    ``engine``, ``device``, ``tolerance``, ``processes`` and ``lmp``: see `gensample.simulate.minimisers`.

    Raises:
        ConfigError: ``out`` exists, the mixture is unknown, the folder of finished jobs is another's, or an
            option does not suit the engine.
        DataError: the dataset is damaged or has no known potential.
        MissingDependencyError: LAMMPS is asked for and not installed.
        GensampleError: LAMMPS failed, or configurations did not reach the tolerance.
    """
    task, present = _read(source)
    if present and again:
        _refuse_sheared(source)
    minimiser = choose(engine, device=device, tolerance=tolerance, processes=processes, lmp=lmp)

    def add(work: Work, target: Path) -> str:
        jobs, stop = minimiser.jobs(task), minimiser.stop
        run_jobs(jobs, work, minimiser.processes, stop, "quenched", "structures")
        return _write(task, work, minimiser, source, target)

    fingerprint = _fingerprint(task, minimiser)
    return Addition("inherent structures", source, out, "quench", fingerprint, present).make(add, again)


def _refuse_sheared(source: Path) -> None:
    """ConfigError for a dataset whose fields start from the inherent structures that it has."""
    with Store.open(source) as store:
        if store.is_sheared:
            raise ConfigError(f"{source}: the fields start from these inherent structures; leave --again out")


def _fingerprint(task: Task, minimiser: Minimiser) -> dict[str, str]:
    """Tells whether an unfinished quench belongs to this task."""
    decides = repr((task.mixture, minimiser.settings))
    return {"quench": digest(decides, task.positions, task.species, task.box)}


def _read(source: Path) -> tuple[Task, bool]:
    with Store.open(source) as store:
        task = Task(mixture_of(store), store.positions, store.species, store.box)
        return task, store.inherent is not None


def _write(task: Task, work: Work, minimiser: Minimiser, source: Path, target: Path) -> str:
    batches = [work.arrays(f"{job.name}/structure.npz") for job in minimiser.jobs(task)]
    structures = minimiser.structures(batches)
    energy, residual = (np.array([float(one[key]) for one in structures]) for key in ("energy", "residual"))
    attrs = {**minimiser.attrs, "energy": energy, "residual": residual, "max_residual_force": residual.max()}
    with amended(source, target) as temporary, StoreWriter.resume(temporary) as writer:
        writer.write_inherent(wrapped(structures, "inherent", task.box), attrs)
    return (
        f"{len(structures)} inherent structures by {minimiser.attrs['minimiser']}, "
        f"energy per particle {energy.mean():.4f}, largest residual force {residual.max():.1e}"
    )
