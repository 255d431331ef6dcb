"""Inherent structures for a dataset, and of the futures of its displacement fields: by jobs, resumable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gensample.data.positions import mixture_of
from gensample.data.store import Store, StoreWriter, digest
from gensample.errors import ConfigError, DataError
from gensample.ranges import ROUNDING
from gensample.simulate.addition import Addition
from gensample.simulate.futures import PRECISION, Origin, choose_for_futures, rounded
from gensample.simulate.minimisers import Minimiser, Task, choose
from gensample.simulate.scheduler import Job, run_jobs
from gensample.simulate.structure import load, wrapped
from gensample.work import Work, amended

REPLICAS_PER_JOB = 8

FUTURES = "futures.npz"


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
    task, present = _read_task(source)
    if present and again:
        _refuse_sheared(source)
    minimiser = choose(engine, device=device, tolerance=tolerance, processes=processes, lmp=lmp)

    def add(work: Work, target: Path) -> str:
        jobs, stop = minimiser.jobs(task), minimiser.stop
        run_jobs(jobs, work, minimiser.processes, stop, "quenched", "structures")
        return _write_minima(task, work, minimiser, source, target)

    fingerprint = _task_fingerprint(task, minimiser)
    return Addition("inherent structures", source, out, "quench", fingerprint, present).make(add, again)


def _refuse_sheared(source: Path) -> None:
    """ConfigError for a dataset whose fields start from the inherent structures that it has."""
    with Store.open(source) as store:
        if store.is_sheared:
            raise ConfigError(f"{source}: the fields start from these inherent structures; leave --again out")


def _task_fingerprint(task: Task, minimiser: Minimiser) -> dict[str, str]:
    """Tells whether an unfinished quench belongs to this task."""
    decides = repr((task.mixture, minimiser.settings))
    return {"quench": digest(decides, task.positions, task.species, task.box)}


def _read_task(source: Path) -> tuple[Task, bool]:
    with Store.open(source) as store:
        task = Task(mixture_of(store), store.positions, store.species, store.box)
        return task, store.inherent is not None


def _write_minima(task: Task, work: Work, minimiser: Minimiser, source: Path, target: Path) -> str:
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


class Block(NamedTuple):
    """Replicas of one configuration whose futures are quenched by one job, and the job's folder."""

    name: str
    configuration: int
    replicas: list[int]


def quench_futures(
    source: Path,
    out: Path | None = None,
    *,
    engine: str | None = None,
    device: str = "cpu",
    tolerance: float | None = None,
    processes: int = 2,
    lmp: str | None = None,
    again: bool = False,
    precision: float = PRECISION,
) -> str:
    """Add inherent displacements to a dataset, in place or as a copy ``out``; resumes; returns a summary.

    Everything else in the dataset stays as it is. ``again`` replaces those it already has; ``precision`` to
    which they are rounded; the others as for `gensample.simulate.futures.choose_for_futures`.

    Raises:
        ConfigError: as `quench`; or the displacements are those of a shear.
        DataError: the dataset is damaged, has no known potential, no displacements or no inherent structures.
        MissingDependencyError: LAMMPS is asked for and not installed.
        GensampleError: LAMMPS failed, or futures did not come to rest.
    """
    ROUNDING.check("--precision", precision)
    with Store.open(source) as store:
        _check_futures(store)
        present, like = store.has_inherent_displacements, store.inherent_attrs.get("minimiser")
        chosen = choose_for_futures(
            engine, device=device, tolerance=tolerance, processes=processes, lmp=lmp, like=like
        )
        blocks, fingerprint = _blocks(store, chosen), _futures_fingerprint(store, chosen, precision)
        jobs = [_job(store, block, chosen, precision) for block in blocks]

    def add(work: Work, target: Path) -> str:
        run_jobs(jobs, work, chosen.processes, chosen.stop, "quenched", "fields")
        with amended(source, target) as temporary, StoreWriter.resume(temporary) as writer:
            return write_futures(writer, work.root, blocks, chosen.attrs, precision)

    what = "inherent displacements"
    return Addition(what, source, out, "futures", fingerprint, present).make(add, again)


def future_work(
    start: Callable[[], tuple[Origin, np.ndarray]], minimiser: Minimiser, precision: float
) -> Callable[[Path], None]:
    """Quenches the futures of an origin and its fields (R, K, N, d); leaves ``futures.npz`` in a folder."""

    def work(folder: Path) -> None:
        origin, fields = start()
        found = origin.quench(fields.reshape(-1, *fields.shape[2:]), minimiser, folder)
        np.savez(
            folder / FUTURES,
            displacements=rounded(found.displacements, precision).reshape(fields.shape),
            energy=found.energy.reshape(fields.shape[:2]),
            residual=found.residual.max(),
        )

    return work


def write_futures(
    writer: StoreWriter, root: Path, blocks: Sequence[Block], attrs: Mapping[str, Any], precision: float
) -> str:
    """Store what the jobs of ``blocks`` have left below ``root``; a summary."""
    residual = max(float(_found(root, block)["residual"]) for block in blocks)
    made = {**attrs, "precision": precision, "max_residual_force": residual}
    writer.reserve_inherent_displacements(made)
    count = 0
    for block in blocks:
        found = _found(root, block)
        for r, h, energies in zip(block.replicas, found["displacements"], found["energy"], strict=True):
            writer.write_inherent_displacements(block.configuration, r, h, energies)
        count += found["energy"].size
    return (
        f"inherent displacements of {count} fields by {attrs['minimiser']}, "
        f"largest residual force {residual:.1e}"
    )


def _found(root: Path, block: Block) -> Mapping[str, np.ndarray]:
    return load(root / block.name / FUTURES)


def _check_futures(store: Store) -> None:
    if store.is_sheared:
        raise ConfigError(f"{store.path} is sheared: its displacements already are between minima")
    if not (store.has_displacements and store.done.any()):
        raise DataError(f"{store.path} has no displacements whose futures could be quenched")
    if store.inherent is None:
        raise DataError(
            f"{store.path} has no inherent structures to start from; add them with `gensample quench` first"
        )


def _blocks(store: Store, minimiser: Minimiser) -> list[Block]:
    """Complete replicas of every configuration, as many together as fill a batch of the minimiser."""
    fields = len(store.times)
    width = max(REPLICAS_PER_JOB, minimiser.width(store.num_particles) // fields)
    done = store.done
    return [block for c in range(len(done)) for block in _of(c, np.flatnonzero(done[c]), width)]


def _of(c: int, replicas: np.ndarray, width: int) -> Iterator[Block]:
    for first in range(0, len(replicas), width):
        yield Block(f"futures-{c:05d}-{first:05d}", c, replicas[first : first + width].tolist())


def _job(store: Store, block: Block, minimiser: Minimiser, precision: float) -> Job:
    c, path = block.configuration, store.path

    def start() -> tuple[Origin, np.ndarray]:
        with Store.open(path) as opened:
            x, inherent, box = [np.asarray(opened.row(key, c)) for key in ("positions", "inherent", "box")]
            origin = Origin(x, inherent, box, opened.species, mixture_of(opened))
            chosen = np.isin(np.flatnonzero(opened.done[c]), block.replicas)
            return origin, opened.displacements(c)[chosen]

    cost = float(len(block.replicas) * len(store.times))
    return Job(block.name, None, cost, future_work(start, minimiser, precision))


def _futures_fingerprint(store: Store, minimiser: Minimiser, precision: float) -> dict[str, str]:
    """Tells whether unfinished work belongs to this task."""
    decides = repr((mixture_of(store), minimiser.settings, precision))
    for c in np.flatnonzero(store.done.any(axis=1)).tolist():
        decides += digest("", store.displacements(c))
    return {"futures": digest(decides, store.positions, store.inherent, store.species, store.box)}
