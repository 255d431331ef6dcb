"""Settings of isoconfigurational ensembles; what decides is frozen into the dataset."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from omegaconf import MISSING

from gensample.errors import ConfigError
from gensample.ranges import (
    COUNT,
    NOT_NEGATIVE,
    POSITIVE,
    PROCESSES,
    ROUNDING,
    TEMPERATURE,
    check_choice,
    check_table,
    whole,
)
from gensample.simulate.settings import (
    THERMOSTATS,
    Bath,
    Liquid,
    check_split_names,
    check_steps,
)

ISOCONFIGURATIONAL = "isoconfigurational"
MOST_JOBS = 1_000_000
# Settings that came later: left out of the record while they have these values, so that datasets and
# unfinished simulations of before stay valid.
LATER = {
    "mode": ISOCONFIGURATIONAL,
    "start": None,
    "relaxation": 0.0,
    "inherent_displacements": True,
}


@dataclass
class Split:
    """Number of configurations of a split, and of replicas of each."""

    configurations: int = 1
    replicas: int = 1


@dataclass
class Equilibration:
    """Length at the target temperature; restart points and snapshots; times in tau."""

    time: float = MISSING
    segment: float = 1000.0
    snapshots: int = 64


@dataclass
class Thermostat:
    """Thermostat of the equilibration and of the replicas, and its relaxation time in tau."""

    equilibration: str = "nose-hoover"
    replicas: str = "nose-hoover"
    damping: float = 0.5


@dataclass
class SimulationConfig(Liquid):
    """Everything that decides the bits of a dataset, and the number of parallel processes.

    With ``start``, configurations are not equilibrated: given ones are run for ``relaxation`` (tau).
    ``inherent_displacements``: of replicas, where ``inherent`` structures are kept.
    """

    mode: str = ISOCONFIGURATIONAL
    temperature: float = MISSING
    lags: list[float] = field(default_factory=lambda: [1.0])
    splits: dict[str, Split] = field(default_factory=dict)
    equilibration: Equilibration = field(default_factory=Equilibration)
    thermostat: Thermostat = field(default_factory=Thermostat)
    inherent: bool = True
    inherent_displacements: bool = True
    relaxation: float = 0.0
    displacement_precision: float = 0.0
    replicas_per_job: int = 8
    processes: int = 2

    def deciding(self) -> dict[str, Any]:
        """All settings that decide the result, as plain values."""
        values = {key: value for key, value in asdict(self).items() if key != "processes"}
        return {key: value for key, value in values.items() if key not in LATER or value != LATER[key]}

    def check(self) -> None:
        """Refuse settings that cannot work, naming the value and the cure."""
        super().check()
        check_table(self, RANGES)
        check_split_names(self.splits)
        for name, split in self.splits.items():
            check_table(split, SPLIT, f"splits.{name}.")
        _check_jobs(self)
        _check_lags(self)
        _check_beginning(self)
        for name in (self.thermostat.equilibration, self.thermostat.replicas):
            check_choice("thermostat", name, THERMOSTATS)

    def starting_points(self) -> int:
        """Number of configurations."""
        return sum(split.configurations for split in self.splits.values())

    def bath(self) -> Bath:
        """Thermostat of the equilibration."""
        return Bath(self.thermostat.equilibration, self.thermostat.damping)


RANGES = {
    "temperature": TEMPERATURE,
    "lags": POSITIVE,
    "equilibration.time": NOT_NEGATIVE,
    "equilibration.segment": POSITIVE,
    # Below this the overlap decay and the energy drift have no points to be judged by.
    "equilibration.snapshots": whole(8),
    "thermostat.damping": POSITIVE,
    "displacement_precision": ROUNDING,
    "relaxation": NOT_NEGATIVE,
    "replicas_per_job": COUNT,
    "processes": PROCESSES,
}
SPLIT = {"configurations": whole(1, 100_000), "replicas": whole(0, 100_000)}


def _check_beginning(config: SimulationConfig) -> None:
    """Configurations are either equilibrated from the melt or given."""
    if config.start is None:
        if config.relaxation:
            raise ConfigError("relaxation is for configurations that are given; set start, or leave it out")
        POSITIVE.check("equilibration.time", config.equilibration.time)
        _check_segments(config)
    elif config.equilibration.time:
        raise ConfigError(
            "start takes the place of the equilibration; set relaxation in place of equilibration.time"
        )


def _check_lags(config: SimulationConfig) -> None:
    if not config.lags or sorted(set(config.lags)) != list(config.lags):
        raise ConfigError(f"lags must be increasing, got {config.lags}")
    check_steps("the longest of lags", config.lags[-1], config.timestep)
    check_steps("relaxation", config.relaxation, config.timestep)
    for lag in config.lags:
        if not math.isclose(config.steps(lag) * config.timestep, lag, rel_tol=1e-9):
            raise ConfigError(f"lag {lag} is not a multiple of the time step {config.timestep}")


def _check_jobs(config: SimulationConfig) -> None:
    segments = config.equilibration.time / config.equilibration.segment
    replicas = max(split.replicas for split in config.splits.values()) / config.replicas_per_job
    jobs = config.starting_points() * (segments + replicas)
    if jobs > MOST_JOBS:
        raise ConfigError(f"these settings make {jobs:.3g} jobs, at most {MOST_JOBS} are one dataset")


def _check_segments(config: SimulationConfig) -> None:
    check_steps("equilibration.segment", config.equilibration.segment, config.timestep)
    total, segment = config.steps(config.equilibration.time), config.steps(config.equilibration.segment)
    spacing = total / config.equilibration.snapshots
    if segment < 1 or total % segment or segment % spacing or spacing % 10:
        raise ConfigError(
            "equilibration.time must be a whole number of segments, "
            "and a segment a whole number of snapshots, which are a multiple of 10 steps apart; "
            f"got {total} steps in segments of {segment}, snapshots every {spacing:g}"
        )
