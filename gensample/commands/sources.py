"""Where displacement fields come from: a trained model, or a generator without training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from gensample import registry, zoo
from gensample.commands.requests import PhysicsRequest, Request
from gensample.data.positions import Inputs, Made
from gensample.data.store import Store, domain_of
from gensample.errors import ConfigError
from gensample.generators.base import Generator, Start, starts
from gensample.generators.displacement import DisplacementFlow
from gensample.reads import check_domain, differences
from gensample.sampling.ensemble import FIELDS_PER_CALL, Call, NoiseStream, Unit, run_unit
from gensample.sampling.solver import Solver
from gensample.simulate.runners import Dynamics
from gensample.simulate.scheduler import Job, run_jobs

BARE = {"harmonic": "gensample.generators.harmonic.Harmonic", "heated": "gensample.generators.heated.Heated"}
"""Names of generators without training that stand for the one that belongs to the data."""


class Source(Protocol):
    """Draws the units of an ensemble.

    store: of the data; lag_time: (K,); outside: how the data differ from the domain of the model; width:
    replicas of a unit; attrs: what the dataset says of how it was drawn.
    """

    store: Store
    lag_time: np.ndarray
    outside: str
    width: int
    attrs: dict[str, Any]

    def prepare(self, rows: Sequence[int]) -> None:
        """Have what is needed of the configurations ``rows`` at hand."""

    def draw(self, unit: Unit) -> dict[str, np.ndarray]:
        """``fields`` (R, K, N, d) float32 of a unit, and what else is kept of it."""

    def each(self, units: Sequence[Unit], draw: Callable[[Unit], None], told: str) -> None:
        """Call ``draw`` for every unit, and show how far it is."""

    def inherent(self, rows: np.ndarray) -> Made | None:
        """Inherent structures of configurations, where known."""

    def cage(self, rows: np.ndarray) -> Made | None:
        """Cage positions of configurations, where known."""


class Learned:
    """A trained model with its data module.

    Raises:
        ConfigError: it draws no displacement fields, or the data do not fit it.
    """

    width = FIELDS_PER_CALL

    def __init__(self, request: Request, device: str, force: bool) -> None:
        self.request = request
        self.model = load_generator(request.model, device)
        self.module = self.model.open(
            request.data, request.split, model=request.model, device=device, force=force
        )
        self.store, self.outside = self.module.store, self.module.outside
        self.lag_time = self.model.lag_time.double().cpu().numpy()
        self.attrs: dict[str, Any] = {"input": self.model.reads.input}
        self._device = torch.device(device)
        self._current: tuple[int, Any, Any] | None = None
        self._nfe = 0

    def prepare(self, rows: Sequence[int]) -> None:
        """See `Source`."""
        self.module.inputs.prepare(rows)

    def draw(self, unit: Unit) -> dict[str, np.ndarray]:
        """See `Source`."""
        fields = run_unit(
            unit,
            self._draw,
            seed=self.request.seed,
            lags=range(len(self.lag_time)),
            shape=(self.store.num_particles, self.store.dimension),
            device=self._device,
        )
        return {"fields": fields.numpy(), "nfe": np.array(self._nfe)}

    def _draw(self, call: Call, noise: NoiseStream) -> torch.Tensor:
        data, condition = self._configuration(call.configuration)
        lag = torch.full((1, len(call.replicas)), call.lag, device=self._device)
        request = self.request
        solver = Solver(request.method, request.steps, request.tolerance)
        fields, self._nfe = self.model.draw(data, lag, noise.next, condition=condition, solver=solver)
        return fields

    @torch.no_grad()
    def _configuration(self, row: int) -> tuple[Any, Any]:
        if self._current is None or self._current[0] != row:
            data = self.module.batch([row])
            self._current = (row, data, self.model.condition(data))
        return self._current[1:]

    def each(self, units: Sequence[Unit], draw: Callable[[Unit], None], told: str) -> None:
        """See `Source`."""
        one_by_one(units, draw, told)

    def inherent(self, rows: np.ndarray) -> Made | None:
        """See `Source`."""
        return self.module.inputs.inherent(rows)

    def cage(self, rows: np.ndarray) -> Made | None:
        """See `Source`."""
        return self.module.inputs.cage(rows)


class Physics:
    """A generator without training.

    Raises:
        ConfigError, DataError: the data have no known potential.
    """

    def __init__(
        self, request: PhysicsRequest, device: str, force: bool, dynamics: Dynamics | None, scratch: Path
    ) -> None:
        self.request, self.store = request, Store.open(request.data)
        self.generator = load_physics(request.model, self.store)
        if dynamics is None:
            self.generator.to(device)
        self.generator.use(dynamics, scratch)
        self.lag_time = np.array(self.generator.lag_time)
        served = domain_of(self.store, self.store.temperature[self.store.indices(request.split)])
        domain = self.generator.domain
        self.outside = check_domain(request.model, domain, request.data, served, force=force)
        self.width = self.generator.width
        if dynamics is not None:
            self.width = dynamics.width(self.store.num_particles, self.generator.time)
        engine = f"torch {torch.__version__} on {device}" if dynamics is None else dynamics.description
        self.attrs: dict[str, Any] = {"engine": engine}
        self._inputs = Inputs(
            self.store, "inherent" if self.generator.needs_inherent else "thermal", torch.device(device)
        )
        self._dynamics = dynamics
        self._starts: dict[int, Start] = {}

    def prepare(self, rows: Sequence[int]) -> None:
        """See `Source`."""
        self._inputs.prepare(rows)
        made = self._inputs.inherent(np.array(rows)) if self.generator.needs_inherent else None
        found = starts(self.store, rows, None if made is None else made[0])
        self._starts = {start.row: start for start in found}

    def draw(self, unit: Unit) -> dict[str, np.ndarray]:
        """See `Source`."""
        replicas = range(unit.first, unit.stop)
        return {"fields": self.generator.draw(self._starts[unit.configuration], replicas, self.request.seed)}

    def each(self, units: Sequence[Unit], draw: Callable[[Unit], None], told: str) -> None:
        """See `Source`; several LAMMPS side by side."""
        if self._dynamics is None or self._dynamics.processes == 1 or not units:
            one_by_one(units, draw, told)
            return
        jobs = [
            Job(
                f"{unit.configuration}-{unit.first}",
                None,
                unit.stop - unit.first,
                partial(_drawn, draw, unit),
            )
            for unit in units
        ]
        run_jobs(jobs, None, self._dynamics.processes, self._dynamics.stop, "drawn", "replicas")

    def inherent(self, rows: np.ndarray) -> Made | None:
        """See `Source`."""
        return self._inputs.inherent(rows)

    def cage(self, rows: np.ndarray) -> Made | None:
        """See `Source`."""
        return self._inputs.cage(rows)


def _drawn(draw: Callable[[Unit], None], unit: Unit, folder: Path) -> None:
    draw(unit)


def one_by_one(units: Sequence[Unit], draw: Callable[[Unit], None], told: str) -> None:
    """Draw units in order, with a bar."""
    for unit in track(units, told, console=Console(stderr=True), disable=not units):
        draw(unit)


def load_generator(name: str, device: str) -> DisplacementFlow:
    """A trained displacement generator by released name, folder or checkpoint, in evaluation mode."""
    model = zoo.load_model(name, device)
    if not isinstance(model, DisplacementFlow):
        raise ConfigError(f"{name} is a {type(model).__name__}, which draws no displacement fields")
    return model


def load_physics(name: str, store: Store) -> Generator:
    """A generator without training by name or folder; "harmonic" needs no fit: the lags are the data's."""
    if name == "harmonic":
        settings = {"lag_time": store.times.tolist(), "domain": domain_of(store, lags=store.times)}
        block = {"class_path": BARE[name], "init_args": settings}
        bare: Generator = registry.build(block, registry.GENERATORS)
        return bare
    return zoo.load_physics(name)


def belonging(name: str, data: str) -> str:
    """The released model that "heated" stands for, that of the liquid of the data; other names as they are.

    Raises:
        ConfigError: no released one is of this liquid.
    """
    if name != "heated":
        return name
    with Store.open(data) as store:
        served = domain_of(store)
        known = {each: zoo.load_physics(each) for each in zoo.generators(BARE[name])}
        fits = [each for each, model in known.items() if not differences(model.domain, served)]
        if not fits:
            raise ConfigError(
                f"no released heated model is of the liquid of {data} ({store.mixture}, T = "
                f"{', '.join(f'{t:g}' for t in served['temperatures'])}); "
                f"`gensample fit heated --data {data} --out FOLDER` makes one, for `gensample sample FOLDER`"
            )
        # Of several, the one whose lags are most of the data's, and fewest of others.
        shared = {each: np.isin(np.round(known[each].lag_time, 6), store.times).sum() for each in fits}
    return max(fits, key=lambda each: (shared[each], -len(known[each].lag_time)))
