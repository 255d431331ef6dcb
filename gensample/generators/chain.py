"""Trajectories: a generator at one lag applied to its own futures.

A step is one field drawn from the configuration that the replica has reached, whose inherent structure and
descriptors are found anew. Steps go one after the other and replicas side by side, so that quenches and runs
of one step are batches. The first step has the bits of the field that `Generator.sample` draws at this lag;
random numbers of the others are keyed by (seed, step, row, replica). A step of some replicas is a part that
is kept: a chain is resumed after its last finished step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gensample.data.dataset import Dataset
from gensample.data.store import Contents
from gensample.errors import ConfigError
from gensample.generators.drawing import Arrays, Drawer, FieldDrawing, Parts
from gensample.physics.box import wrap
from gensample.ranges import POSITIVE, whole
from gensample.sampling.ensemble import FieldUnit
from gensample.seeding import derive_seed
from gensample.simulate.start import CHAIN
from gensample.structure.descriptors import SETS
from gensample.work import Work

if TYPE_CHECKING:
    from gensample.generators.base import Generator

STEPS = whole(1, 9999)
OF_DATASETS = ("cage", "short_runs", "probe")
"""What a model may read that futures do not have: runs from the configurations of a dataset."""


class ChainDrawing(FieldDrawing):
    """``steps`` fields of a ``lag``, each from where the one before has led, see `Generator.sample`.

    Raises:
        ConfigError: the generator does not draw at this lag, or reads what futures do not have.
    """

    def __init__(self, generator: Generator, *asked: Any, lag: float | None, steps: int, **how: Any) -> None:
        STEPS.check("--chain", steps)
        super().__init__(generator, *asked, **how)
        self.steps, self._lag = steps, _index(generator, lag)
        self._step = float((generator.reads.lags or ())[self._lag])
        reads = [generator.reads.input, *(SETS[name].reads for name in generator.reads.descriptors)]
        if steps > 1 and (missing := [name for name in OF_DATASETS if name in reads]):
            raise ConfigError(
                f"{generator.name} reads {' and '.join(missing)}, averages over runs that a dataset has and "
                "its futures have not: take another model, or no --chain"
            )
        self.request |= {"lag": self._step, "chain": steps}

    def open(self) -> None:
        """See `Drawing`."""
        super().open()
        self.units = {name: replace(unit, lags=(self._lag,)) for name, unit in self.units.items()}
        self.parts = [self.part(step, unit) for step in range(1, self.steps + 1) for unit in self.units]
        self.times = self._step * np.arange(1, self.steps + 1)
        self.attrs = {**self.attrs, "trajectory": self._step}

    def part(self, step: int, unit: str) -> str:
        """The part of a step, from 1, of a unit."""
        return f"step-{step:04d}-{unit}"

    def rounds(self, work: Work) -> Iterator[Parts]:
        """See `Drawing`."""
        return (Step(self, number, work) for number in range(1, self.steps + 1))

    def futures(self, units: Sequence[str], moved: Sequence[np.ndarray]) -> Dataset:
        """Where the replicas of units are, one after the other, after displacements (R, N, d) of each."""
        store = self._module.store
        rows = [self.units[unit].configuration for unit, each in zip(units, moved, strict=True) for _ in each]
        box = torch.from_numpy(store.box[rows])[:, None]
        reached = torch.from_numpy(store.positions[rows] + np.concatenate(moved))
        return Dataset.create(Contents.of(store, rows, positions=wrap(reached, box).numpy()))

    def drawer_from(self, futures: Dataset) -> Drawer:
        """What draws from them, prepared, with inherent structures where those of the data are read."""
        module = self.generator.open(futures, model=self.generator.name, force=None)
        of_data, reads = self._module.store.inherent, self.generator.reads
        if self.generator.trained and reads.cage_vectors and of_data is not None:
            module.inputs.find_centres()
        module.inputs.prepare(futures.rows)
        drawer = self.generator.drawer(module, **self._how)
        drawer.prepare(futures.rows.tolist())
        return drawer

    def draw_unit(self, drawer: Drawer | None, unit: FieldUnit, step: int, scratch: Path | None) -> Arrays:
        """Fields (R, 1, N, d) of a step and what else is kept, by ``drawer``, None for that of the data."""
        seed = self._seed if step == 1 else derive_seed(self._seed, CHAIN, step)
        return (drawer or self._drawer).draw(unit, seed, scratch)

    def fields(self, unit: str, arrays: Callable[[str], Arrays]) -> np.ndarray:
        """See `FieldDrawing`."""
        each = [arrays(self.part(step, unit))["moved"] for step in range(1, self.steps + 1)]
        return np.stack(each, 1).astype(np.float32)


class Step(Parts):
    """One step of all replicas of a chain; ``moved`` (R, N, d) of a part is from the start of the chain."""

    def __init__(self, chain: ChainDrawing, number: int, work: Work) -> None:
        self._chain, self._number, self._work = chain, number, work
        self._units = {chain.part(number, unit): unit for unit in chain.units}
        self._drawer: Drawer | None = None
        self._rows: dict[str, range] = {}
        self.parts, self.processes = list(self._units), chain.processes
        self.title = f"step {number} of {chain.steps}, t = {chain.times[number - 1]:g}"
        self.told = f"{self.title}: {chain.told}"

    def prepare(self, parts: Sequence[str]) -> None:
        """See `Parts`: where the replicas are by now, with all that is read of it."""
        units = [self._units[part] for part in parts]
        if self._number == 1:
            return self._chain.prepare(units)
        if not units:
            return None
        moved = [self._before(unit) for unit in units]
        ends = np.cumsum([len(each) for each in moved])
        self._rows = {u: range(end - len(each), end) for u, end, each in zip(units, ends, moved, strict=True)}
        self._drawer = self._chain.drawer_from(self._chain.futures(units, moved))
        return None

    def draw(self, part: str, scratch: Path | None) -> Arrays:
        """See `Parts`."""
        name = self._units[part]
        unit = replace(self._chain.units[name], rows=self._rows.get(name))
        found = dict(self._chain.draw_unit(self._drawer, unit, self._number, scratch))
        moved = found.pop("fields")[:, 0].astype(np.float64)
        return {"moved": moved if self._number == 1 else self._before(name) + moved, **found}

    def stop(self) -> None:
        """See `Parts`."""
        self._chain.stop()

    def _before(self, unit: str) -> np.ndarray:
        found: np.ndarray = self._work.arrays(self._chain.part(self._number - 1, unit))["moved"]
        return found


def _index(generator: Generator, lag: float | None) -> int:
    """Which of the lag times of a generator it is; the only one unless given."""
    known = generator.reads.lags or ()
    if lag is not None:
        POSITIVE.check("--lag", lag)
    found = [k for k, time in enumerate(known) if lag is None or np.isclose(time, lag, rtol=1e-4)]
    if len(found) != 1:
        has = ", ".join(f"{time:g}" for time in known)
        raise ConfigError(f"--lag must be one of the lag times of {generator.name}, {has}; got {lag}")
    return found[0]
