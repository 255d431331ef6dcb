"""Settings that all simulations share, and their ranges."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from omegaconf import MISSING

from gensample.errors import ConfigError
from gensample.physics.box import check_cutoff
from gensample.physics.mixtures import MIXTURES, Mixture, get_mixture
from gensample.ranges import (
    DENSITY,
    LARGEST_COUNT,
    NOT_NEGATIVE,
    SEED,
    TEMPERATURE,
    TIMESTEP,
    check_choice,
    check_table,
    whole,
)

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

    # A name, the path of a yaml file, or its values.
    mixture: Any = MISSING
    particles: int = MISSING
    density: float | None = None
    timestep: float = 0.005
    seed: int = 0
    melt: Melt = field(default_factory=Melt)
    start: Start | None = None

    def check(self) -> None:
        """Refuse sizes, times and seeds that cannot be, and boxes smaller than the potential's range."""
        mixture = get_mixture(self.mixture)
        check_table(self, LIQUID)
        for name in ("time", "cooling_time"):
            check_steps(f"melt.{name}", getattr(self.melt, name), self.timestep)
        if self.start is not None:
            check_choice("start.split", self.start.split, (*SPLITS, "all"))
        check_cutoff(mixture.cutoff, torch.from_numpy(self.box(mixture)))
        if mixture.name not in MIXTURES:  # by value: the file may go
            self.mixture = json.loads(mixture.to_json())

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


LIQUID = {
    "particles": whole(1, 10_000_000),
    "density": DENSITY,
    "timestep": TIMESTEP,
    "seed": SEED,
    "melt.temperature": TEMPERATURE,
    "melt.time": NOT_NEGATIVE,
    "melt.cooling_time": NOT_NEGATIVE,
    "start.temperature": TEMPERATURE,
}


def check_steps(name: str, time: float, timestep: float) -> None:
    """Refuse more time steps than LAMMPS takes in one run."""
    if time / timestep > LARGEST_COUNT:
        raise ConfigError(
            f"{name} is {time / timestep:.3g} steps of {timestep:g}, LAMMPS takes at most {LARGEST_COUNT} "
            f"in one run; got {time:g}"
        )


def check_split_names(splits: Iterable[str]) -> None:
    """Refuse no splits, one twice, and those that a dataset does not know."""
    names = list(splits)
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"splits must name some of {', '.join(SPLITS)}, each once; got {names}")
    for name in names:
        check_choice("splits", name, SPLITS)
