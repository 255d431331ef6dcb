"""A whole simulation, of either mode, or a shear: settings, jobs, resumption, dataset."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from gensample.data.store import Store
from gensample.data.summary import describe_equilibration, describe_shear, summarise_shear
from gensample.errors import ConfigError, DataError
from gensample.ranges import check_choice
from gensample.simulate.cluster import Elsewhere, connected
from gensample.simulate.equilibrium.config import EQUILIBRIUM, EquilibriumConfig
from gensample.simulate.equilibrium.evidence import describe_sampling
from gensample.simulate.equilibrium.jobs import ChainWorkshop
from gensample.simulate.isoconfigurational.config import ISOCONFIGURATIONAL, SimulationConfig
from gensample.simulate.isoconfigurational.jobs import EnsembleWorkshop
from gensample.simulate.lammps.engine import find_engine
from gensample.simulate.scheduler import Job, run_jobs
from gensample.simulate.shear.config import ShearConfig
from gensample.simulate.shear.jobs import Glasses, ShearWorkshop, load_glasses
from gensample.simulate.start import StartPoints, load_start
from gensample.structured import read_structured
from gensample.work import Work, check_output, claim, parts_beside, tidy

AnyConfig = SimulationConfig | EquilibriumConfig | ShearConfig
MODES = {ISOCONFIGURATIONAL: SimulationConfig, EQUILIBRIUM: EquilibriumConfig}
WORKSHOPS: dict[type, Any] = {
    SimulationConfig: EnsembleWorkshop,
    EquilibriumConfig: ChainWorkshop,
    ShearConfig: ShearWorkshop,
}
"""What makes the jobs of a simulation, and a dataset of their results."""


def load_config(path: str | Path, overrides: list[str] | None = None) -> SimulationConfig | EquilibriumConfig:
    """Read and check the yaml file of a simulation of either mode; ``overrides`` are ``key=value`` strings.

    Raises:
        ConfigError: the file is unreadable, a key is unknown, or a value cannot work.
    """
    config: SimulationConfig | EquilibriumConfig = read_structured(path, overrides, _schema)
    config.check()
    return config


def load_shear_config(path: str | Path, overrides: list[str] | None = None) -> ShearConfig:
    """As `load_config`, of a shear."""
    config: ShearConfig = read_structured(path, overrides, lambda given: OmegaConf.structured(ShearConfig))
    config.check()
    return config


def _schema(given: Any) -> Any:
    mode = given.get("mode", ISOCONFIGURATIONAL)
    check_choice("mode", mode, MODES)
    schema = OmegaConf.structured(MODES[mode])
    if mode == ISOCONFIGURATIONAL and given.get("start") is not None:
        schema.equilibration.time = 0.0
    return schema


class Simulation:
    """A simulation or a shear as a bench (`simulate.cluster`): its settings and jobs, below ``root``.

    shop: makes the jobs, and the dataset of what they find.
    """

    def __init__(self, config: AnyConfig, root: Path, lmp: str | None = None) -> None:
        self.engine, start = find_engine(lmp), start_of(config)
        fingerprint = {} if start is None else {"start_fingerprint": start.fingerprint()}
        self.settings = {**config.deciding(), **fingerprint}
        self.shop = WORKSHOPS[type(config)](config, self.engine, root, start)
        self.jobs: list[Job] = self.shop.jobs()

    def make(self, part: str, work: Work) -> None:
        """See `simulate.cluster.Bench`."""
        fill = next(job.work for job in self.jobs if job.name == part)
        work.once(part, lambda: work.make(part, fill))

    def stop(self) -> None:
        """See `simulate.cluster.Bench`."""
        self.engine.stop()


def simulate(
    config: AnyConfig,
    out: Path,
    *,
    lmp: str | None = None,
    command: str = "",
    keep_parts: bool = False,
    cluster: str | None = None,
) -> str:
    """Run or resume a simulation or a shear and write its dataset; returns a summary.

    cluster: address or scheduler file of one whose workers do the jobs (`simulate.cluster`).

    Raises:
        ConfigError: ``out`` or its folder of finished jobs belongs to other settings, or is in use, or the
            settings do not fit the dataset that it starts from.
        DataError: the dataset that it starts from is absent, damaged or absurd.
        MissingDependencyError: LAMMPS is not installed.
        GensampleError: LAMMPS failed.
    """
    root = parts_beside(out)
    if out.exists():
        _refuse_other(config, out)
        if not keep_parts:
            tidy(out, root)
        return f"{out} is complete; nothing to do"
    check_output(out)
    root = root.resolve()
    simulation = Simulation(config, root, lmp)
    told = ("sheared", "steps") if isinstance(config, ShearConfig) else ("simulated", "tau")
    where = None if cluster is None else Elsewhere(cluster, partial(Simulation, config, root, lmp))
    with claim(root, simulation.settings, shared=cluster is not None) as work:
        with connected(where, root) as workers:
            run_jobs(simulation.jobs, work, config.processes, simulation.stop, *told, workers)
        work.publish(out, lambda path: simulation.shop.write(path, command), keep=keep_parts)
    return describe_made(out)


def start_of(config: AnyConfig) -> StartPoints | Glasses | None:
    """What a simulation starts from, if it is given."""
    if isinstance(config, ShearConfig):
        return load_glasses(config)
    return load_start(config, config.starting_points())


def describe_made(out: Path) -> str:
    """What was made and how well it was equilibrated, in a few lines."""
    with Store.open(out) as store:
        kind = "shears" if store.attrs.get("kind") == "shear" else "replicas"
        made = f"{out}: {store.num_configurations} configurations, {int(store.done.sum())} {kind}"
        if kind == "shears":
            return "\n".join([made, *describe_shear(summarise_shear(store))])
        if "autocorrelation_time" in store.attrs:
            return "\n".join([made, *describe_sampling(store.attrs)])
        if "start" in store.attrs:
            return f"{made}\nstarted from {store.attrs['start']}"
        return f"{made}\nequilibrated for {describe_equilibration(store.attrs)}"


def _refuse_other(config: AnyConfig, out: Path) -> None:
    """ConfigError unless a dataset was made with these settings, and from what these start from."""
    with Store.open(out) as store:
        made_with, made_from, dataset = map(store.attrs.get, ("config", "start_fingerprint", "start"))
    if made_with is None or json.loads(made_with) != config.deciding():
        raise ConfigError(f"{out} exists and was made with other settings; remove it or choose another --out")
    try:
        start = start_of(config)
    except DataError:  # it may be gone
        return
    if start is not None and start.fingerprint() != made_from:
        raise ConfigError(
            f"{out} was made from other configurations than {dataset} now has; "
            "remove it or choose another --out"
        )
