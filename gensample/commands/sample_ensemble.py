"""Drawing a whole ensemble: units of work, resumption, shards, and the dataset at the end."""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gensample import zoo
from gensample.commands.requests import AnyRequest, PhysicsRequest, Request, refuse_other
from gensample.commands.sources import Learned, Physics, Source, belonging, load_generator, load_physics
from gensample.data.store import Store, StoreWriter, digest_structures
from gensample.errors import ConfigError
from gensample.meter import Meter
from gensample.ranges import check_device, shown
from gensample.sampling.ensemble import Unit, plan_units
from gensample.simulate.runners import Dynamics, choose_dynamics
from gensample.work import Work, check_output, claim, parts_beside, tidy

__all__ = ["Request", "draw_fields", "load_generator", "sample_ensemble"]

SHARD = re.compile(r"[0-9]{1,6}/[0-9]{1,6}")
# Of solving a trained model's equations, unless asked for.
SOLVER = {"method": "midpoint", "steps": 4, "tolerance": 1e-5}


class Ensemble:
    """One request with its source of fields."""

    def __init__(self, request: AnyRequest, source: Source) -> None:
        self.request, self.source = request, source
        store = source.store
        self.configurations = [int(c) for c in store.indices(request.split)]
        self._meter = Meter()

    @staticmethod
    def part(unit: Unit) -> str:
        """File of a finished unit."""
        return f"fields-{unit.configuration:05d}-{unit.first:05d}.npz"

    def units(self, shard: tuple[int, int] = (0, 1)) -> list[Unit]:
        """Units of a shard."""
        return plan_units(self.configurations, self.request.replicas, shard=shard, width=self.source.width)

    def prepare(self, units: list[Unit]) -> None:
        """Have what the source reads at hand, what is missing of it found in batches."""
        self.source.prepare(sorted({unit.configuration for unit in units}))

    def draw_unit(self, unit: Unit, work: Work) -> None:
        """Draw the fields of a unit and keep them in its file."""
        found: dict[str, Any] = self.source.draw(unit)
        work.keep(self.part(unit), core_seconds=self._meter.lap(), **found)

    def write(self, temporary: Path, work: Work, seconds: float) -> None:
        """The dataset from the finished units."""
        source, request, chosen = self.source, self.request, self.configurations
        store = source.store
        inherent = source.inherent(np.array(chosen))
        cage = source.cage(np.array(chosen))
        with StoreWriter.create(
            temporary,
            mixture=store.liquid,
            temperature=store.temperature[chosen],
            density=store.density,
            truncation=store.truncation,
            source=f"gensample sample {request.model}",
            species=store.species,
            box=store.box[chosen],
            split=list(store.split[chosen]),
            positions=store.positions[chosen],
            times=source.lag_time,
            replicas=np.full(len(chosen), request.replicas),
            inherent=None if inherent is None else inherent[0],
            inherent_attrs=None if inherent is None else inherent[1],
            seed=request.seed,
            command="gensample sample",
            extra_attrs={
                "request": json.dumps(asdict(request)),
                **source.attrs,
                **self._spent(work),
                "seconds": seconds,
                **({"outside_domain": source.outside} if source.outside else {}),
            },
        ) as writer:
            writer.write_array("source_configuration", np.array(chosen))
            if cage is not None:
                writer.write_cage(*cage)
            for unit in self.units():
                for offset, field in enumerate(work.arrays(self.part(unit))["fields"]):
                    writer.write_replica(chosen.index(unit.configuration), unit.first + offset, field)

    def _spent(self, work: Work) -> dict[str, Any]:
        """Core-seconds of all units, and function evaluations of a field; without what is not recorded."""
        total, found = 0.0, dict[str, Any]()
        for unit in self.units():
            part = work.arrays(self.part(unit))
            total += float(part["core_seconds"]) if "core_seconds" in part else np.nan
            found |= {"nfe": int(part["nfe"])} if "nfe" in part else {}
        return found | ({"core_seconds": total} if np.isfinite(total) else {})


def draw_fields(
    model: str,
    data: str,
    out: Path,
    *,
    split: str = "test",
    replicas: int = 32,
    seed: int = 0,
    shard: str = "0/1",
    device: str = "cpu",
    force: bool = False,
    solver: dict[str, Any] | None = None,
    engine: str | None = None,
    lmp: str | None = None,
    processes: int | None = None,
) -> str:
    """`gensample sample` for displacement fields, by the name of any model; returns a summary.

    solver: method, steps and tolerance, of trained models; engine, lmp, processes (LAMMPS side by side, 2):
    of generators that run dynamics.

    Raises:
        ConfigError: options that are not of this model, and as `sample_ensemble`.
    """
    name = belonging(model, data)
    given: dict[str, Any] = {"model": name, "data": data, "split": split, "replicas": replicas, "seed": seed}
    request: Request | PhysicsRequest
    dynamics = None
    if name != "harmonic" and not zoo.is_generator(name):
        _refuse("of generators that run dynamics", engine=engine, lmp=lmp, processes=processes)
        request = Request(**given, **{**SOLVER, **(solver or {})})
        request.check()
        request = replace(request, weights=zoo.model_digest(name))
    else:
        _refuse("of trained models", **(solver or {}))
        dynamics, weights = _physics(name, data, device, engine=engine, lmp=lmp, processes=processes)
        request = PhysicsRequest(**given, engine=getattr(dynamics, "kind", ""), weights=weights)
        request.check()
    request = replace(request, content=digest_structures(data, split))
    return sample_ensemble(request, out, shard, device, force, dynamics)


def _physics(name: str, data: str, device: str, **options: Any) -> tuple[Dynamics | None, str]:
    """The program for the dynamics of a generator without training, if it runs any, and its digest."""
    with Store.open(data) as store:
        generator = load_physics(name, store)
        bare = hashlib.sha256(repr(generator.lag_time).encode()).hexdigest()
    weights = bare if name == "harmonic" else zoo.model_digest(name)
    if not generator.runs_dynamics:
        _refuse("of generators that run dynamics", **options)
        return None, weights
    return choose_dynamics(device=device, **options), weights


def _refuse(whose: str, **options: Any) -> None:
    """ConfigError for an option that was given and is not of this kind of model."""
    for name, value in options.items():
        if value is not None:
            raise ConfigError(f"--{name} is {whose} alone; drop it")


def sample_ensemble(
    request: Request | PhysicsRequest,
    out: Path,
    shard: str = "0/1",
    device: str = "cpu",
    force: bool = False,
    dynamics: Dynamics | None = None,
) -> str:
    """Draw the missing units of a shard; write the dataset when no unit of any shard is missing.

    ``force``: of data outside the domain of the model too; the dataset says so. ``dynamics``: of a generator
    that runs some.

    Raises:
        ConfigError: model and data do not fit, the data lie outside its domain, or ``out`` or its folder
            belongs to another request.
    """
    request.check()
    check_device("--device", device)
    share = parse_shard(shard)
    if out.exists():
        refuse_other(request, out)
        tidy(out, parts_beside(out))
        return f"{out} is complete; nothing to do"
    check_output(out)
    source: Source
    if isinstance(request, Request):
        source = Learned(request, device, force)
    else:
        source = Physics(request, device, force, dynamics, parts_beside(out))
    ensemble = Ensemble(request, source)
    with claim(parts_beside(out), asdict(request), shared=True) as work:
        started = time.monotonic()
        # Another process may have finished it while this one loaded the model.
        drawn = 0 if out.exists() else _draw_units(ensemble, ensemble.units(share), work)
        missing = sum(not work.has(ensemble.part(unit)) for unit in ensemble.units())
        if missing and not out.exists():
            return f"shard {shard} done; {missing} units of others are missing, so {out} is not written yet"
        seconds = time.monotonic() - started
        work.publish(out, lambda temporary: ensemble.write(temporary, work, seconds))
    return _describe(out, drawn * len(source.lag_time), started)


def _draw_units(ensemble: Ensemble, units: list[Unit], work: Work) -> int:
    """Draw what no other process draws; then wait for what others do, and draw what they have left.

    The number of replicas drawn.
    """
    ensemble.prepare([unit for unit in units if not work.has(ensemble.part(unit))])
    request, drawn = ensemble.request, list[Unit]()
    told = f"{request.replicas} replicas of {len(ensemble.configurations)} configurations"

    def draw(unit: Unit, wait: bool) -> None:
        if work.once(ensemble.part(unit), partial(ensemble.draw_unit, unit, work), wait=wait):
            drawn.append(unit)

    for wait in (False, True):
        missing = [unit for unit in units if not work.has(ensemble.part(unit))]
        ensemble.source.each(missing, partial(draw, wait=wait), told)
    return sum(unit.stop - unit.first for unit in drawn)


def parse_shard(text: str) -> tuple[int, int]:
    """(i, n) of "i/n"."""
    index, count = map(int, text.split("/")) if SHARD.fullmatch(text) else (0, 0)
    if index >= count:
        raise ConfigError(f"--shard must be i/n with i from 0 to n - 1, such as 0/4, got {shown(text)}")
    return index, count


def _describe(out: Path, drawn: int, started: float) -> str:
    seconds = time.monotonic() - started
    with Store.open(out) as store:
        fields = int(store.done.sum()) * len(store.times)
        work = f"{store.attrs['nfe']} function evaluations a field" if "nfe" in store.attrs else ""
        core = store.attrs.get("core_seconds")
        spent = f", {core / fields:.3f} core-seconds a field" if core is not None else ""
        return (
            f"{out}: {store.num_configurations} configurations, {int(store.done.sum())} replicas at "
            f"{len(store.times)} lags, by {work or store.attrs['engine']}\n"
            f"{drawn} fields in {seconds:.0f} s{spent}"
        )
