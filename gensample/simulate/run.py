"""A whole simulation: jobs, resumption, dataset."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gensample.data.store import Store
from gensample.data.summary import describe_equilibration
from gensample.errors import ConfigError, DataError
from gensample.simulate.equilibrium.assemble import assemble_chains
from gensample.simulate.equilibrium.config import EquilibriumConfig
from gensample.simulate.equilibrium.evidence import describe_sampling
from gensample.simulate.equilibrium.jobs import ChainWorkshop
from gensample.simulate.isoconfigurational.assemble import assemble
from gensample.simulate.isoconfigurational.config import SimulationConfig
from gensample.simulate.isoconfigurational.jobs import Workshop
from gensample.simulate.lammps.engine import Engine, find_engine
from gensample.simulate.scheduler import Job, run_jobs
from gensample.simulate.start import StartPoints, load_start
from gensample.work import check_output, claim, parts_beside, tidy


def simulate(
    config: SimulationConfig | EquilibriumConfig,
    out: Path,
    *,
    lmp: str | None = None,
    command: str = "",
    keep_parts: bool = False,
) -> str:
    """Run or resume a simulation of either mode and write its dataset; returns a summary.

    Raises:
        ConfigError: ``out`` or its folder of finished jobs belongs to other settings, or is in use.
        DataError: the starting points are absent, damaged or absurd.
        MissingDependencyError: LAMMPS is not installed.
        GensampleError: LAMMPS failed.
    """
    root = parts_beside(out)
    if out.exists():
        refuse_other_settings(config.deciding(), out)
        _refuse_other_start(config, out)
        if not keep_parts:
            tidy(out, root)
        return f"{out} is complete; nothing to do"
    check_output(out)
    engine = find_engine(lmp)
    start = load_start(config, config.starting_points())
    fingerprint = {} if start is None else {"start_fingerprint": start.fingerprint()}
    with claim(root, {**config.deciding(), **fingerprint}) as work:
        jobs, write = _plan(config, engine, root, start, command)
        run_jobs(jobs, work, config.processes, engine.stop)
        work.publish(out, write, keep=keep_parts)
    return describe(out)


def _plan(
    config: SimulationConfig | EquilibriumConfig,
    engine: Engine,
    root: Path,
    start: StartPoints | None,
    command: str,
) -> tuple[list[Job], Callable[[Path], None]]:
    """Jobs of a simulation, and what makes a dataset of their results."""
    if isinstance(config, EquilibriumConfig):
        chains = ChainWorkshop(config, engine, root, start)
        return chains.jobs(), lambda path: assemble_chains(chains, path, command)
    shop = Workshop(config, engine, root, start)
    return shop.jobs(), lambda path: assemble(shop, path, command)


def describe(out: Path) -> str:
    """What was made and how well it was equilibrated, in a few lines."""
    with Store.open(out) as store:
        made = f"{out}: {store.num_configurations} configurations, {int(store.done.sum())} replicas"
        if "autocorrelation_time" in store.attrs:
            return "\n".join([made, *describe_sampling(store.attrs)])
        if "start" in store.attrs:
            return f"{made}\nstarted from {store.attrs['start']}"
        return f"{made}\nequilibrated for {describe_equilibration(store.attrs)}"


def refuse_other_settings(deciding: Mapping[str, Any], out: Path) -> None:
    """ConfigError unless the dataset was made with the settings that decide it."""
    with Store.open(out) as store:
        made_with = store.attrs.get("config")
    if made_with is None or json.loads(made_with) != deciding:
        raise ConfigError(f"{out} exists and was made with other settings; remove it or choose another --out")


def _refuse_other_start(config: SimulationConfig | EquilibriumConfig, out: Path) -> None:
    """ConfigError when the starting points have changed since; they may also be gone."""
    with Store.open(out) as store:
        made_from, dataset = store.attrs.get("start_fingerprint"), store.attrs.get("start")
    try:
        start = load_start(config, config.starting_points())
    except DataError:
        return
    if start is not None and start.fingerprint() != made_from:
        raise ConfigError(
            f"{out} was made from other configurations than {dataset} now has; "
            "remove it or choose another --out"
        )
