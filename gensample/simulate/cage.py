"""Cage positions: where particles are on average while none of them leaves its cage."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gensample.data.digest import digest
from gensample.data.energies import mixture_of
from gensample.data.store import Store, StoreWriter
from gensample.errors import ConfigError
from gensample.physics.mixtures import Mixture
from gensample.ranges import POSITIVE, SEED, TIMESTEP, check_choice, check_table, whole
from gensample.seeding import derive_seed, numpy_generator
from gensample.simulate import scripts
from gensample.simulate.engine import Engine, find_engine
from gensample.simulate.files import read_dump, write_data
from gensample.simulate.initial import maxwell_boltzmann
from gensample.simulate.parts import Addition, Parts
from gensample.simulate.scheduler import Job, run_jobs
from gensample.simulate.settings import THERMOSTATS, Bath, check_steps
from gensample.simulate.structure import keep, load, run_script, wrapped
from gensample.simulate.workshop import CAGE
from gensample.work import amended, parts_beside

# Of the time of a run: what a particle takes to forget its initial velocity is not averaged over.
BALLISTIC_SHARE = 0.2
REPLICAS_PER_JOB = 8
DAMPING = 0.5
RANGES = {
    "time": POSITIVE,
    "replicas": whole(1, 100_000),
    "snapshots": whole(1),
    "timestep": TIMESTEP,
    "seed": SEED,
}


@dataclass(frozen=True)
class CageSettings:
    """What decides cage positions; times in tau.

    ``replicas`` runs with fresh velocities from every configuration, ``snapshots`` of each, evenly spaced
    between BALLISTIC_SHARE of ``time`` and ``time``.
    """

    time: float = 5.0
    replicas: int = 32
    snapshots: int = 40
    thermostat: str = "nose-hoover"
    timestep: float = 0.005
    seed: int = 0

    @property
    def steps(self) -> tuple[int, int, int]:
        """Time steps between snapshots, number of snapshots, step of the last."""
        spacings = math.ceil(self.snapshots / (1 - BALLISTIC_SHARE))
        every = round(self.time / self.timestep / spacings)
        return every, self.snapshots, every * spacings

    @property
    def window(self) -> tuple[float, float]:
        """Times of the first and the last snapshot."""
        every, count, last = self.steps
        return (last - (count - 1) * every) * self.timestep, last * self.timestep

    def check(self) -> None:
        """Refuse settings that cannot be, naming the value."""
        check_table(self, RANGES, "--")
        check_choice("--thermostat", self.thermostat, THERMOSTATS)
        check_steps("--time", self.time, self.timestep)
        if self.steps[0] < 1:
            raise ConfigError(
                f"--time {self.time:g} has too few steps of {self.timestep:g} for --snapshots "
                f"{self.snapshots}; ask for fewer"
            )

    @property
    def bath(self) -> Bath:
        """The thermostat."""
        return Bath(self.thermostat, DAMPING)


@dataclass(frozen=True)
class CageTask:
    """Configurations to start from: positions (C, N, d), species (N,), box (C, d), temperature (C,)."""

    mixture: Mixture
    positions: np.ndarray
    species: np.ndarray
    box: np.ndarray
    temperature: np.ndarray


def cage(
    source: Path,
    out: Path | None = None,
    *,
    settings: CageSettings,
    processes: int = 2,
    lmp: str | None = None,
    again: bool = False,
    command: str = "",
) -> str:
    """Add cage positions to a dataset, in place or as a copy ``out``; resumes; returns a summary.

    The mean over replicas and snapshots of the unwrapped positions, drift removed, wrapped. An average over
    runs of its own: were the replicas behind a dataset's propensities averaged, the input would know their
    noise. The average takes the place of the cage state of Alkemade et al., J. Chem. Phys. 158, 134512
    (2023), mean positions while rearrangements are forbidden: here they are rare instead, for so short a
    time. ``again`` replaces cage positions the dataset has.

    Raises:
        ConfigError: ``out`` exists, settings cannot be, or the folder of finished jobs is another's.
        DataError: the dataset is damaged or has no known potential.
        MissingDependencyError: LAMMPS is not installed.
        GensampleError: LAMMPS failed.
    """
    settings.check()
    task, present = _read(source)

    def add(parts: Parts, target: Path) -> str:
        engine = find_engine(lmp)
        jobs = cage_jobs(task, settings, engine)
        run_jobs(jobs, parts.run, parts.is_done, processes, engine.stop, "averaged", "tau")
        attrs = {"engine": f"LAMMPS {engine.version}", "command": command}
        return _write(task, parts, settings, source, target, attrs)

    fingerprint = _fingerprint(task, settings)
    return Addition("cage positions", source, out, parts_folder, fingerprint, present).make(add, again)


def parts_folder(target: Path) -> Path:
    """Where the finished jobs of an unfinished average lie."""
    return parts_beside(target, "cage")


def _read(source: Path) -> tuple[CageTask, bool]:
    with Store.open(source) as store:
        task = CageTask(mixture_of(store), store.positions, store.species, store.box, store.temperature)
        return task, store.cage is not None


def _fingerprint(task: CageTask, settings: CageSettings) -> dict[str, str]:
    """Tells whether unfinished work belongs to this task."""
    decides = repr(task.mixture) + json.dumps(asdict(settings))
    return {"cage": digest(decides, task.positions, task.species, task.box, task.temperature)}


def cage_jobs(task: CageTask, settings: CageSettings, engine: Engine) -> list[Job]:
    """Blocks of replicas, configurations in order; each leaves ``mean.npz`` in its folder."""
    time = settings.window[1]
    return [
        Job(name, None, len(replicas) * time, _work(task, settings, engine, c, replicas))
        for c in range(len(task.positions))
        for name, replicas in _blocks(c, settings.replicas)
    ]


def _blocks(c: int, replicas: int) -> list[tuple[str, range]]:
    """Folder and replicas of each block of a configuration."""
    starts = range(0, replicas, REPLICAS_PER_JOB)
    return [(f"cage-{c:05d}-{s:05d}", range(s, min(s + REPLICAS_PER_JOB, replicas))) for s in starts]


def _work(
    task: CageTask, settings: CageSettings, engine: Engine, c: int, replicas: range
) -> Callable[[Path], None]:
    mixture, temperature = task.mixture, float(task.temperature[c])

    def work(folder: Path) -> None:
        script = ""
        for r in replicas:
            _write_start(folder / f"replica-{r}.data", task, c, numpy_generator(settings.seed, c, CAGE, r))
            seed = derive_seed(settings.seed, c, CAGE, r) % 900_000_000 + 1
            script += scripts.cage(
                r, temperature, settings.bath, settings.timestep, settings.steps, mixture, seed
            )
        run_script(engine, mixture, script, folder)
        means = [read_dump(folder / f"replica-{r}.dump", mixture.dimension)[0] for r in replicas]
        moved = np.stack(means) - task.positions[c]
        np.savez(folder / "mean.npz", moved=moved - moved.mean(1, keepdims=True))
        keep(folder, "mean.npz")

    return work


def _write_start(path: Path, task: CageTask, c: int, generator: np.random.Generator) -> None:
    """A configuration with fresh Maxwell-Boltzmann velocities."""
    particles, dimension = task.positions[c].shape
    velocities = maxwell_boltzmann(particles, dimension, float(task.temperature[c]), generator)
    write_data(path, task.positions[c], task.species, task.mixture.num_species, task.box[c], velocities)


def _write(
    task: CageTask,
    parts: Parts,
    settings: CageSettings,
    source: Path,
    target: Path,
    attrs: dict[str, Any],
) -> str:
    found = [_average(task, parts, c, settings.replicas) for c in range(len(task.positions))]
    cages = wrapped([{"cage": centre} for centre, _ in found], "cage", task.box)
    spread = np.stack([each for _, each in found])
    # Of a component of a cage position, root mean square over particles.
    error = np.sqrt(np.square(spread).mean(1) / (task.mixture.dimension * settings.replicas))
    made = asdict(settings) | {"start": settings.window[0], "time": settings.window[1]}
    with amended(source, target) as temporary, StoreWriter.resume(temporary) as writer:
        made |= {**attrs, "damping": DAMPING, "standard_error": error}
        writer.write_cage(cages, made, spread if settings.replicas > 1 else None)
    return (
        f"cage positions of {len(cages)} configurations, {settings.replicas} replicas of "
        f"{settings.snapshots} snapshots from t = {made['start']:g} to {made['time']:g}, "
        f"standard error {error.mean():.4f}"
    )


def _average(task: CageTask, parts: Parts, c: int, replicas: int) -> tuple[np.ndarray, np.ndarray]:
    """Cage positions (N, d), not wrapped, and the root of the variance (N,) between the runs' means.

    The latter is NaN for a single run.
    """
    moved = np.concatenate(
        [load(parts.root / name / "mean.npz")["moved"] for name, _ in _blocks(c, replicas)]
    )
    none = np.full(moved.shape[1], np.nan)
    spread = np.sqrt(moved.var(0, ddof=1).sum(1)) if replicas > 1 else none
    return task.positions[c] + moved.mean(0), spread
