"""A whole simulation: jobs, resumption, dataset."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from gensample.data.store import Store, atomic
from gensample.errors import ConfigError
from gensample.simulate.assemble import assemble
from gensample.simulate.config import SimulationConfig
from gensample.simulate.engine import find_engine
from gensample.simulate.jobs import Workshop
from gensample.simulate.scheduler import run_jobs


def simulate(
    config: SimulationConfig, out: Path, *, lmp: str | None = None, command: str = "", keep_parts: bool = False
) -> str:
    """Run or resume a simulation and write its dataset; returns a summary.

    Raises:
        ConfigError: ``out`` or its folder of finished jobs belongs to other settings.
        MissingDependencyError: LAMMPS is not installed.
        GensampleError: LAMMPS failed.
    """
    if out.exists():
        _refuse_other_dataset(config, out)
        return f"{out} is complete; nothing to do"
    engine = find_engine(lmp)
    parts = parts_folder(out)
    _claim(parts, config)
    shop = Workshop(config, engine, parts)
    shop.discard_scratch()
    run_jobs(shop.jobs(), shop.run, shop.is_done, config.processes)
    assemble(shop, out, command)
    if not keep_parts:
        shutil.rmtree(parts)
    return describe(out)


def parts_folder(out: Path) -> Path:
    """Where the finished jobs of an unfinished dataset lie."""
    return out.with_name(f"{out.name}.parts")


def describe(out: Path) -> str:
    """Two lines on what was made and how well it was equilibrated."""
    with Store.open(out) as store:
        a = store.attrs
        return (
            f"{out}: {store.num_configurations} configurations, {int(store.done.sum())} replicas\n"
            f"equilibrated for {a['equilibration_over_tau_alpha']:.1f} tau_alpha "
            f"(tau_alpha = {a['tau_alpha']:.0f}), energy drift {a['energy_drift']:.4f} "
            f"+- {a['energy_drift_error']:.4f} per particle over its last quarter"
        )


def _claim(parts: Path, config: SimulationConfig) -> None:
    record, text = parts / "config.json", json.dumps(config.deciding(), sort_keys=True)
    parts.mkdir(parents=True, exist_ok=True)
    if record.exists() and record.read_text() != text:
        raise ConfigError(f"{parts} holds jobs of other settings; remove it or choose another --out")
    with atomic(record) as temporary:
        temporary.write_text(text)


def _refuse_other_dataset(config: SimulationConfig, out: Path) -> None:
    with Store.open(out) as store:
        made_with = store.attrs.get("config")
    if made_with is None or json.loads(made_with) != config.deciding():
        raise ConfigError(f"{out} exists and was made with other settings; remove it or choose another --out")
