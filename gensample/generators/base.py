"""The interface of generators of displacement fields, and of those that need no training."""

from __future__ import annotations

import copy
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch

from gensample.data.datamodule import KADataModule
from gensample.data.dataset import Dataset
from gensample.data.positions import mixture_of
from gensample.data.store import Store
from gensample.errors import ConfigError, DataError
from gensample.generators.chain import ChainDrawing
from gensample.generators.drawing import Drawer, FieldDrawing, carry_out
from gensample.physics.mixtures import Mixture
from gensample.predictors.base import propensity_of
from gensample.ranges import POSITIVE, check_device
from gensample.reads import Model, Reads, read_domain
from gensample.sampling.ensemble import FIELDS_PER_CALL, FieldUnit
from gensample.simulate.programs import Program, choose_dynamics

SOLVER, ENGINE = ("method", "steps", "tolerance"), ("engine", "lmp", "processes")
OPTIONS = dict.fromkeys(SOLVER, "trained models") | dict.fromkeys(ENGINE, "generators that run dynamics")


class Generator(Model, ABC):
    """Draws displacement fields from p(u | x, t, T).

    name, digest: what datasets say of who drew them; `gensample.load_model` knows both.
    """

    def sample(
        self,
        data: Any,
        replicas: int = 32,
        seed: int = 0,
        out: str | Path | None = None,
        *,
        split: str | None = None,
        lag: float | None = None,
        chain: int = 1,
        force: bool = False,
        **how: Any,
    ) -> Dataset:
        """An ensemble of fields of the configurations of a dataset, at all lag times of the generator.

        data: whatever `as_dataset` takes; split: those of its configurations; out: a file, which is resumed,
        else the ensemble is in memory; force: also outside the domain of the generator, which the ensemble
        then says; how: ``solver`` of trained generators, ``dynamics`` of those that run some. A field does
        not depend on which others are drawn: same seed, same bits on CPUs.

        lag: this one of its lag times alone. chain: a trajectory of so many steps of ``lag``, each drawn from
        the configuration that the replica has reached (`generators.chain`).

        Raises:
            ConfigError: the data do not fit the generator, or ``out`` is another sample.
        """
        plan = self.plan(data, replicas, seed, lag=lag, chain=chain, split=split, force=force, how=how)
        found = carry_out(plan, None if out is None else Path(out)).dataset
        assert found is not None
        return found

    def plan(
        self, data: Any, replicas: int, seed: int, *, lag: float | None, chain: int, **asked: Any
    ) -> FieldDrawing:
        """What `sample` carries out."""
        if lag is None and chain == 1:
            return FieldDrawing(self, data, replicas, seed, **asked)
        return ChainDrawing(self, data, replicas, seed, lag=lag, steps=chain, **asked)

    def propensity(self, data: Any, *, split: str | None = None, force: bool = False) -> np.ndarray:
        """Propensity (C, N, K) read off configurations without a draw, see `predictors.propensity_of`.

        Raises:
            ConfigError: the generator has no conditioner that predicts one, or the data do not fit.
        """
        return propensity_of(self, data, split=split, force=force)

    def how(self, **options: Any) -> dict[str, Any]:
        """What `sample` takes, of options of the command line that were given.

        Raises:
            ConfigError: an option is of other generators, or cannot be.
        """
        for name in options:
            raise ConfigError(f"--{name} is of {OPTIONS[name]} alone; drop it")
        return {}

    @abstractmethod
    def decides(self) -> dict[str, Any]:
        """What decides the bits besides model, data and seed, as plain values; of the same ``how``."""

    @abstractmethod
    def drawer(self, module: KADataModule) -> Drawer:
        """What draws from data that are served as the generator reads them; takes the same ``how``."""


@dataclass(frozen=True)
class FieldStart:
    """One configuration to draw fields from.

    row: its number in its dataset, which keys the random numbers; positions: (N, d) float64, wrapped;
    species: (N,); box: (d,); mixture: truncated as its dataset says; temperature; inherent: positions (N, d)
    of its inherent structure, wrapped, or None where they were not asked for.
    """

    row: int
    positions: np.ndarray
    species: np.ndarray
    box: np.ndarray
    mixture: Mixture
    temperature: float
    inherent: np.ndarray | None = None


class PhysicsGenerator(Generator):
    """A generator without training, of a known potential; kept as a folder without weights.

    lag_time: ascending, those it draws at; domain: what its settings were found on, as `domain_of` gives it,
    empty where they are of no data. Settings of the constructor are plain values: they are kept as the
    ``init_args`` of ``config.yaml``.

    Raises:
        ConfigError: lag times that are not positive and ascending, or a domain that is none.
    """

    trained = False
    needs_inherent: ClassVar[bool] = False
    """Whether `draw` reads ``start.inherent``."""
    has_weights: ClassVar[bool] = False
    """Whether `load_state_dict` is to take tensors from the folder of the model."""
    runs_dynamics: ClassVar[bool] = False
    """Whether `draw` runs molecular dynamics: by LAMMPS, or by torch on its device."""
    of_each_lag: ClassVar[tuple[str, ...]] = ("lag_time",)
    """Attributes that hold one value for each lag."""
    width = FIELDS_PER_CALL
    """Replicas that are asked for at once, where no dynamics decide it."""

    def __init__(self, lag_time: Sequence[float], domain: dict[str, Any] | None = None) -> None:
        times = lag_time if isinstance(lag_time, list | tuple) else ()
        for k, time in enumerate(times):
            POSITIVE.check(f"model.lag_time[{k}]", time)
        if not times or list(times) != sorted(set(times)):
            raise ConfigError(f"model.lag_time must be lag times in ascending order, got {lag_time!r:.100}")
        self.lag_time = tuple(float(time) for time in times)
        self.domain = read_domain(domain)
        centres: Any = "inherent" if self.needs_inherent else "thermal"
        self.reads = Reads(centres, lags=self.lag_time, domain=self.domain)
        self.device = "cpu"
        self.dynamics: Program | None = None
        self.scratch: Path | None = None

    def to(self, device: Any) -> PhysicsGenerator:
        """The same, with its tensors on a device of torch."""
        check_device("--device", str(device))
        self.device = str(device)
        return self

    def use(self, dynamics: Program | None = None, scratch: Path | None = None) -> PhysicsGenerator:
        """The same, with a program for its dynamics and a folder for what that writes on the way."""
        self.dynamics, self.scratch = dynamics, scratch
        return self

    def at(self, lag: float) -> Self:
        """The same at one of its lag times alone, which draws other random numbers.

        Raises:
            ConfigError: it has no such lag.
        """
        if lag not in self.lag_time:
            raise ConfigError(f"{self.name} draws at lag times {list(self.lag_time)}, not at {lag:g}")
        k, one = self.lag_time.index(lag), copy.copy(self)
        for name in self.of_each_lag:
            setattr(one, name, (getattr(self, name)[k],))
        one.reads = replace(self.reads, lags=one.lag_time)
        one.digest = hashlib.sha256(f"{self.digest} at {lag!r}".encode()).hexdigest()
        return one

    def open(self, dataset: Any, rows: Any = None, **options: Any) -> KADataModule:
        """See `Model`."""
        return self.reads.open(dataset, rows, **{"model": self.name, "device": self.device, **options})

    def load_state_dict(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take the weights, of those that have some."""
        raise NotImplementedError

    @property
    def time(self) -> float:
        """Of dynamics behind a replica, all lags together, tau."""
        return 0.0

    def how(self, **options: Any) -> dict[str, Any]:
        """See `Generator`."""
        if not self.runs_dynamics:
            return super().how(**options)
        own: dict[str, Any] = {"engine": None} | {n: options.pop(n) for n in ENGINE if n in options}
        return super().how(**options) | {"dynamics": choose_dynamics(device=self.device, **own)}

    def decides(self, dynamics: Program | None = None) -> dict[str, Any]:
        """See `Generator`; dynamics: LAMMPS where it is installed, else torch."""
        if self.runs_dynamics:
            self.dynamics = dynamics or choose_dynamics(None, device=self.device)
        return {"engine": self.dynamics.kind if self.dynamics else ""}

    def drawer(self, module: KADataModule, dynamics: Program | None = None) -> Drawer:
        """See `Generator`."""
        store, held, own = module.store, dict[int, FieldStart](), self.dynamics

        def prepare(rows: Sequence[int]) -> None:
            made = module.inputs.inherent(np.array(rows)) if self.needs_inherent else None
            held.update({start.row: start for start in starts(store, rows, made and made[0])})

        def draw(unit: FieldUnit, seed: int, scratch: Path | None) -> dict[str, np.ndarray]:
            start: FieldStart | list[FieldStart] = []
            if unit.rows is None:
                start = held[unit.configuration]
            else:
                start = [replace(held[row], row=unit.configuration) for row in unit.rows]
            replicas = range(unit.first, unit.stop)
            return {"fields": self.use(own, scratch).draw(start, replicas, seed, unit.lags)}

        if own is None:
            attrs = {"engine": f"torch {torch.__version__} on {self.device}"}
            return Drawer(draw, attrs, self.width, prepare)
        width = own.width(store.num_particles, self.time)
        return Drawer(draw, {"engine": own.description}, width, prepare, own.processes, own.stop)

    @abstractmethod
    def draw(
        self,
        start: FieldStart | Sequence[FieldStart],
        replicas: Sequence[int],
        seed: int,
        lags: Sequence[int] | None = None,
    ) -> np.ndarray:
        """Displacement fields (R, K, N, d) float32 of the given replicas, unwrapped, drift-free.

        start: of all replicas, or one for each, of one box and temperature; lags: their indices, all unless
        given. The random numbers of a field are keyed by (seed, start.row, replica, index of the lag) alone.
        """


def by_replica(start: FieldStart | Sequence[FieldStart], replicas: Sequence[int]) -> dict[int, FieldStart]:
    """Where each replica starts, see `PhysicsGenerator.draw`."""
    each = [start] * len(replicas) if isinstance(start, FieldStart) else start
    return dict(zip(replicas, each, strict=True))


def starts(
    store: Store, rows: Sequence[int] | np.ndarray, inherent: np.ndarray | None = None
) -> list[FieldStart]:
    """ConfigurationDrawing ``rows`` of a dataset, with their inherent structures (rows, N, d) if given.

    Raises:
        DataError: the dataset has no known potential.
    """
    mixture, positions, box, temperature = mixture_of(store), store.positions, store.box, store.temperature
    return [
        FieldStart(
            row=int(row),
            positions=positions[row],
            species=store.species,
            box=box[row],
            mixture=mixture,
            temperature=float(temperature[row]),
            inherent=None if inherent is None else inherent[k],
        )
        for k, row in enumerate(rows)
    ]


def drift_free(moved: np.ndarray) -> np.ndarray:
    """Displacements (..., N, d) without the motion of their mean, float32.

    Raises:
        DataError: some are not finite: a run has exploded.
    """
    if not np.isfinite(moved).all():
        raise DataError("a drawn field is not finite: the dynamics exploded; choose a shorter time step")
    return np.asarray(moved - moved.mean(-2, keepdims=True), np.float32)
