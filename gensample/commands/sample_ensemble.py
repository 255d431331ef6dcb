"""Drawing a whole ensemble: units of work, resumption, shards, and the dataset at the end."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from gensample import zoo
from gensample.commands.requests import parts_folder, refuse_other
from gensample.data.datamodule import KADataModule
from gensample.data.domain import check_domain, domain_of
from gensample.data.store import Store, StoreWriter
from gensample.errors import ConfigError
from gensample.ranges import SEED, check_choice, check_device, check_table, positive_to, shown, whole
from gensample.sampling.ensemble import FIELDS_PER_CALL, Call, NoiseStream, Unit, plan_units, run_unit
from gensample.sampling.ode import ADAPTIVE, FIXED
from gensample.tasks.displacement import DisplacementTask
from gensample.work import Busy, Claim, alone, atomic, check_output, claim, tidy

RANGES = {
    "replicas": whole(1, 1_000_000),
    "seed": SEED,
    "steps": whole(1, 100_000),
    "tolerance": positive_to(0.1),
}
SPLITS = ("train", "val", "test", "all")
SHARD = re.compile(r"[0-9]{1,6}/[0-9]{1,6}")


@dataclass(frozen=True)
class Request:
    """Everything that decides the bits of an ensemble."""

    model: str
    data: str
    split: str
    replicas: int
    seed: int
    method: str
    steps: int
    tolerance: float
    weights: str = ""
    content: str = ""

    def check(self) -> None:
        """Refuse settings that cannot be, naming the option."""
        check_table(self, RANGES, "--")
        check_choice("--method", self.method, (*FIXED, *ADAPTIVE, "sde"))
        check_choice("--split", self.split, SPLITS)


class Ensemble:
    """One request with its model, data and folder of finished units."""

    def __init__(self, request: Request, out: Path, device: str, force: bool) -> None:
        self.request, self.out = request, out
        self.parts = parts_folder(out)
        self.model = load_generator(request.model, device)
        settings = self.model.settings
        self.module = KADataModule(
            request.data,
            target="structure",
            input=settings.input,
            cutoff=settings.cutoff,
            descriptors=self.model.descriptors,
        )
        check_fits(self.model, self.module)
        store = self.module.store
        self.configurations = [int(c) for c in store.indices(request.split)]
        served = domain_of(store, store.temperature[self.configurations])
        self.outside = check_domain(request.model, self.model.domain, request.data, served, force=force)
        self.module.device = torch.device(device)
        self.module.setup()
        if settings.descriptors:
            mean, scale = self.model.descriptor_mean, self.model.descriptor_scale
            self.module.use_descriptor_statistics(mean, scale, self.model.probe_levels)
        self.nfe = 0
        self._current: tuple[int, Any, Any] | None = None

    def path(self, unit: Unit) -> Path:
        """File of a finished unit."""
        return self.parts / f"fields-{unit.configuration:05d}-{unit.first:05d}.npz"

    def units(self, shard: tuple[int, int] = (0, 1)) -> list[Unit]:
        """Units of a shard."""
        return plan_units(self.configurations, self.request.replicas, shard=shard)

    def prepare(self, units: list[Unit]) -> None:
        """Have the positions that the model reads at hand, those that are missing found in batches."""
        self.module.inputs.prepare(sorted({unit.configuration for unit in units}))

    def draw_unit(self, unit: Unit) -> None:
        """Draw the fields of a unit and keep them in its file."""
        store = self.module.store
        fields = run_unit(
            unit,
            self._draw,
            seed=self.request.seed,
            lags=range(len(self.model.lag_time)),
            shape=(store.num_particles, store.dimension),
            device=self.model.device,
        )
        with atomic(self.path(unit)) as temporary:
            np.savez(temporary, fields=fields.numpy(), nfe=self.nfe)

    def _draw(self, call: Call, noise: NoiseStream) -> torch.Tensor:
        data, condition = self._configuration(call.configuration)
        lag = torch.full((1, len(call.replicas)), call.lag, device=self.model.device)
        request = self.request
        fields, self.nfe = self.model.draw(
            data,
            lag,
            noise.next,
            condition=condition,
            method=request.method,
            steps=request.steps,
            tolerance=request.tolerance,
        )
        return fields

    @torch.no_grad()
    def _configuration(self, row: int) -> tuple[Any, Any]:
        if self._current is None or self._current[0] != row:
            data = self.module.batch([row])
            self._current = (row, data, self.model.condition(data))
        return self._current[1:]

    def write(self, seconds: float) -> None:
        """The dataset from the finished units."""
        store, request, chosen = self.module.store, self.request, self.configurations
        inherent = self.module.inputs.inherent(np.array(chosen))
        cage = self.module.inputs.cage(np.array(chosen))
        with np.load(self.path(self.units()[-1])) as last:
            nfe = int(last["nfe"])
        with (
            atomic(self.out) as temporary,
            StoreWriter.create(
                temporary,
                mixture=store.mixture,
                temperature=store.temperature[chosen],
                density=store.density,
                truncation=store.truncation,
                source=f"gensample sample {request.model}",
                species=store.species,
                box=store.box[chosen],
                split=list(store.split[chosen]),
                positions=store.positions[chosen],
                times=self.model.lag_time.double().cpu().numpy(),
                replicas=np.full(len(chosen), request.replicas),
                inherent=None if inherent is None else inherent[0],
                inherent_attrs=None if inherent is None else inherent[1],
                seed=request.seed,
                command="gensample sample",
                extra_attrs={
                    "request": json.dumps(asdict(request)),
                    "input": self.model.settings.input,
                    "nfe": nfe,
                    "seconds": seconds,
                    **({"outside_domain": self.outside} if self.outside else {}),
                },
            ) as writer,
        ):
            writer.write_array("source_configuration", np.array(chosen))
            if cage is not None:
                writer.write_cage(*cage)
            for unit in self.units():
                with np.load(self.path(unit)) as part:
                    for offset, field in enumerate(part["fields"]):
                        writer.write_replica(chosen.index(unit.configuration), unit.first + offset, field)


def sample_ensemble(
    request: Request, out: Path, shard: str = "0/1", device: str = "cpu", force: bool = False
) -> str:
    """Draw the missing units of a shard; write the dataset when no unit of any shard is missing.

    ``force``: of data outside the domain of the model too; the dataset says so.

    Raises:
        ConfigError: model and data do not fit, the data lie outside its domain, or ``out`` or its folder
            belongs to another request.
    """
    request.check()
    check_device("--device", device)
    share = parse_shard(shard)
    if out.exists():
        refuse_other(request, out)
        tidy(out, parts_folder(out))
        return f"{out} is complete; nothing to do"
    check_output(out)
    ensemble = Ensemble(request, out, device, force)
    with claim(ensemble.parts, asdict(request), shared=True) as claimed:
        started = time.monotonic()
        # Another process may have finished it while this one loaded the model.
        drawn = 0 if out.exists() else _draw_units(ensemble, ensemble.units(share))
        missing = sum(not ensemble.path(unit).exists() for unit in ensemble.units())
        if missing and not out.exists():
            return f"shard {shard} done; {missing} units of others are missing, so {out} is not written yet"
        _publish(ensemble, claimed, time.monotonic() - started)
    return _describe(out, drawn * FIELDS_PER_CALL * len(ensemble.model.lag_time), started)


def _draw_units(ensemble: Ensemble, units: list[Unit]) -> int:
    """Draw what no other process draws; then wait for what others do, and draw what they have left."""
    ensemble.prepare([unit for unit in units if not ensemble.path(unit).exists()])
    request, drawn = ensemble.request, 0
    told = f"{request.replicas} replicas of {len(ensemble.configurations)} configurations"
    for wait in (False, True):
        missing = [unit for unit in units if not ensemble.path(unit).exists()]
        for unit in track(missing, told, console=Console(stderr=True), disable=not missing):
            path = ensemble.path(unit)
            with suppress(Busy), alone(path.with_suffix(""), wait=wait):
                if not path.exists():
                    ensemble.draw_unit(unit)
                    drawn += 1
    return drawn


def _publish(ensemble: Ensemble, claimed: Claim, seconds: float) -> None:
    """Write the dataset, unless another process that had finished too did so meanwhile."""
    claimed.become_last()
    if not ensemble.out.exists():
        ensemble.write(seconds)
    claimed.remove()


def load_generator(name: str, device: str) -> DisplacementTask:
    """A displacement generator by released name, folder or checkpoint, in evaluation mode."""
    model = zoo.load_model(name, device)
    if not isinstance(model, DisplacementTask):
        raise ConfigError(f"{name} is a {type(model).__name__}, which draws no displacement fields")
    return model


def check_fits(model: DisplacementTask, module: KADataModule) -> None:
    """Refuse data whose dimension, species or descriptors are not those the model was trained on."""
    ours = (module.dimension, module.num_species, module.num_descriptors)
    theirs = (model.settings.dimension, model.settings.num_species, model.settings.descriptors)
    if ours != theirs:
        raise ConfigError(
            f"the model was trained on (dimension, species, descriptors) = {theirs}, the data have {ours}; "
            "choose a model of this mixture"
        )


def parse_shard(text: str) -> tuple[int, int]:
    """(i, n) of "i/n"."""
    index, count = map(int, text.split("/")) if SHARD.fullmatch(text) else (0, 0)
    if index >= count:
        raise ConfigError(f"--shard must be i/n with i from 0 to n - 1, such as 0/4, got {shown(text)}")
    return index, count


def _describe(out: Path, drawn: int, started: float) -> str:
    seconds = time.monotonic() - started
    with Store.open(out) as store:
        return (
            f"{out}: {store.num_configurations} configurations, {int(store.done.sum())} replicas at "
            f"{len(store.times)} lags, {store.attrs['nfe']} function evaluations a field\n"
            f"{drawn} fields in {seconds:.0f} s, {seconds / max(drawn, 1):.3f} s a field"
        )
