"""Ensembles of displacement fields: their units of work, and the dataset they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gensample.data.dataset import as_dataset
from gensample.data.schema import SPLITS
from gensample.data.store import digest_structures
from gensample.data.writer import Contents, StoreWriter
from gensample.generators.drawing import Arrays, Drawing
from gensample.ranges import SEED, check_choice, whole
from gensample.sampling.ensemble import FIELDS_PER_CALL, Unit, plan_units

if TYPE_CHECKING:
    from gensample.generators.base import Generator

REPLICAS = whole(1, 1_000_000)


def _nothing(*_: Any) -> None:
    """What most generators have to do before and after."""


@dataclass(frozen=True)
class Drawer:
    """Draws units of an ensemble.

    draw: (unit, seed, folder for files on the way) -> ``fields`` (R, K, N, d) float32 and what else is kept;
    attrs: what the dataset says of how it was drawn; width: replicas of a unit; prepare: called with the
    configurations before; processes: units side by side; stop: ends what runs.
    """

    draw: Callable[[Unit, int, Path | None], dict[str, Any]]
    attrs: dict[str, Any]
    width: int = FIELDS_PER_CALL
    prepare: Callable[[Sequence[int]], None] = _nothing
    processes: int = 1
    stop: Callable[[], None] = _nothing


class FieldDrawing(Drawing):
    """Fields of the configurations of a dataset by a generator, see `Generator.sample`."""

    def __init__(
        self,
        generator: Generator,
        data: Any,
        replicas: int,
        seed: int,
        *,
        split: str | None,
        force: bool,
        how: dict[str, Any],
    ) -> None:
        REPLICAS.check("--replicas", replicas)
        SEED.check("--seed", seed)
        if split is not None:
            check_choice("--split", split, (*SPLITS, "all"))
        self.generator, self._replicas, self._seed, self._force, self._how = (
            *(generator, replicas, seed),
            *(force, how),
        )
        dataset = as_dataset(data)
        self.data = dataset if split is None else dataset[split]
        self._called = str(data) if isinstance(data, str | Path) else str(dataset.store.path)
        self.request = {
            **{"model": generator.name, "data": self._called, "split": split or ""},
            **{"replicas": replicas, "seed": seed, "weights": generator.digest},
            **{"content": digest_structures(self.data.store, self.data.rows)},
            **generator.decides(**how),
        }

    def open(self) -> None:
        """See `Drawing`."""
        rows = self.data.rows
        self._module = self.generator.open(self.data, model=self.generator.name, force=self._force)
        self._drawer = self.generator.drawer(self._module, **self._how)
        self.outside, self.processes = self._module.outside, self._drawer.processes
        units = plan_units(rows.tolist(), self._replicas, self._drawer.width)
        self.units = {f"fields-{unit.configuration:05d}-{unit.first:05d}.npz": unit for unit in units}
        self.parts = list(self.units)
        self.told = f"{self._replicas} replicas of {len(rows)} configurations"

    def prepare(self, parts: Sequence[str]) -> None:
        """See `Drawing`: what is missing of the input of these configurations is found in batches."""
        rows = sorted({self.units[part].configuration for part in parts})
        self._module.inputs.prepare(rows)
        self._drawer.prepare(rows)

    def draw(self, part: str, scratch: Path | None) -> Arrays:
        """See `Drawing`."""
        return self._drawer.draw(self.units[part], self._seed, scratch)

    def stop(self) -> None:
        """See `Drawing`."""
        self._drawer.stop()

    def contents(self, arrays: Callable[[str], Arrays]) -> tuple[Contents, Callable[[StoreWriter], None]]:
        """See `Drawing`."""
        store, rows = self._module.store, self.data.rows
        inherent, cage = self._module.inputs.inherent(rows), self._module.inputs.cage(rows)
        nfe = {int(found["nfe"]) for found in map(arrays, self.parts) if "nfe" in found}
        contents = Contents.of(
            *(store, rows),
            source=f"gensample sample {self.generator.name}",
            times=np.array(self.generator.reads.lags),
            replicas=np.full(len(rows), self._replicas),
            inherent=None if inherent is None else inherent[0],
            inherent_attrs=None if inherent is None else inherent[1],
            seed=self._seed,
            command="gensample sample",
            extra_attrs={**self._drawer.attrs, **({"nfe": max(nfe)} if nfe else {})},
        )

        def write(writer: StoreWriter) -> None:
            writer.write_array("source_configuration", rows)
            if cage is not None:
                writer.write_cage(*cage)
            place = {int(row): i for i, row in enumerate(rows)}
            for part, unit in self.units.items():
                for offset, field in enumerate(arrays(part)["fields"]):
                    writer.write_replica(place[unit.configuration], unit.first + offset, field)

        return contents, write
