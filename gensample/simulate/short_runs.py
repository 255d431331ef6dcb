"""What short runs find for every configuration of a dataset: cage positions, and probe runs.

Both are settings (`CageSettings`, `ProbeSettings`) that say which runs there are, what is kept of them and
what the dataset gets in the end; `add_short_runs` does them.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from gensample.data.positions import mixture_of
from gensample.data.store import PROBE, Store, StoreWriter, digest
from gensample.errors import ConfigError, DataError
from gensample.ranges import POSITIVE, SEED, TEMPERATURE, TIMESTEP, Range, check_choice, check_table, whole
from gensample.simulate.addition import add_to_dataset
from gensample.simulate.lammps.engine import find_engine
from gensample.simulate.lammps.files import keep, wrapped
from gensample.simulate.lammps.scripts import Snapshots
from gensample.simulate.programs import DAMPING, Lammps, Leg, Program, System, Task, displacements
from gensample.simulate.scheduler import Job, run_jobs
from gensample.simulate.settings import THERMOSTATS, check_steps
from gensample.simulate.start import CAGE
from gensample.simulate.start import PROBE as PROBE_STREAM
from gensample.work import Work, amended

# Of the time of a run: what a particle takes to forget its initial velocity is not averaged over.
BALLISTIC_SHARE = 0.2
REPLICAS_PER_JOB = 8
FOUND = "found.npz"
RUNS = {"replicas": whole(1, 100_000), "timestep": TIMESTEP, "seed": SEED}

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Starts(Task):
    """Where runs start, with the temperature (C,) of the dataset."""

    temperature: np.ndarray

    @classmethod
    def of(cls, store: Store, positions: np.ndarray) -> Starts:
        """Positions that belong to the configurations of a dataset.

        Raises:
            DataError: it has no known potential.
        """
        return cls(mixture_of(store), positions, store.species, store.box, store.temperature)

    def system(self, c: int) -> System:
        """Of one configuration."""
        return System(self.mixture, self.species, self.box[c])


class ShortRuns(ABC):
    """Runs from every configuration; ``what`` they give, ``kind`` of their folder, ``done``: a participle."""

    what: ClassVar[str]
    kind: ClassVar[str]
    done: ClassVar[str]
    ranges: ClassVar[dict[str, Range]]
    thermostat: str
    timestep: float

    def check(self) -> None:
        """Refuse settings that cannot be, naming the value."""
        check_table(self, self.ranges, "--")
        check_choice("--thermostat", self.thermostat, THERMOSTATS)

    def decides(self, starts: Starts) -> str:
        """Whether unfinished work belongs to these settings and starts."""
        return digest(
            repr(starts.mixture) + json.dumps(asdict(self)),  # type: ignore[call-overload]
            *(starts.positions, starts.species, starts.box),
        )

    @abstractmethod
    def read(self, store: Store) -> tuple[Starts, bool]:
        """Where runs start, and whether the dataset has what they give.

        Raises:
            DataError: there is nothing to start from.
        """

    @abstractmethod
    def parts(self, starts: Starts, c: int) -> Iterator[tuple[str, float, list[Leg]]]:
        """Name, cost (tau) and runs of each part of the work from a configuration."""

    @abstractmethod
    def summary(self, moved: np.ndarray) -> dict[str, np.ndarray]:
        """What is kept of displacements (R, W, N, d) of a part."""

    @abstractmethod
    def write(self, starts: Starts, found: list[list[Arrays]], writer: StoreWriter, attrs: Any) -> str:
        """Store what the parts of every configuration have found; a summary."""


def add_short_runs(
    source: Path,
    out: Path | None = None,
    *,
    settings: ShortRuns,
    processes: int = 2,
    lmp: str | None = None,
    again: bool = False,
    command: str = "",
) -> str:
    """Add what short runs find to a dataset, in place or as a copy ``out``; resumes; returns a summary.

    ``again`` replaces what the dataset has.

    Raises:
        ConfigError: ``out`` exists, settings cannot be, or the folder of finished jobs is another's.
        DataError: the dataset is damaged, has no known potential or nothing to start from.
        MissingDependencyError: LAMMPS is not installed.
        GensampleError: LAMMPS failed.
    """
    settings.check()
    with Store.open(source) as store:
        starts, present = settings.read(store)
    fingerprint = {settings.kind: settings.decides(starts)}

    def add(work: Work, target: Path) -> str:
        lammps = Lammps(find_engine(lmp), processes)
        jobs = short_run_jobs(starts, settings, lammps)
        run_jobs(jobs, work, lammps.processes, lammps.stop, settings.done, "tau")
        every = range(len(starts.positions))
        found = [[work.arrays(f"{name}/{FOUND}") for name, *_ in settings.parts(starts, c)] for c in every]
        with amended(source, target) as temporary:
            with Store.open(temporary) as store:
                if settings.decides(settings.read(store)[0]) != fingerprint[settings.kind]:
                    work.remove()
                    raise DataError(
                        f"{source} has got other inherent structures since these runs began; run again"
                    )
            with StoreWriter.resume(temporary) as writer:
                attrs = {"engine": lammps.description, "command": command, "damping": DAMPING}
                return settings.write(starts, found, writer, attrs)

    replace = again if present else None
    return add_to_dataset(settings.what, source, out, settings.kind, fingerprint, replace, add)


def short_run_jobs(starts: Starts, settings: ShortRuns, program: Program) -> list[Job]:
    """Every part of every configuration, in order; each leaves `FOUND` in its folder."""

    def work(c: int, legs: Callable[[], list[Leg]], folder: Path) -> None:
        found = program.run(starts.system(c), settings.timestep, legs(), folder)
        kept: dict[str, Any] = settings.summary(displacements(found, starts.positions[c]))
        np.savez(folder / FOUND, **kept)
        keep(folder, FOUND)

    def legs(c: int, k: int) -> list[Leg]:
        return list(settings.parts(starts, c))[k][2]

    return [
        Job(name, None, cost, partial(work, c, partial(legs, c, k)))
        for c in range(len(starts.positions))
        for k, (name, cost, _) in enumerate(settings.parts(starts, c))
    ]


@dataclass(frozen=True)
class CageSettings(ShortRuns):
    """Cage positions: where particles are on average while none of them leaves its cage; times in tau.

    ``replicas`` runs with fresh velocities from every configuration, ``snapshots`` of each, evenly spaced
    between BALLISTIC_SHARE of ``time`` and ``time``: the mean over all of the unwrapped positions, drift
    removed, wrapped. An average over runs of its own: were the replicas behind a dataset's propensities
    averaged, the input would know their noise. The average takes the place of the cage state of Alkemade et
    al., J. Chem. Phys. 158, 134512 (2023), mean positions while rearrangements are forbidden: here they are
    rare instead, for so short a time.
    """

    what = "cage positions"
    kind = "cage"
    done = "averaged"
    ranges = RUNS | {"time": POSITIVE, "snapshots": whole(1)}

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
        """See `ShortRuns`."""
        super().check()
        check_steps("--time", self.time, self.timestep)
        if self.kept.every < 1:
            raise ConfigError(
                f"--time {self.time:g} has too few steps of {self.timestep:g} for --snapshots "
                f"{self.snapshots}; ask for fewer"
            )

    def decides(self, starts: Starts) -> str:
        """See `ShortRuns`."""
        return digest(super().decides(starts), starts.temperature)

    def read(self, store: Store) -> tuple[Starts, bool]:
        """See `ShortRuns`."""
        return Starts.of(store, store.positions), store.cage is not None

    def parts(self, starts: Starts, c: int) -> Iterator[tuple[str, float, list[Leg]]]:
        """See `ShortRuns`: blocks of replicas."""
        x, temperature, bath = starts.positions[c], float(starts.temperature[c]), self.thermostat
        for first in range(0, self.replicas, REPLICAS_PER_JOB):
            block = range(first, min(first + REPLICAS_PER_JOB, self.replicas))
            keys = [(self.seed, c, CAGE, r) for r in block]
            legs = [Leg(x, temperature, key, self.kept, thermostat=bath) for key in keys]
            yield f"cage-{c:05d}-{first:05d}", len(block) * self.window[1], legs

    def summary(self, moved: np.ndarray) -> dict[str, np.ndarray]:
        """See `ShortRuns`: the mean displacement of each run (R, N, d)."""
        return {"moved": moved[:, 0]}

    def write(self, starts: Starts, found: list[list[Arrays]], writer: StoreWriter, attrs: Any) -> str:
        """See `ShortRuns`; the spread is the root of the variance (N,) between the means of runs."""
        moved = [np.concatenate([part["moved"] for part in parts]) for parts in found]  # (R, N, d) each
        centres = [x + each.mean(0) for x, each in zip(starts.positions, moved, strict=True)]
        cages = wrapped(centres, starts.box)
        spread = np.full(cages.shape[:2], np.nan)
        if self.replicas > 1:
            spread = np.stack([np.sqrt(each.var(0, ddof=1).sum(1)) for each in moved])
        # Of a component of a cage position, root mean square over particles.
        error = np.sqrt(np.square(spread).mean(1) / (starts.mixture.dimension * self.replicas))
        start, end = self.window
        made = asdict(self) | {"start": start, "time": end, **attrs, "standard_error": error}
        writer.write_cage(cages, made, spread if self.replicas > 1 else None)
        return (
            f"cage positions of {len(cages)} configurations, {self.replicas} replicas of "
            f"{self.snapshots} snapshots from t = {start:g} to {end:g}, standard error {error.mean():.4f}"
        )


@dataclass(frozen=True)
class ProbeSettings(ShortRuns):
    """Probe runs: ``replicas`` at each of ``temperatures``, seen at each of ``times`` (tau).

    From every inherent structure, with fresh velocities at each temperature; drift removed. Of what a
    minimum is given half becomes potential energy: without a thermostat velocities are drawn at twice the
    temperature; with one, at the temperature itself, and the thermostat makes up for it in a few tau.
    Isoconfigurational averages as in A. Widmer-Cooper, P. Harrowell and H. Fynewever, Phys. Rev. Lett. 93,
    135701 (2004), but short: heat stands in for time, which a particle needs to leave its cage.
    """

    what = "probe runs"
    kind = "probe"
    done = "probed"
    ranges = RUNS | {"temperatures": TEMPERATURE, "times": POSITIVE}

    temperatures: tuple[float, ...]
    times: tuple[float, ...]
    replicas: int
    thermostat: str = "nose-hoover"
    timestep: float = 0.005
    seed: int = 0

    @property
    def steps(self) -> list[int]:
        """Time steps of ``times``."""
        return [round(time / self.timestep) for time in self.times]

    @property
    def seen(self) -> list[float]:
        """The times of these steps, to which ``times`` are rounded."""
        return [round(step * self.timestep, 12) for step in self.steps]

    def check(self) -> None:
        """See `ShortRuns`."""
        super().check()
        for time in self.times:
            check_steps("--times", time, self.timestep)
        if not self.temperatures or len(set(self.temperatures)) < len(self.temperatures):
            raise ConfigError(f"--temperatures must be different ones, got {list(self.temperatures)}")
        steps = [0, *self.steps]
        if len(steps) < 2 or any(later <= earlier for earlier, later in pairwise(steps)):
            raise ConfigError(
                f"--times must be positive and increase by at least a step of {self.timestep:g}, "
                f"got {list(self.times)}"
            )

    def drawn_at(self, temperature: float) -> float:
        """Temperature of the velocities that runs at ``temperature`` begin with in a minimum."""
        return 2 * temperature if self.thermostat == "none" else temperature

    def decides(self, starts: Starts) -> str:
        """See `ShortRuns`; earlier versions drew velocities otherwise."""
        return digest(super().decides(starts) + json.dumps(list(map(self.drawn_at, self.temperatures))))

    def read(self, store: Store) -> tuple[Starts, bool]:
        """See `ShortRuns`."""
        inherent = store.inherent
        if inherent is None:
            raise DataError(
                f"{store.path} has no inherent structures to start from: `gensample quench {store.path}`"
            )
        return Starts.of(store, inherent), store.probe is not None

    def parts(self, starts: Starts, c: int) -> Iterator[tuple[str, float, list[Leg]]]:
        """See `ShortRuns`: temperatures."""
        for q, temperature in enumerate(self.temperatures):
            # By its value, so that temperatures may be listed in any order.
            level = round(1e6 * temperature)
            keys = [(self.seed, c, PROBE_STREAM, level, r) for r in range(self.replicas)]
            as_drawn = (self.drawn_at(temperature), self.thermostat)
            legs = [Leg(starts.positions[c], temperature, key, self.steps, *as_drawn) for key in keys]
            yield f"probe-{c:05d}-{q:02d}", self.replicas * self.times[-1], legs

    def summary(self, moved: np.ndarray) -> dict[str, np.ndarray]:
        """See `ShortRuns`: averages over replicas, each (N, W), those of `PROBE`."""
        length = np.linalg.norm(moved, axis=-1)
        found = {
            "length": length.mean(0),
            "log_length": np.log(length).mean(0),
            "mean_displacement": np.linalg.norm(moved.mean(0), axis=-1),
        }
        return {name: found[name].T for name in PROBE}

    def write(self, starts: Starts, found: list[list[Arrays]], writer: StoreWriter, attrs: Any) -> str:
        """See `ShortRuns`: arrays (C, N, Q, W)."""
        arrays = {
            name: np.stack([np.stack([each[name] for each in levels], 1) for levels in found])
            for name in PROBE
        }
        made = {k: v for k, v in asdict(self).items() if k not in ("temperatures", "times")}
        made["velocity_temperature"] = list(map(self.drawn_at, self.temperatures))
        writer.write_probe(arrays, self.temperatures, self.seen, {**made, **attrs})
        levels = ", ".join(f"{value:g}" for value in self.temperatures)
        return (
            f"probe runs from {len(starts.positions)} inherent structures, {self.replicas} at each "
            f"of T = {levels}, up to t = {self.times[-1]:g}"
        )
