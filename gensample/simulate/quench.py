"""Inherent structures for a dataset, and of the futures of its displacement fields: by jobs, resumable."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from gensample.data.positions import MINIMISER, mixture_of
from gensample.data.store import Store, StoreWriter, digest
from gensample.errors import ConfigError, DataError
from gensample.physics.box import minimum_image
from gensample.physics.mixtures import Mixture
from gensample.ranges import ROUNDING
from gensample.simulate.addition import add_to_dataset
from gensample.simulate.lammps.files import keep, load, wrapped
from gensample.simulate.programs import FORCE_TOLERANCE, Lammps, Minima, Minimiser, Task, choose_minimiser
from gensample.simulate.scheduler import Job, run_jobs
from gensample.work import Work, amended

REPLICAS_PER_JOB = 8

FUTURES = "futures.npz"
# Of ka2d (N = 500, 36 fields), against a quench to 1e-7: h is right to 1.1e-4 (LAMMPS), 3.7e-4 (torch, which
# counts the force on a particle), the energy per particle to 1e-8, for 0.65 of the time. Rounding is finer.
TOLERANCE = 3e-4
PRECISION = 2.0**-13


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
    ``engine``, ``device``, ``tolerance``, ``processes`` and ``lmp``: see `choose_minimiser`.

    Raises:
        ConfigError: ``out`` exists, the mixture is unknown, the folder of finished jobs is another's, or an
            option does not suit the engine.
        DataError: the dataset is damaged or has no known potential.
        MissingDependencyError: LAMMPS is asked for and not installed.
        GensampleError: LAMMPS failed, or configurations did not reach the tolerance.
    """
    with Store.open(source) as store:
        task = Task(mixture_of(store), store.positions, store.species, store.box)
        present = store.inherent is not None
        if present and again and store.is_sheared:
            raise ConfigError(f"{source}: the fields start from these inherent structures; leave --again out")
    minimiser = choose_minimiser(engine, device=device, tolerance=tolerance, processes=processes, lmp=lmp)
    program, jobs = minimiser.program, minimiser.jobs(task)

    def add(work: Work, target: Path) -> str:
        run_jobs(jobs, work, program.processes, program.stop, "quenched", "structures")
        files = [work.arrays(f"{job.name}/structure.npz") for job in jobs]
        found = Minima(*(np.concatenate([file[key] for file in files]) for key in Minima._fields))
        attrs = minimum_attrs(found.energy, found.residual, **minimiser.attrs)
        with amended(source, target) as temporary, StoreWriter.resume(temporary) as writer:
            writer.write_inherent(wrapped(found.inherent, task.box), attrs)
        return (
            f"{len(found.energy)} inherent structures by {program.minimiser}, energy per particle "
            f"{found.energy.mean():.4f}, largest residual force {found.residual.max():.1e}"
        )

    decides = repr((task.mixture, minimiser.settings))
    fingerprint = {"quench": digest(decides, task.positions, task.species, task.box)}
    replace = again if present else None
    return add_to_dataset("inherent structures", source, out, "quench", fingerprint, replace, add)


def minimum_attrs(
    energy: Sequence[Any] | np.ndarray, residual: Sequence[Any] | np.ndarray, **made: Any
) -> dict[str, Any]:
    """How inherent structures were ``made``, by LAMMPS unless said; energies per particle, largest forces."""
    left = np.array(residual, np.float64)
    own = {"energy": np.array(energy, np.float64), "residual": left, "max_residual_force": float(left.max())}
    return {"minimiser": Lammps.minimiser, "tolerance": FORCE_TOLERANCE, **made, **own}


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
    which they are rounded; the others as for `choose_for_futures`.

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
        run_jobs(jobs, work, chosen.program.processes, chosen.program.stop, "quenched", "fields")
        with amended(source, target) as temporary, StoreWriter.resume(temporary) as writer:
            return write_futures(writer, work.root, blocks, chosen.attrs, precision)

    replace = again if present else None
    return add_to_dataset("inherent displacements", source, out, "futures", fingerprint, replace, add)


def future_work(
    start: Callable[[], tuple[Present, np.ndarray]], minimiser: Minimiser, precision: float
) -> Callable[[Path], None]:
    """Quenches the futures of a present and its fields (R, K, N, d); leaves ``futures.npz`` in a folder.

    ``precision``: inherent displacements are stored as multiples of it, which compress; 0: as they are.
    """

    def work(folder: Path) -> None:
        present, fields = start()
        found = present.quench(fields.reshape(-1, *fields.shape[2:]), minimiser, folder)
        h = found.displacements
        if precision:
            h = np.asarray(np.round(h / precision) * precision, np.float32)
        np.savez(
            folder / FUTURES,
            displacements=h.reshape(fields.shape),
            energy=found.energy.reshape(fields.shape[:2]),
            residual=found.residual.max(),
        )

    return work


def write_futures(
    writer: StoreWriter, root: Path, blocks: Sequence[Block], attrs: Mapping[str, Any], precision: float
) -> str:
    """Store what the jobs of ``blocks`` have left below ``root``; a summary."""
    files = [root / block.name / FUTURES for block in blocks]
    residual = max(float(load(file)["residual"]) for file in files)
    made = {**attrs, "precision": precision, "max_residual_force": residual}
    writer.reserve_inherent_displacements(made)
    count = 0
    for block, file in zip(blocks, files, strict=True):
        found = load(file)
        for r, h, energies in zip(block.replicas, found["displacements"], found["energy"], strict=True):
            writer.write_inherent_displacements(block.configuration, r, h, energies)
        count += found["energy"].size
    return (
        f"inherent displacements of {count} fields by {attrs['minimiser']}, "
        f"largest residual force {residual:.1e}"
    )


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
    width = max(REPLICAS_PER_JOB, minimiser.program.batch(store.num_particles) // fields)
    every = [np.flatnonzero(done).tolist() for done in store.done]
    return [
        Block(f"futures-{c:05d}-{first:05d}", c, replicas[first : first + width])
        for c, replicas in enumerate(every)
        for first in range(0, len(replicas), width)
    ]


def _job(store: Store, block: Block, minimiser: Minimiser, precision: float) -> Job:
    c, path = block.configuration, store.path

    def start() -> tuple[Present, np.ndarray]:
        with Store.open(path) as opened:
            x, inherent, box = [np.asarray(opened.row(key, c)) for key in ("positions", "inherent", "box")]
            present = Present(x, inherent, box, opened.species, mixture_of(opened))
            chosen = np.isin(np.flatnonzero(opened.done[c]), block.replicas)
            return present, opened.displacements(c)[chosen]

    cost = float(len(block.replicas) * len(store.times))
    return Job(block.name, None, cost, future_work(start, minimiser, precision))


def _futures_fingerprint(store: Store, minimiser: Minimiser, precision: float) -> dict[str, str]:
    """Tells whether unfinished work belongs to this task."""
    decides = repr((mixture_of(store), minimiser.settings, precision))
    for c in np.flatnonzero(store.done.any(axis=1)).tolist():
        decides += digest("", store.displacements(c))
    return {"futures": digest(decides, store.positions, store.inherent, store.species, store.box)}


class Quenched(NamedTuple):
    """Inherent displacements (F, N, d) float32, energies per particle (F,), largest forces left (F,)."""

    displacements: np.ndarray
    energy: np.ndarray
    residual: np.ndarray


@dataclass(frozen=True)
class Present:
    """What futures start from: positions and their inherent structure (N, d), wrapped or not, box (d,)."""

    positions: np.ndarray
    inherent: np.ndarray
    box: np.ndarray
    species: np.ndarray
    mixture: Mixture

    def quench(self, fields: np.ndarray, minimiser: Minimiser, folder: Path) -> Quenched:
        """Futures of fields (F, N, d) by one process, whose files are made in ``folder`` and removed."""
        futures = self.positions + fields.astype(np.float64)
        task = Task(self.mixture, futures, self.species, np.tile(self.box, (len(fields), 1)))
        found = minimiser.minimise(task, folder)
        keep(folder)
        return Quenched(self._moved(futures, found), found.energy, found.residual)

    def _moved(self, futures: np.ndarray, found: Minima) -> np.ndarray:
        """From the inherent structure to those of the futures, unwrapped, drift removed.

        No particle goes half a box edge down to a minimum: what of its way is lattice vectors is left out.
        """
        edges = torch.from_numpy(np.asarray(self.box, np.float64))
        down = minimum_image(torch.from_numpy(found.inherent - futures), edges).numpy()
        up = minimum_image(torch.from_numpy(self.inherent - self.positions), edges).numpy()
        moved = (futures - self.positions) + down - up
        return np.asarray(moved - moved.mean(1, keepdims=True), np.float32)


def choose_for_futures(
    engine: str | None = None,
    *,
    device: str = "cpu",
    tolerance: float | None = None,
    processes: int = 1,
    lmp: str | None = None,
    like: str | None = None,
) -> Minimiser:
    """As `gensample.simulate.programs.choose_minimiser`, of the tolerance that futures need.

    like: the minimiser that found the inherent structures they are compared with: unless something else is
    asked for, what torch found goes on with torch, since different minimisers may end in different minima.
    """
    if engine is None and lmp is None and like == MINIMISER:
        engine = "torch"
    tolerance = TOLERANCE if tolerance is None else tolerance
    return choose_minimiser(engine, device=device, tolerance=tolerance, processes=processes, lmp=lmp)


def quench_fields(
    positions: np.ndarray,
    inherent: np.ndarray,
    species: np.ndarray,
    box: np.ndarray,
    mixture: Mixture,
    fields: np.ndarray,
    minimiser: Minimiser | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Inherent displacements h = IS(x + u) - IS(x) of fields u, and energies per particle of IS(x + u).

    positions, inherent: (N, d), wrapped or not; species: (N,); box: (d,); fields: (F, N, d) unwrapped, which
    may overlap. h (F, N, d) float32, unwrapped, drift removed; energies (F,). ``minimiser``: of
    `choose_for_futures`; None: LAMMPS if it is installed, else torch. Neither depends on the other fields.

    Raises:
        GensampleError: one does not come to rest.
        DataError, ConfigError: positions and mixture do not fit each other.
    """
    minimiser = choose_for_futures() if minimiser is None else minimiser
    present, processes = Present(positions, inherent, box, species, mixture), minimiser.program.processes
    bounds = np.linspace(0, len(fields), min(processes, len(fields)) + 1).astype(int)

    def work(share: tuple[int, int]) -> Quenched:
        with tempfile.TemporaryDirectory() as folder:
            return present.quench(fields[share[0] : share[1]], minimiser, Path(folder))

    with ThreadPoolExecutor(max(1, processes)) as pool:
        found = list(pool.map(work, pairwise(bounds.tolist())))
    displacements, energy, _ = (np.concatenate(each) for each in zip(*found, strict=True))
    return displacements, energy
