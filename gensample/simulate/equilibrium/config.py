"""Settings of an equilibrium sampling: chains at several temperatures, configurations kept along them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from omegaconf import MISSING

from gensample.errors import ConfigError
from gensample.physics.mixtures import Mixture, get_mixture
from gensample.ranges import (
    COUNT,
    NOT_NEGATIVE,
    POSITIVE,
    PROCESSES,
    TEMPERATURE,
    check_choice,
    check_table,
    whole,
)
from gensample.simulate.settings import (
    SPLITS,
    THERMOSTATS,
    Bath,
    Liquid,
    check_split_names,
    check_steps,
)

EQUILIBRIUM = "equilibrium"
# Energies are averages over steps this far apart.
ENERGY_STEPS = 10


@dataclass
class Chains:
    """Number of independent chains of a split at each temperature."""

    chains: int = 1


@dataclass
class Swap:
    """Monte Carlo exchanges: attempts for each pair of species, every so many steps; 0: none.

    ``pairs`` of species that are exchanged, empty for all.
    """

    every: int = 0
    attempts: int = 0
    pairs: list[list[int]] = field(default_factory=list)


@dataclass
class EquilibriumConfig(Liquid):
    """Everything that decides the bits of a dataset of equilibrium configurations, and the processes.

    ``interval`` between kept configurations and ``equilibration`` before the first, in tau: one value, or one
    for each temperature. ``energies``: energies recorded for each kept configuration.
    """

    mode: str = EQUILIBRIUM
    temperatures: list[float] = MISSING
    splits: dict[str, Chains] = field(default_factory=dict)
    configurations: int = 100
    interval: Any = MISSING
    equilibration: Any = MISSING
    energies: int = 8
    # Langevin: a deterministic Nose-Hoover chain need not be ergodic for a few dozen particles.
    thermostat: Bath = field(default_factory=Bath)
    swap: Swap = field(default_factory=Swap)
    inherent: bool = False
    configurations_per_job: int = 500
    processes: int = 2

    def deciding(self) -> dict[str, Any]:
        """All settings that decide the result, as plain values."""
        return {key: value for key, value in asdict(self).items() if key != "processes"}

    def check(self) -> None:
        """Refuse settings that cannot work, naming the value and the cure."""
        super().check()
        check_table(self, RANGES)
        if not self.temperatures or len(set(self.temperatures)) != len(self.temperatures):
            raise ConfigError(f"temperatures must be different from each other, got {self.temperatures}")
        check_split_names(self.splits)
        for name, split in self.splits.items():
            check_table(split, {"chains": whole(1, MOST_CHAINS)}, f"splits.{name}.")
        check_choice("thermostat.name", self.thermostat.name, THERMOSTATS)
        _check_swap(self, get_mixture(self.mixture))
        _check_spacing(self)

    def intervals(self) -> list[float]:
        """Time between kept configurations at each temperature."""
        return self._each("interval", self.interval)

    def equilibrations(self) -> list[float]:
        """Time before the first interval at each temperature."""
        return self._each("equilibration", self.equilibration)

    def _each(self, name: str, value: Any) -> list[float]:
        values = value if isinstance(value, list) else [value] * len(self.temperatures)
        if len(values) != len(self.temperatures):
            raise ConfigError(
                f"{name} must be one number or one for each of {len(self.temperatures)} temperatures, "
                f"got {len(values)}"
            )
        if not all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in values):
            raise ConfigError(f"{name} must be a number or a list of numbers, got {value!r}")
        return [float(x) for x in values]

    def starting_points(self) -> int:
        """Number of chains at one temperature."""
        return len(self.chain_splits())

    def chain_splits(self) -> list[str]:
        """Split of each chain of one temperature."""
        return [name for name in SPLITS if name in self.splits for _ in range(self.splits[name].chains)]


RANGES = {
    "temperatures": TEMPERATURE,
    "configurations": whole(1, 10_000_000),
    "energies": COUNT,
    "thermostat.damping": POSITIVE,
    "configurations_per_job": COUNT,
    "processes": PROCESSES,
    "swap.every": whole(0),
    "swap.attempts": whole(0),
}
MOST_CHAINS = 100_000


def _check_swap(config: EquilibriumConfig, mixture: Mixture) -> None:
    swap, known = config.swap, range(mixture.num_species)
    if (swap.every > 0) != (swap.attempts > 0):
        raise ConfigError(
            "swap needs both every (steps) and attempts, or 0 for both; "
            f"got every {swap.every}, attempts {swap.attempts}"
        )
    if any(len(pair) != 2 or not set(pair) <= set(known) or pair[0] == pair[1] for pair in swap.pairs):
        raise ConfigError(
            f"swap.pairs must be pairs of different species of {mixture.name}, 0 to {max(known)}; "
            f"got {swap.pairs}"
        )
    if swap.every and config.thermostat.name == "none":
        raise ConfigError("swap draws at the temperature of a thermostat; set thermostat.name to langevin")


def _check_spacing(config: EquilibriumConfig) -> None:
    for k, time in enumerate(config.equilibrations()):
        NOT_NEGATIVE.check(f"equilibration[{k}]", time)
        check_steps(f"equilibration[{k}]", time, config.timestep)
    frames = min(config.configurations, config.configurations_per_job)
    for k, interval in enumerate(config.intervals()):
        POSITIVE.check(f"interval[{k}]", interval)
        check_steps(f"interval[{k}] of all configurations of a job", frames * interval, config.timestep)
        if config.steps(interval) % (config.energies * ENERGY_STEPS) or config.steps(interval) == 0:
            raise ConfigError(
                f"interval must be a multiple of {ENERGY_STEPS} steps for each of its energies: "
                f"got {config.steps(interval)} steps for {config.energies} energies; "
                "change interval or energies"
            )
