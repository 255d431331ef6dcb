"""Settings that all simulations share, and the checks of single values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from omegaconf import MISSING

from gensample.errors import ConfigError
from gensample.physics.mixtures import Mixture

THERMOSTATS = ("nose-hoover", "langevin", "none")
SPLITS = ("train", "val", "test")


@dataclass
class Melt:
    """The liquid every configuration starts from; times in tau."""

    temperature: float = 2.0
    time: float = 50.0
    cooling_time: float = 50.0


@dataclass
class Start:
    """A dataset whose configurations are the starting points, in order.

    ``temperature``: only those of this temperature; ``minimise``: push close pairs apart first.
    """

    dataset: str = MISSING
    split: str = "train"
    temperature: float | None = None
    minimise: bool = False


@dataclass
class Bath:
    """A thermostat and its relaxation time in tau."""

    name: str = "langevin"
    damping: float = 1.0


@dataclass
class Liquid:
    """What is simulated, how finely, from which seed."""

    mixture: str = MISSING
    particles: int = MISSING
    density: float | None = None
    timestep: float = 0.005
    seed: int = 0
    melt: Melt = field(default_factory=Melt)
    start: Start | None = None

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


def check_liquid(config: Liquid) -> None:
    """Refuse sizes, times and seeds that cannot be."""
    check_positive(
        {
            "particles": config.particles,
            "density": 1.0 if config.density is None else config.density,
            "timestep": config.timestep,
            "melt.temperature": config.melt.temperature,
        }
    )
    check_not_negative(
        {
            "seed": config.seed,
            "melt.time": config.melt.time,
            "melt.cooling_time": config.melt.cooling_time,
        }
    )


def check_positive(values: Mapping[str, float]) -> None:
    """Refuse what is not positive and finite, by name."""
    for name, value in values.items():
        if not (value > 0 and math.isfinite(value)):
            raise ConfigError(f"{name} must be positive, got {value}")


def check_not_negative(values: Mapping[str, float]) -> None:
    """Refuse what is negative or not finite, by name."""
    for name, value in values.items():
        if not (value >= 0 and math.isfinite(value)):
            raise ConfigError(f"{name} must not be negative, got {value}")


def check_thermostats(*names: str) -> None:
    """Refuse a thermostat that is not known."""
    for name in names:
        if name not in THERMOSTATS:
            raise ConfigError(f"thermostat must be one of {', '.join(THERMOSTATS)}; got {name!r}")


def check_split_names(splits: Mapping[str, object]) -> None:
    """Refuse splits that a dataset does not know."""
    if not splits or not set(splits) <= set(SPLITS):
        raise ConfigError(f"splits must name some of {', '.join(SPLITS)}; got {sorted(splits)}")
