"""A whole simulation: jobs, resumption, dataset."""

from __future__ import annotations

import json
from pathlib import Path

from gensample.data.store import Store
from gensample.errors import ConfigError
from gensample.simulate.assemble import assemble
from gensample.simulate.config import SimulationConfig
from gensample.simulate.engine import find_engine
from gensample.simulate.evidence import describe_equilibration
from gensample.simulate.jobs import Workshop
from gensample.simulate.parts import Parts, claim
from gensample.simulate.scheduler import run_jobs


def simulate(
    config: SimulationConfig,
    out: Path,
    *,
    lmp: str | None = None,
    command: str = "",
    keep_parts: bool = False,
) -> str:
    """Run or resume a simulation and write its dataset; returns a summary.

    Raises:
        ConfigError: ``out`` or its folder of finished jobs belongs to other settings, or is in use.
        MissingDependencyError: LAMMPS is not installed.
        GensampleError: LAMMPS failed.
    """
    root = parts_folder(out)
    if out.exists():
        _refuse_other_dataset(config, out)
        if not keep_parts:
            Parts(root).remove()
        return f"{out} is complete; nothing to do"
    engine = find_engine(lmp)
    with claim(root, config.deciding()) as parts:
        shop = Workshop(config, engine, root)
        run_jobs(shop.jobs(), parts.run, parts.is_done, config.processes, engine.stop)
        with parts.publish(out) as temporary:
            assemble(shop, temporary, command)
        if not keep_parts:
            parts.remove()
    return describe(out)


def parts_folder(out: Path) -> Path:
    """Where the finished jobs of an unfinished dataset lie."""
    return out.with_name(f"{out.name}.parts")


def describe(out: Path) -> str:
    """What was made and how well it was equilibrated, in two lines."""
    with Store.open(out) as store:
        made = f"{out}: {store.num_configurations} configurations, {int(store.done.sum())} replicas"
        return f"{made}\nequilibrated for {describe_equilibration(store.attrs)}"


def _refuse_other_dataset(config: SimulationConfig, out: Path) -> None:
    with Store.open(out) as store:
        made_with = store.attrs.get("config")
    if made_with is None or json.loads(made_with) != config.deciding():
        raise ConfigError(f"{out} exists and was made with other settings; remove it or choose another --out")
