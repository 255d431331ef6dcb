"""Cage positions: where particles are on average while none of them leaves its cage."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gensample.data.store import Store, StoreWriter, digest
from gensample.errors import ConfigError
from gensample.ranges import POSITIVE, SEED, TIMESTEP, check_choice, check_table, whole
from gensample.simulate.lammps.scripts import Snapshots
from gensample.simulate.parts import Addition
from gensample.simulate.scheduler import Job
from gensample.simulate.settings import THERMOSTATS, check_steps
from gensample.simulate.short_runs import DAMPING, Lammps, Leg, Starts, add_runs, leg_job
from gensample.simulate.structure import wrapped
from gensample.simulate.workshop import CAGE
from gensample.work import Work, amended

# Of the time of a run: what a particle takes to forget its initial velocity is not averaged over.
BALLISTIC_SHARE = 0.2
REPLICAS_PER_JOB = 8
MEAN = "mean.npz"
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
    def kept(self) -> Snapshots:
        """The snapshots, in time steps."""
        spacings = math.ceil(self.snapshots / (1 - BALLISTIC_SHARE))
        every = round(self.time / self.timestep / spacings)
        return Snapshots(every, self.snapshots, every * spacings)

    @property
    def window(self) -> tuple[float, float]:
        """Times of the first and the last snapshot."""
        every, number, last = self.kept
        return (last - (number - 1) * every) * self.timestep, last * self.timestep

    def check(self) -> None:
        """Refuse settings that cannot be, naming the value."""
        check_table(self, RANGES, "--")
        check_choice("--thermostat", self.thermostat, THERMOSTATS)
        check_steps("--time", self.time, self.timestep)
        if self.kept.every < 1:
            raise ConfigError(
                f"--time {self.time:g} has too few steps of {self.timestep:g} for --snapshots "
                f"{self.snapshots}; ask for fewer"
            )


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
    starts, present = _read(source)
    fingerprint = _fingerprint(starts, settings)
    return add_runs(
        Addition("cage positions", source, out, "cage", fingerprint, present),
        partial(cage_jobs, starts, settings),
        partial(_write, starts, settings, source),
        done="averaged",
        processes=processes,
        lmp=lmp,
        again=again,
        command=command,
    )


def _read(source: Path) -> tuple[Starts, bool]:
    with Store.open(source) as store:
        return Starts.of(store, store.positions), store.cage is not None


def _fingerprint(starts: Starts, settings: CageSettings) -> dict[str, str]:
    """Tells whether unfinished work belongs to this task."""
    decides = repr(starts.mixture) + json.dumps(asdict(settings))
    return {"cage": digest(decides, starts.positions, starts.species, starts.box, starts.temperature)}


def cage_jobs(starts: Starts, settings: CageSettings, lammps: Lammps) -> list[Job]:
    """Blocks of replicas, configurations in order; each leaves `MEAN` in its folder."""
    return [
        leg_job(
            name,
            len(replicas) * settings.window[1],
            partial(lammps.run, starts.system(c), settings.timestep),
            partial(_legs, starts, settings, c, replicas),
            starts.positions[c],
            (MEAN, lambda moved: {"moved": moved[:, 0]}),
        )
        for c in range(len(starts.positions))
        for name, replicas in _blocks(c, settings.replicas)
    ]


def _blocks(c: int, replicas: int) -> list[tuple[str, range]]:
    """Folder and replicas of each block of a configuration."""
    starts = range(0, replicas, REPLICAS_PER_JOB)
    return [(f"cage-{c:05d}-{s:05d}", range(s, min(s + REPLICAS_PER_JOB, replicas))) for s in starts]


def _legs(starts: Starts, settings: CageSettings, c: int, replicas: range) -> list[Leg]:
    positions, temperature, kept = starts.positions[c], float(starts.temperature[c]), settings.kept
    keys = [(settings.seed, c, CAGE, r) for r in replicas]
    return [Leg(positions, temperature, key, kept, thermostat=settings.thermostat) for key in keys]


def _write(
    starts: Starts,
    settings: CageSettings,
    source: Path,
    work: Work,
    target: Path,
    attrs: dict[str, Any],
) -> str:
    found = [_average(starts, work, c, settings.replicas) for c in range(len(starts.positions))]
    cages = wrapped([{"cage": centre} for centre, _ in found], "cage", starts.box)
    spread = np.stack([each for _, each in found])
    # Of a component of a cage position, root mean square over particles.
    error = np.sqrt(np.square(spread).mean(1) / (starts.mixture.dimension * settings.replicas))
    made = asdict(settings) | {"start": settings.window[0], "time": settings.window[1]}
    with amended(source, target) as temporary, StoreWriter.resume(temporary) as writer:
        made |= {**attrs, "damping": DAMPING, "standard_error": error}
        writer.write_cage(cages, made, spread if settings.replicas > 1 else None)
    return (
        f"cage positions of {len(cages)} configurations, {settings.replicas} replicas of "
        f"{settings.snapshots} snapshots from t = {made['start']:g} to {made['time']:g}, "
        f"standard error {error.mean():.4f}"
    )


def _average(starts: Starts, work: Work, c: int, replicas: int) -> tuple[np.ndarray, np.ndarray]:
    """Cage positions (N, d), not wrapped, and the root of the variance (N,) between the runs' means.

    The latter is NaN for a single run.
    """
    moved = np.concatenate([work.arrays(f"{name}/{MEAN}")["moved"] for name, _ in _blocks(c, replicas)])
    none = np.full(moved.shape[1], np.nan)
    spread = np.sqrt(moved.var(0, ddof=1).sum(1)) if replicas > 1 else none
    return starts.positions[c] + moved.mean(0), spread
