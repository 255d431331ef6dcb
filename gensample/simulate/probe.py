"""Probe runs: short, often heated runs from inherent structures, and how far each particle gets in them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from gensample.data.store import PROBE, Store, StoreWriter, digest
from gensample.errors import ConfigError, DataError
from gensample.ranges import POSITIVE, SEED, TEMPERATURE, TIMESTEP, check_choice, check_table, whole
from gensample.simulate.parts import Addition
from gensample.simulate.scheduler import Job
from gensample.simulate.settings import THERMOSTATS, check_steps
from gensample.simulate.short_runs import DAMPING, Lammps, Leg, Starts, add_runs, leg_job
from gensample.simulate.workshop import PROBE as STREAM
from gensample.work import Work, amended

MOVED = "moved.npz"
RANGES = {
    "temperatures": TEMPERATURE,
    "times": POSITIVE,
    "replicas": whole(1, 100_000),
    "timestep": TIMESTEP,
    "seed": SEED,
}


@dataclass(frozen=True)
class ProbeSettings:
    """What decides probe runs: ``replicas`` at each of ``temperatures``, seen at each of ``times`` (tau)."""

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
        """Refuse settings that cannot be, naming the value."""
        check_table(self, RANGES, "--")
        check_choice("--thermostat", self.thermostat, THERMOSTATS)
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


def probe(
    source: Path,
    out: Path | None = None,
    *,
    settings: ProbeSettings,
    processes: int = 2,
    lmp: str | None = None,
    again: bool = False,
    command: str = "",
) -> str:
    """Add what probe runs find to a dataset, in place or as a copy ``out``; resumes; returns a summary.

    From every inherent structure, with fresh velocities at each temperature; drift removed. Of what a
    minimum is given half becomes potential energy: without a thermostat velocities are drawn at twice the
    temperature; with one, at the temperature itself, and the thermostat makes up for it in a few tau.
    Isoconfigurational averages as in A. Widmer-Cooper, P. Harrowell and H. Fynewever, Phys. Rev. Lett. 93,
    135701 (2004), but short: heat stands in for time, which a particle needs to leave its cage. ``again``
    replaces what the dataset has.

    Raises:
        ConfigError: ``out`` exists, settings cannot be, or the folder of finished jobs is another's.
        DataError: the dataset is damaged, has no known potential or no inherent structures.
        MissingDependencyError: LAMMPS is not installed.
        GensampleError: LAMMPS failed.
    """
    settings.check()
    starts, present = _read(source)
    fingerprint = _fingerprint(starts, settings)
    return add_runs(
        Addition("probe runs", source, out, "probe", fingerprint, present),
        partial(probe_jobs, starts, settings),
        partial(_write, starts, settings, source),
        done="probed",
        processes=processes,
        lmp=lmp,
        again=again,
        command=command,
    )


def _read(source: Path) -> tuple[Starts, bool]:
    with Store.open(source) as store:
        inherent = store.inherent
        if inherent is None:
            raise DataError(f"{source} has no inherent structures to start from: `gensample quench {source}`")
        return Starts.of(store, inherent), store.probe is not None


def _fingerprint(starts: Starts, settings: ProbeSettings) -> dict[str, str]:
    """Tells whether unfinished work belongs to this task."""
    drawn = [settings.drawn_at(temperature) for temperature in settings.temperatures]
    # Left out where it says nothing new: jobs of earlier versions with a thermostat are as good.
    extra = json.dumps(drawn) if drawn != list(settings.temperatures) else ""
    decides = repr(starts.mixture) + json.dumps(asdict(settings)) + extra
    return {"probe": digest(decides, starts.positions, starts.species, starts.box)}


def probe_jobs(starts: Starts, settings: ProbeSettings, lammps: Lammps) -> list[Job]:
    """The replicas of a configuration at a temperature, in order; each leaves `MOVED` in its folder."""
    return [
        leg_job(
            _name(c, q),
            settings.replicas * settings.times[-1],
            partial(lammps.run, starts.system(c), settings.timestep),
            partial(_legs, starts, settings, c, q),
            starts.positions[c],
            (MOVED, probe_averages),
        )
        for c in range(len(starts.positions))
        for q in range(len(settings.temperatures))
    ]


def _name(c: int, q: int) -> str:
    return f"probe-{c:05d}-{q:02d}"


def _legs(starts: Starts, settings: ProbeSettings, c: int, q: int) -> list[Leg]:
    temperature = settings.temperatures[q]
    # By its value, so that temperatures may be listed in any order.
    level = round(1e6 * temperature)
    keys = [(settings.seed, c, STREAM, level, r) for r in range(settings.replicas)]
    drawn_at, bath = settings.drawn_at(temperature), settings.thermostat
    return [Leg(starts.positions[c], temperature, key, settings.steps, drawn_at, bath) for key in keys]


def probe_averages(moved: np.ndarray) -> dict[str, np.ndarray]:
    """Averages over replicas of displacements (R, W, N, d), each (N, W): those of `PROBE`."""
    length = np.linalg.norm(moved, axis=-1)
    found = {
        "length": length.mean(0),
        "log_length": np.log(length).mean(0),
        "mean_displacement": np.linalg.norm(moved.mean(0), axis=-1),
    }
    assert found.keys() == set(PROBE)
    return {name: array.T for name, array in found.items()}


def _write(
    starts: Starts,
    settings: ProbeSettings,
    source: Path,
    work: Work,
    target: Path,
    attrs: dict[str, Any],
) -> str:
    found = [
        [work.arrays(f"{_name(c, q)}/{MOVED}") for q in range(len(settings.temperatures))]
        for c in range(len(starts.positions))
    ]
    # (C, N, Q, W)
    arrays = {
        name: np.stack([np.stack([each[name] for each in levels], 1) for levels in found]) for name in PROBE
    }
    made = {k: v for k, v in asdict(settings).items() if k not in ("temperatures", "times")}
    made["velocity_temperature"] = [settings.drawn_at(temperature) for temperature in settings.temperatures]
    with amended(source, target) as temporary:
        if _fingerprint(_read(temporary)[0], settings) != _fingerprint(starts, settings):
            work.remove()
            raise DataError(f"{source} has got other inherent structures since these runs began; run again")
        with StoreWriter.resume(temporary) as writer:
            writer.write_probe(
                arrays, settings.temperatures, settings.seen, {**made, **attrs, "damping": DAMPING}
            )
    levels = ", ".join(f"{value:g}" for value in settings.temperatures)
    return (
        f"probe runs from {len(starts.positions)} inherent structures, {settings.replicas} at each "
        f"of T = {levels}, up to t = {settings.times[-1]:g}"
    )
