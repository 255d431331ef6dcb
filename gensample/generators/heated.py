"""Heated runs: what a liquid does in a lag time, done sooner at a higher temperature."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from gensample.errors import ConfigError
from gensample.generators.base import FieldStart, PhysicsGenerator, by_replica, drift_free
from gensample.ranges import POSITIVE, TEMPERATURE, TIMESTEP
from gensample.simulate.programs import Leg, System, choose_dynamics
from gensample.simulate.settings import check_steps
from gensample.simulate.start import HEATED


class Phase(NamedTuple):
    """Dynamics at one temperature, None for that of the data, for a time (tau)."""

    temperature: float | None
    time: float


Recipe = tuple[Phase, ...]
"""The phases of a field, in order."""


class Steps(NamedTuple):
    """Time steps (tau) of phases at the temperature of the data, and of hotter ones."""

    own: float
    hot: float

    def of(self, phase: Phase) -> float:
        """Of a phase."""
        return self.own if phase.temperature is None else self.hot

    def cost(self, recipe: Recipe) -> float:
        """Of a recipe: the time in which as many steps of the first kind go, tau."""
        return sum(phase.time * self.own / self.of(phase) for phase in recipe)


COOLED_BY = "langevin"
"""Thermostat of a phase at the temperature of the data that follows a hotter one."""


class Heated(PhysicsGenerator):
    """Molecular dynamics from x at a higher temperature for less than the lag, then at that of the data.

    The isoconfigurational ensemble (A. Widmer-Cooper, P. Harrowell and H. Fynewever, Phys. Rev. Lett. 93,
    135701 (2004)) with heat in the place of time: at the start of each phase velocities are drawn afresh, and
    the last, at the temperature of the data, ends in a configuration whose vibrations have that temperature.
    Heat leaves it by friction and noise: under a Nose-Hoover thermostat, as the other phases have, the energy
    swings for longer than such a phase lasts.

    stages: for each lag its phases, [temperature, time] with null for the temperature of the data; timestep,
    hot_timestep: of the phases at that of the data, and of hotter ones, where few of the fast vibrations need
    to be right (None: the same), tau.

    Raises:
        ConfigError: settings that cannot be.
    """

    runs_dynamics = True
    of_each_lag: ClassVar[tuple[str, ...]] = ("lag_time", "recipes")

    def __init__(
        self,
        lag_time: Sequence[float],
        stages: Sequence[Sequence[Sequence[float | None]]],
        timestep: float = 0.005,
        hot_timestep: float | None = None,
        domain: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(lag_time, domain)
        self.steps = Steps(timestep, hot_timestep or timestep)
        for name, step in zip(("timestep", "hot_timestep"), self.steps, strict=True):
            TIMESTEP.check(f"model.{name}", step)
        self.recipes = read_recipes(stages, len(self.lag_time))
        for recipe in self.recipes:
            for phase in recipe:
                check_steps("model.stages", phase.time, self.steps.of(phase))

    @property
    def time(self) -> float:
        """See `PhysicsGenerator`."""
        return sum(map(self.cost, range(len(self.recipes))))

    def cost(self, lag: int) -> float:
        """What the dynamics behind a field at a lag (its index) cost, in tau at `timestep`."""
        return self.steps.cost(self.recipes[lag])

    def draw(
        self,
        start: FieldStart | Sequence[FieldStart],
        replicas: Sequence[int],
        seed: int,
        lags: Sequence[int] | None = None,
    ) -> np.ndarray:
        """See `PhysicsGenerator.draw`.

        Raises:
            DataError: a run exploded.
            GensampleError: LAMMPS failed, or is not installed.
        """
        starts = by_replica(start, replicas)
        fields = [(r, k) for r in replicas for k in (range(len(self.lag_time)) if lags is None else lags)]
        with tempfile.TemporaryDirectory(prefix="scratch-", dir=self.scratch) as folder:
            ends = self._ends(starts, fields, seed, Path(folder))
        moved = np.stack([ends[field] - starts[field[0]].positions for field in fields])
        return drift_free(moved.reshape(len(replicas), -1, *moved.shape[1:]))

    def _ends(
        self, starts: Mapping[int, FieldStart], fields: Sequence[tuple[int, int]], seed: int, folder: Path
    ) -> dict[tuple[int, int], np.ndarray]:
        """Unwrapped positions (N, d) that each field (replica, lag) leads to, phase by phase."""
        dynamics = self.dynamics or choose_dynamics(None, device=self.device)
        one = next(iter(starts.values()))
        system = System(one.mixture, one.species, one.box)
        distinct = {id(start): start for start in starts.values()}
        known = {key: self.read(start) for key, start in distinct.items()}
        ends = {(r, k): starts[r].positions for r, k in fields}
        for number in range(max(len(self.recipes[k]) for _, k in fields)):
            going = [(r, k) for r, k in fields if number < len(self.recipes[k])]
            keys = [(seed, starts[r].row, HEATED, r, k, number) for r, k in going]
            legs = [
                leg_of(
                    *(self.recipes[k], number, ends[r, k], one.temperature, self.steps, key),
                    known[id(starts[r])].get(k),
                )
                for (r, k), key in zip(going, keys, strict=True)
            ]
            found = dynamics.run(system, self.steps.own, legs, folder)
            ends |= {field: kept[-1] for field, kept in zip(going, found, strict=True)}
        return ends

    def read(self, start: FieldStart) -> dict[int, np.ndarray]:
        """What hot temperatures of each particle (N,) are multiplied by, at lags (indices) where they are."""
        return {}


def leg_of(
    recipe: Recipe,
    number: int,
    positions: np.ndarray,
    temperature: float,
    steps: Steps,
    key: tuple[int, ...],
    factor: np.ndarray | None = None,
) -> Leg:
    """The run of a phase of a recipe from positions (N, d).

    temperature: of the data; factor: (N,), what that of a hotter phase is multiplied by, never below the
    data's.
    """
    phase, step = recipe[number], steps.of(recipe[number])
    kept = (max(1, round(phase.time / step)),)
    if phase.temperature is None:
        bath = COOLED_BY if number else "nose-hoover"
        return Leg(positions, temperature, key, kept, thermostat=bath, timestep=step)
    hot = phase.temperature
    levels = hot if factor is None else np.maximum(np.round(hot * factor, 6), temperature)
    return Leg(positions, levels, key, kept, timestep=step)


def read_recipes(stages: Any, lags: int) -> tuple[Recipe, ...]:
    """The recipes of ``lags`` lags from plain lists.

    Raises:
        ConfigError: they are no lists of [temperature or null, time], or not as many as there are lags.
    """
    if not isinstance(stages, list | tuple) or len(stages) != lags or not all(map(_is_recipe, stages)):
        raise ConfigError(
            f"model.stages must hold for each of {lags} lags a list of [temperature or null, time], "
            f"got {stages!r:.200}"
        )
    recipes = tuple(tuple(Phase(*phase) for phase in recipe) for recipe in stages)
    for phase in (phase for recipe in recipes for phase in recipe):
        POSITIVE.check("model.stages: a time", phase.time)
        if phase.temperature is not None:
            TEMPERATURE.check("model.stages: a temperature", phase.temperature)
    return recipes


def _is_recipe(found: Any) -> bool:
    """Whether it is a list of pairs, and not an endless one."""
    if not isinstance(found, list | tuple) or not 1 <= len(found) <= 20:
        return False
    return all(isinstance(phase, list | tuple) and len(phase) == 2 for phase in found)
