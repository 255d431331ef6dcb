"""`gensample sample MODEL`: displacement ensembles of given configurations, or new configurations."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gensample.errors import ConfigError
from gensample.ranges import PROCESSES, check_device, shown
from gensample.settings import option, switch, word

if TYPE_CHECKING:
    from gensample.generators.drawing import Drawing, Drawn
    from gensample.sampling.solver import Solver

FIELDS, STRUCTURES = "displacement fields", "configurations"
SHARD = re.compile(r"[0-9]{1,6}/[0-9]{1,6}")


@dataclass(frozen=True)
class SampleSettings:
    """Draw displacement fields or configurations; what an earlier run left unfinished is resumed."""

    model: str = word(
        "name of a released model, its folder, or a checkpoint; harmonic or heated: physics without "
        "training, for the liquid of --data"
    )
    out: str = option("dataset to write")
    seed: int = option("of the sample (0)", 0, int)
    method: str | None = option("euler, midpoint (default), heun2, rk4, dopri5, or sde", None)
    steps: int | None = option(
        "solver steps of fixed-step methods (4 of each stage for displacements, 12 for configurations)",
        None,
        int,
    )
    tolerance: float | None = option("of adaptive methods (1e-5)", None, float)
    device: str = option("cpu, cuda, cuda:1, ...", "cpu")
    force: bool = switch(
        "also outside the domain of the model, the data it was trained on; the dataset says so"
    )

    data: str | None = option("dataset with the initial configurations, file or name", None, group=FIELDS)
    split: str = option("configurations to sample: train, val, test (default) or all", "test", group=FIELDS)
    replicas: int = option("fields per configuration and lag (32)", 32, int, group=FIELDS)
    shard: str = option("i/n: do share i of n; the last to finish writes --out", "0/1", group=FIELDS)
    engine: str | None = option("of dynamics: lammps (default where installed) or torch", None, group=FIELDS)
    lmp: str | None = option("LAMMPS executable of your own", None, group=FIELDS)
    processes: int | None = option("LAMMPS processes side by side (2)", None, PROCESSES, group=FIELDS)

    temperature: float | None = option("temperature of the configurations", None, float, group=STRUCTURES)
    num: int = option("number of configurations (1000)", 1000, int, group=STRUCTURES)
    particles: int | None = option("particles of each (as trained)", None, int, group=STRUCTURES)
    base: str | None = option("dataset with the liquid that some models start from", None, group=STRUCTURES)
    base_split: str = option(
        "its configurations: train, val, test, or several as val,test", "test", group=STRUCTURES
    )
    grid: str = option("solver times: uniform (default), cosine or late", "uniform", group=STRUCTURES)
    likelihood: str = option(
        "log density of each: none (default), exact or hutchinson", "none", group=STRUCTURES
    )
    probes: int = option("probes of hutchinson (8)", 8, int, group=STRUCTURES)
    sweeps: int = option("sweeps with the real potential afterwards (0)", 0, int, group=STRUCTURES)
    correction: str = option("of what: metropolis sweeps, or langevin steps", "metropolis", group=STRUCTURES)

    def run(self) -> None:
        """Sample and say what was drawn."""
        from gensample import zoo
        from gensample.generators.drawing import carry_out

        if (self.data is None) == (self.temperature is None):
            raise ConfigError(
                "give --data DATA.h5 to draw displacement fields from its configurations, "
                "or --temperature T to draw new configurations"
            )
        foreign, kind = (
            (FIELDS, "configurations (--temperature)")
            if self.data is None
            else (STRUCTURES, "fields (--data)")
        )
        for each in fields(self):
            if each.metadata.get("group") == foreign and getattr(self, each.name) != each.default:
                raise ConfigError(f"--{each.name.replace('_', '-')} is of samples of {kind} alone; drop it")
        check_device("--device", self.device)
        shard = _shard(self.shard)
        model = zoo.load_model(self.model, self.device, data=self.data)
        plan = self._configurations(model) if self.data is None else self._ensemble(model)
        print(self._told(plan, carry_out(plan, Path(self.out), shard)))

    def _solver(self, default: Solver) -> Solver:
        given = {name: getattr(self, name) for name in ("method", "steps", "tolerance")}
        return replace(default, **{name: value for name, value in given.items() if value is not None})

    def _ensemble(self, model: Any) -> Drawing:
        from gensample.generators.base import Generator
        from gensample.generators.displacement import DisplacementFlow
        from gensample.generators.ensemble import FieldDrawing
        from gensample.sampling.solver import FIELDS as SOLVER
        from gensample.simulate.runners import choose_dynamics

        if not isinstance(model, Generator):
            raise ConfigError(f"{self.model} is a {type(model).__name__}, which draws no displacement fields")
        how: dict[str, Any] = {}
        if isinstance(model, DisplacementFlow):
            how["solver"] = self._solver(SOLVER)
        else:
            self._refuse("of trained models", "method", "steps", "tolerance")
        options = ("engine", "lmp", "processes")
        if getattr(model, "runs_dynamics", False):
            how["dynamics"] = choose_dynamics(
                device=self.device, **{name: getattr(self, name) for name in options}
            )
        else:
            self._refuse("of generators that run dynamics", *options)
        return FieldDrawing(
            model, self.data, self.replicas, self.seed, split=self.split, force=self.force, how=how
        )

    def _configurations(self, model: Any) -> Drawing:
        from gensample.generators.configuration import ConfigurationDrawing, ConfigurationFlow
        from gensample.sampling.solver import CONFIGURATIONS

        if not isinstance(model, ConfigurationFlow):
            raise ConfigError(
                f"{self.model} is a {type(model).__name__}, which draws no configurations: give --data"
            )
        names = ("particles", "base", "base_split", "likelihood", "probes", "sweeps", "correction", "force")
        settings = {name: getattr(self, name) for name in names}
        solver = self._solver(replace(CONFIGURATIONS, grid=self.grid))
        assert self.temperature is not None
        return ConfigurationDrawing(model, self.temperature, self.num, self.seed, solver=solver, **settings)

    def _refuse(self, whose: str, *names: str) -> None:
        """ConfigError for an option that was given and is not of this kind of model."""
        for name in names:
            if getattr(self, name) is not None:
                raise ConfigError(f"--{name} is {whose} alone; drop it")

    def _told(self, plan: Drawing, drawn: Drawn) -> str:
        if drawn.dataset is None:
            return (
                f"shard {self.shard} done; {drawn.missing} units of others are missing, so {self.out} is not "
                "written yet"
            )
        if not drawn.seconds:
            return f"{self.out} is complete; nothing to do"
        store = drawn.dataset.store
        nfe, core = store.attrs.get("nfe"), store.attrs.get("core_seconds")
        by = f"{nfe} function evaluations" if nfe is not None else str(store.attrs["engine"])
        took = f"{drawn.parts} of {len(plan.parts)} parts drawn in {drawn.seconds:.0f} s"
        what = f"{self.out}: {store.num_configurations} configurations"
        if self.data is None:
            return f"{what} of {store.num_particles} particles at T = {store.temperature[0]:g}, {by}\n{took}"
        replicas, lags = int(store.done.sum()), len(store.times)
        spent = "" if core is None else f", {core / (replicas * lags):.3f} core-seconds a field"
        each = "" if nfe is None else " a field"
        return f"{what}, {replicas} replicas at {lags} lags, by {by}{each}\n{took}{spent}"


def _shard(text: str) -> tuple[int, int]:
    """(i, n) of "i/n"."""
    index, count = map(int, text.split("/")) if SHARD.fullmatch(text) else (0, 0)
    if index >= count:
        raise ConfigError(f"--shard must be i/n with i from 0 to n - 1, such as 0/4, got {shown(text)}")
    return index, count
