"""Settings of one simulation: read from yaml, checked, and frozen into the dataset."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from gensample.errors import ConfigError
from gensample.physics.box import check_cutoff
from gensample.physics.mixtures import Mixture, get_mixture

THERMOSTATS = ("nose-hoover", "langevin", "none")
SPLITS = ("train", "val", "test")
# Below this the overlap decay and the energy drift have no points to be judged by.
MIN_SNAPSHOTS = 8


@dataclass
class Split:
    """Number of configurations of a split, and of replicas of each."""

    configurations: int = 1
    replicas: int = 1


@dataclass
class Melt:
    """The liquid every configuration starts from; times in tau."""

    temperature: float = 2.0
    time: float = 50.0
    cooling_time: float = 50.0


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
class SimulationConfig:
    """Everything that decides the bits of a dataset, and the number of parallel processes."""

    mixture: str = MISSING
    particles: int = MISSING
    temperature: float = MISSING
    lags: list[float] = field(default_factory=lambda: [1.0])
    splits: dict[str, Split] = field(default_factory=dict)
    equilibration: Equilibration = field(default_factory=Equilibration)
    melt: Melt = field(default_factory=Melt)
    thermostat: Thermostat = field(default_factory=Thermostat)
    density: float | None = None
    timestep: float = 0.005
    seed: int = 0
    inherent: bool = True
    displacement_precision: float = 0.0
    replicas_per_job: int = 8
    processes: int = 2

    def deciding(self) -> dict[str, Any]:
        """All settings that decide the result, as plain values."""
        return {key: value for key, value in asdict(self).items() if key != "processes"}

    def steps(self, time: float) -> int:
        """Number of time steps in ``time``."""
        return round(time / self.timestep)

    def resolved_density(self, mixture: Mixture) -> float:
        """Density given, or the mixture's own."""
        return mixture.density if self.density is None else self.density

    def box(self, mixture: Mixture) -> np.ndarray:
        """Edge lengths of the cubic (square) box, (d,)."""
        volume = self.particles / self.resolved_density(mixture)
        return np.full(mixture.dimension, volume ** (1 / mixture.dimension))


def load_config(path: str | Path, overrides: list[str] | None = None) -> SimulationConfig:
    """Read and check a yaml file; ``overrides`` are ``key=value`` strings.

    Raises:
        ConfigError: the file is unreadable, a key is unknown, or a value cannot work.
    """
    try:
        given = OmegaConf.load(path)
        if not isinstance(given, DictConfig):
            raise ConfigError(f"{path} must hold settings as key: value")
        schema = OmegaConf.structured(SimulationConfig)
        config = OmegaConf.to_object(OmegaConf.merge(schema, given, OmegaConf.from_dotlist(overrides or [])))
    except FileNotFoundError:
        raise ConfigError(f"no configuration file at {path}") from None
    except (OmegaConfBaseException, YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: {_reason(error)}") from None
    assert isinstance(config, SimulationConfig)
    check(config)
    return config


def _reason(error: Exception) -> str:
    """First line of a message, and the setting that omegaconf names in a later one."""
    lines = str(error).splitlines() or [type(error).__name__]
    names = [line.split(":", 1)[1].strip() for line in lines[1:] if "full_key:" in line]
    return " ".join([lines[0], *(f"(setting {name})" for name in names if name not in lines[0])])


def check(config: SimulationConfig) -> None:
    """Refuse settings that cannot work, naming the value and the cure."""
    mixture = get_mixture(config.mixture)
    _check_numbers(config)
    _check_splits(config)
    if not config.lags or sorted(set(config.lags)) != list(config.lags):
        raise ConfigError(f"lags must be increasing, got {config.lags}")
    _check_multiples(config)
    for name in (config.thermostat.equilibration, config.thermostat.replicas):
        if name not in THERMOSTATS:
            raise ConfigError(f"thermostat must be one of {', '.join(THERMOSTATS)}; got {name!r}")
    check_cutoff(mixture.cutoff, torch.from_numpy(config.box(mixture)))


def _check_numbers(config: SimulationConfig) -> None:
    positive = {
        "particles": config.particles,
        "density": 1.0 if config.density is None else config.density,
        "temperature": config.temperature,
        "timestep": config.timestep,
        "melt.temperature": config.melt.temperature,
        "equilibration.time": config.equilibration.time,
        "equilibration.segment": config.equilibration.segment,
        "thermostat.damping": config.thermostat.damping,
        "replicas_per_job": config.replicas_per_job,
        "processes": config.processes,
        **{f"lags[{k}]": lag for k, lag in enumerate(config.lags)},
    }
    not_negative = {
        "seed": config.seed,
        "melt.time": config.melt.time,
        "melt.cooling_time": config.melt.cooling_time,
        "displacement_precision": config.displacement_precision,
    }
    for name, value in positive.items():
        if not (value > 0 and math.isfinite(value)):
            raise ConfigError(f"{name} must be positive, got {value}")
    for name, value in not_negative.items():
        if not (value >= 0 and math.isfinite(value)):
            raise ConfigError(f"{name} must not be negative, got {value}")
    snapshots = config.equilibration.snapshots
    if snapshots < MIN_SNAPSHOTS:
        raise ConfigError(f"equilibration.snapshots must be at least {MIN_SNAPSHOTS}, got {snapshots}")


def _check_splits(config: SimulationConfig) -> None:
    if not config.splits or not set(config.splits) <= set(SPLITS):
        raise ConfigError(f"splits must name some of {', '.join(SPLITS)}; got {sorted(config.splits)}")
    for name, split in config.splits.items():
        if split.configurations < 1 or split.replicas < 0:
            raise ConfigError(
                f"splits.{name} needs at least one configuration and no negative number of replicas, "
                f"got {split.configurations} and {split.replicas}"
            )


def _check_multiples(config: SimulationConfig) -> None:
    for lag in config.lags:
        if not math.isclose(config.steps(lag) * config.timestep, lag, rel_tol=1e-9):
            raise ConfigError(f"lag {lag} is not a multiple of the time step {config.timestep}")
    total, segment = config.steps(config.equilibration.time), config.steps(config.equilibration.segment)
    spacing = total / config.equilibration.snapshots
    if segment < 1 or total % segment or segment % spacing or spacing % 10:
        raise ConfigError(
            "equilibration.time must be a whole number of segments, "
            "and a segment a whole number of snapshots, which are a multiple of 10 steps apart; "
            f"got {total} steps in segments of {segment}, snapshots every {spacing:g}"
        )
