"""Settings of an athermal quasistatic shear, kept with the dataset."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from omegaconf import MISSING

from gensample.errors import ConfigError
from gensample.ranges import (
    COUNT,
    POSITIVE,
    PROCESSES,
    RESIDUAL_FORCE,
    between,
    check_choice,
    check_table,
    positive_to,
)
from gensample.simulate.settings import SPLITS, check_split_names

MINIMISERS = ("cg", "fire")


@dataclass
class ShearConfig:
    """Everything that decides the bits of a dataset of sheared glasses, and the number of processes.

    dataset: file, or name of an embedded one; its inherent structures are sheared (thermal positions where it
    has none, after their own minimisation). configurations: so many of each split at most, in order.
    directions: plane and sign, such as "xy+". strains: multiples of ``strain_step`` whose fields are stored.
    minimiser: of LAMMPS. force_tolerance: largest force on a particle. event_drop, event_energy: a
    plastic event is a step whose stress is off the elastic one by more than the first and that loses more
    energy, of all particles together, than the second. d2min_cutoff: neighbours of D2min, in sigma_AA.
    """

    dataset: str = MISSING
    splits: list[str] = field(default_factory=lambda: list(SPLITS))
    configurations: int | None = None
    directions: list[str] = field(default_factory=lambda: ["xy+", "xy-"])
    strain_step: float = 1e-3
    max_strain: float = 0.1
    strains: list[float] = field(default_factory=lambda: [0.1])
    minimiser: str = "cg"
    force_tolerance: float = 1e-9
    event_drop: float = MISSING
    event_energy: float = MISSING
    d2min_cutoff: float = 2.0
    displacement_precision: float = 0.0
    processes: int = 2

    def deciding(self) -> dict[str, Any]:
        """All settings that decide the result, as plain values."""
        return {key: value for key, value in asdict(self).items() if key != "processes"}

    def check(self) -> None:
        """Refuse settings that cannot work whatever the dataset, naming the value and the cure."""
        check_split_names(self.splits)
        check_table(self, RANGES)
        if not self.directions or len(set(self.directions)) < len(self.directions):
            raise ConfigError(
                f"directions must be one or more, different from each other, got {self.directions}"
            )
        check_choice("minimiser", self.minimiser, MINIMISERS)
        _check_strains(self)

    def grid(self) -> np.ndarray:
        """Strains of all steps from zero, (S + 1,)."""
        return np.asarray(self.strain_step * np.arange(round(self.max_strain / self.strain_step) + 1))

    def stored(self) -> list[int]:
        """Steps whose fields are stored."""
        return [round(strain / self.strain_step) for strain in self.strains]


RANGES = {
    "configurations": COUNT,
    "strain_step": between(1e-8, 0.1),
    "max_strain": positive_to(100),
    "strains": POSITIVE,
    "force_tolerance": RESIDUAL_FORCE,
    "event_drop": POSITIVE,
    "event_energy": POSITIVE,
    "d2min_cutoff": POSITIVE,
    "displacement_precision": between(0, 0.1),
    "processes": PROCESSES,
}
MOST_STEPS = 1_000_000


def _check_strains(config: ShearConfig) -> None:
    if config.max_strain / config.strain_step > MOST_STEPS:
        raise ConfigError(
            f"max_strain {config.max_strain:g} is more than {MOST_STEPS} steps of strain_step "
            f"{config.strain_step:g}"
        )
    for name, strain in [("max_strain", config.max_strain), *(("strains", x) for x in config.strains)]:
        step = config.strain_step
        if not math.isclose(round(strain / step) * step, strain, rel_tol=1e-9):
            raise ConfigError(f"{name}: {strain} is not a multiple of the strain step {step}")
    increasing = sorted(set(config.strains)) == list(config.strains)
    if not config.strains or not increasing or config.stored()[-1] >= len(config.grid()):
        raise ConfigError(
            f"strains must be increasing and at most max_strain {config.max_strain:g}, got {config.strains}"
        )
