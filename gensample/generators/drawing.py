"""Drawing that resumes: the parts of an ensemble or of a set of configurations, and the dataset they make.

A part has the same bits whichever others are drawn beside it, in whatever order and by how many processes.
On disk its arrays are kept until the dataset is written; in memory nothing is left behind.
"""

from __future__ import annotations

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import track

from gensample.data.dataset import Dataset, as_dataset
from gensample.data.schema import SPLITS
from gensample.data.store import SAMPLED, Store, digest_structures
from gensample.data.writer import Contents, StoreWriter
from gensample.errors import ConfigError
from gensample.meter import Meter
from gensample.ranges import SEED, check_choice, whole
from gensample.sampling.ensemble import FIELDS_PER_CALL, FieldUnit, plan_units, share_of
from gensample.simulate.cluster import Cluster, Elsewhere, connected
from gensample.simulate.scheduler import Job, run_jobs
from gensample.work import Work, check_output, claim, parts_beside, tidy

if TYPE_CHECKING:
    from gensample.generators.base import Generator

KNOWN_BY_CONTENT = {"weights": "other weights", "content": "other data"}
BEFORE = {"weights": "", "content": "", "correction": "metropolis"}
"""What was drawn before these were recorded."""
Arrays = Mapping[str, Any]


class Parts(ABC):
    """Parts to draw, one by one or side by side.

    parts: their names, in order; told: what is drawn, in words; title: what a log of parts that are drawn
    side by side says of them; processes: how many are.
    """

    parts: Sequence[str]
    told: str
    title: str = "drawn"
    processes: int = 1

    def prepare(self, parts: Sequence[str]) -> None:  # noqa: B027
        """Have what these parts need at hand."""

    @abstractmethod
    def draw(self, part: str, scratch: Path | None) -> Arrays:
        """The arrays of a part; ``scratch``: folder for files on the way."""

    def stop(self) -> None:  # noqa: B027
        """End what runs beside this process."""


class Drawing(Parts):
    """A dataset to draw.

    request: all that decides the bits, as plain values; model and data are named by their paths and known by
    digests of their content. The rest is known once it is open: the parts, and outside: how the data differ
    from the domain of the model.
    """

    request: dict[str, Any]
    outside: str

    @abstractmethod
    def open(self) -> None:
        """Read what is drawn from; ConfigError where it does not fit the model."""

    def rounds(self, work: Work) -> Iterator[Parts]:
        """The parts, those first that others go on from; each round has as many parts, in the same order."""
        yield self

    @abstractmethod
    def contents(self, arrays: Callable[[str], Arrays]) -> tuple[Contents, Callable[[StoreWriter], None]]:
        """The dataset, of the arrays of all parts, and what is written to it afterwards."""


@dataclass(frozen=True)
class Drawn:
    """What came of it.

    dataset: None while parts of other shards are missing; parts: drawn now; missing: of others; seconds.
    """

    dataset: Dataset | None
    parts: int
    missing: int
    seconds: float

    def told(self, out: str, shard: str, parts: int) -> str:
        """The same in words; parts: of all there are."""
        if self.dataset is None:
            units = f"{self.missing} units of others are missing"
            return f"{shard} done; {units}, so {out} is not written yet"
        if not self.seconds:
            return f"{out} is complete; nothing to do"
        store = self.dataset.store
        nfe, core = store.attrs.get("nfe"), store.attrs.get("core_seconds")
        by = f"{nfe} function evaluations" if nfe is not None else str(store.attrs["engine"])
        took = f"{self.parts} of {parts} parts drawn in {self.seconds:.0f} s"
        what = f"{out}: {store.num_configurations} configurations"
        if not store.has_displacements:
            at = f"T = {store.temperature[0]:g}"
            return f"{what} of {store.num_particles} particles at {at}, {by}\n{took}"
        replicas, lags = int(store.done.sum()), len(store.times)
        spent = "" if core is None else f", {core / (replicas * lags):.3f} core-seconds a field"
        each = "" if nfe is None else " a field"
        return f"{what}, {replicas} replicas at {lags} lags, by {by}{each}\n{took}{spent}"


def carry_out(
    plan: Drawing,
    out: Path | None = None,
    shard: tuple[int, int] = (0, 1),
    where: Elsewhere | None = None,
) -> Drawn:
    """Draw the missing parts of a shard; write the dataset when no part of any shard is missing.

    out: file, or None for a dataset in memory, which has no shards; where: a cluster that draws, by `Hands`.

    Raises:
        ConfigError: model and data do not fit, or ``out`` or its folder of parts belongs to another request.
    """
    if out is None:
        plan.open()
        started, memory = time.monotonic(), _Memory()
        count = _draw_rounds(plan, memory, shard, None)
        file = _write(plan, memory, None, started)
        return Drawn(Dataset(Store.open(file)), count, 0, time.monotonic() - started)
    if out.exists():
        _refuse_other(plan.request, out)
        tidy(out, parts_beside(out))
        return Drawn(Dataset(Store.open(out)), 0, 0, 0.0)
    check_output(out)
    plan.open()
    root = parts_beside(out).resolve()
    with claim(root, plan.request, shared=True) as work:
        started = time.monotonic()
        with connected(where, root) as workers:
            # Another process may have finished it while this one loaded the model.
            count = 0 if out.exists() else _draw_rounds(plan, work, shard, workers)
        missing = sum(not work.has(part) for part in plan.parts)
        if missing and not out.exists():
            return Drawn(None, count, missing, time.monotonic() - started)
        work.publish(out, lambda place: _write(plan, work, place, started))
    return Drawn(Dataset(Store.open(out)), count, 0, time.monotonic() - started)


def _draw_rounds(plan: Drawing, work: Work, shard: tuple[int, int], cluster: Cluster | None) -> int:
    """The number of parts drawn of a shard, one round after the other."""
    draw = draw_parts if cluster is None else partial(_have_drawn, cluster)
    return sum(draw(each, work, share_of(each.parts, shard)) for each in plan.rounds(work))


def _have_drawn(cluster: Cluster, plan: Parts, work: Work, parts: Sequence[str]) -> int:
    """Let the workers of a cluster draw what is missing; the number of parts."""
    missing = [part for part in parts if not work.has(part)]
    jobs = [Job(part, None, 1, _nothing) for part in missing]
    run_jobs(jobs, None, len(jobs), plan.stop, plan.title, "parts", cluster)
    return len(jobs)


class Hands:
    """A drawing as a bench (`simulate.cluster`), of which one part at a time is drawn."""

    def __init__(self, plan: Callable[[], Drawing]) -> None:
        self._plan, self._alone = plan(), threading.Lock()
        self._plan.open()
        self.settings = self._plan.request

    def make(self, part: str, work: Work) -> None:
        """See `simulate.cluster.Bench`."""
        plan, meter = next(each for each in self._plan.rounds(work) if part in each.parts), Meter()

        def draw() -> None:
            plan.prepare([part])
            _draw(plan, work, part, meter)

        with self._alone:
            work.once(part, draw)

    def stop(self) -> None:
        """See `simulate.cluster.Bench`."""
        self._plan.stop()


def draw_parts(plan: Parts, work: Work, parts: Sequence[str]) -> int:
    """Draw what no other process draws; then wait for what others do, and draw what they have left.

    The number of parts drawn.
    """
    drawn, meter = list[str](), Meter()  # before what is prepared: the first part pays for it
    plan.prepare([part for part in parts if not work.has(part)])

    def make(part: str) -> None:
        _draw(plan, work, part, meter)
        drawn.append(part)

    for wait in (False, True):
        missing = [part for part in parts if not work.has(part)]
        run = [partial(work.once, part, partial(make, part), wait=wait) for part in missing]
        if plan.processes > 1 and missing:
            jobs = [Job(part, None, 1, partial(_alone, one)) for part, one in zip(missing, run, strict=True)]
            run_jobs(jobs, None, plan.processes, plan.stop, plan.title, "parts")
        else:
            for one in track(run, plan.told, console=Console(stderr=True), disable=not run):
                one()
    return len(drawn)


def _draw(plan: Parts, work: Work, part: str, meter: Meter) -> None:
    """Draw a part and keep it, with what it took since the part before."""
    found = plan.draw(part, None if isinstance(work, _Memory) else work.root)
    work.keep(part, core_seconds=meter.lap(), **found)


def _alone(draw: Callable[[], Any], folder: Path) -> None:
    """A job that keeps what it draws itself."""
    draw()


def _write(plan: Drawing, work: Work, place: Path | None, started: float) -> Any:
    """The dataset of all parts, with what it took: core-seconds where every part has them."""
    laps: dict[str, float] = {}

    def arrays(part: str) -> Arrays:
        found = work.arrays(part)
        laps[part] = float(found.get("core_seconds", np.nan))
        return found

    contents, more = plan.contents(arrays)
    spent = sum(laps.values())
    attributes: dict[str, Any] = {
        "request": json.dumps(plan.request),
        **contents.extra_attrs,
        **({"core_seconds": spent} if np.isfinite(spent) else {}),
        "seconds": time.monotonic() - started,
        **({"outside_domain": plan.outside} if plan.outside else {}),
    }
    with StoreWriter.create(place, replace(contents, extra_attrs=attributes)) as writer:
        more(writer)
    return writer.file


class _Memory(Work):
    """Work without a folder, of this process alone."""

    def __init__(self) -> None:
        super().__init__(Path())
        self._held: dict[str, dict[str, Any]] = {}

    def has(self, part: str) -> bool:
        """See `Work`."""
        return part in self._held

    def keep(self, part: str, **arrays: Any) -> None:
        """See `Work`."""
        self._held[part] = arrays

    def arrays(self, part: str) -> dict[str, Any]:
        """See `Work`."""
        return self._held[part]

    def once(self, part: str, make: Callable[[], None], *, wait: bool = True) -> bool:
        """See `Work`."""
        make()
        return True


def _refuse_other(request: Mapping[str, Any], out: Path) -> None:
    """ConfigError unless the dataset was made by this request."""
    with Store.open(out) as store:
        made_with = store.attrs.get("request")
    before = {name: value for name, value in BEFORE.items() if name in request}
    recorded = {} if made_with is None else before | json.loads(made_with)
    known = {name: request[name] for name in KNOWN_BY_CONTENT}
    if recorded | known != request:
        raise ConfigError(f"{out} exists and is another sample; remove it or choose another --out")
    for name, what in KNOWN_BY_CONTENT.items():
        if recorded[name] not in ("", request[name]):
            raise ConfigError(f"{out} was drawn with {what} than now; remove it or choose another --out")


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

    draw: Callable[[FieldUnit, int, Path | None], dict[str, Any]]
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
        if len(np.unique(self.data.rows)) < len(self.data):
            raise ConfigError("a configuration is there twice: draw from each once, with more replicas")
        # What is in memory has no name that another process would know: its content tells it from others.
        held = isinstance(dataset.store.place, Path)
        self._called = (
            str(data) if isinstance(data, str | Path) else str(dataset.store.path) if held else "in memory"
        )
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
        self.times, self.attrs = np.array(self.generator.reads.lags), self._drawer.attrs
        self.told = f"{self._replicas} replicas of {len(rows)} configurations"

    def prepare(self, parts: Sequence[str]) -> None:
        """See `Drawing`: what is missing of the input of these configurations is found in batches."""
        rows = sorted({self.units[part].configuration for part in parts})
        self._module.inputs.prepare(rows)
        self._drawer.prepare(rows)

    def draw(self, part: str, scratch: Path | None) -> Arrays:
        """See `Drawing`."""
        return self._drawer.draw(self.units[part], self._seed, scratch)

    def fields(self, unit: str, arrays: Callable[[str], Arrays]) -> np.ndarray:
        """Fields (R, K, N, d) float32 of a unit, by its name, of the arrays of all parts."""
        found: np.ndarray = arrays(unit)["fields"]
        return found

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
            source=f"{SAMPLED} {self.generator.name}",
            times=self.times,
            replicas=np.full(len(rows), self._replicas),
            inherent=None if inherent is None else inherent[0],
            inherent_attrs=None if inherent is None else inherent[1],
            seed=self._seed,
            command=SAMPLED,
            extra_attrs={**self.attrs, **({"nfe": max(nfe)} if nfe else {})},
        )

        def write(writer: StoreWriter) -> None:
            writer.write_array("source_configuration", rows)
            if cage is not None:
                writer.write_cage(*cage)
            place = {int(row): i for i, row in enumerate(rows)}
            for part, unit in self.units.items():
                for offset, field in enumerate(self.fields(part, arrays)):
                    writer.write_replica(place[unit.configuration], unit.first + offset, field)

        return contents, write
