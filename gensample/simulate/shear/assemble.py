"""From the jobs of a quasistatic shear to one dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gensample.data.schema import SHEARED
from gensample.data.store import Contents, StoreWriter
from gensample.simulate.shear.jobs import MINIMUM, SHEAR, ShearWorkshop
from gensample.simulate.structure import load, wrapped

Result = dict[str, np.ndarray]


def assemble_shear(shop: ShearWorkshop, path: Path, command: str) -> None:
    """Write the dataset of a finished shear to ``path``."""
    glasses, config = shop.glasses, shop.config
    count, directions = len(glasses.rows), len(shop.directions)
    minima = [load(shop.root / f"minimum-{c:05d}" / MINIMUM) for c in range(count)]
    results = [[load(shop.root / shop.name(c, r) / SHEAR) for r in range(directions)] for c in range(count)]
    with StoreWriter.create(
        path,
        Contents(
            mixture=shop.mixture,
            temperature=glasses.temperature,
            density=glasses.density,
            truncation=shop.mixture.truncation,
            source=f"gensample shear, LAMMPS {shop.engine.version}",
            species=glasses.species,
            box=glasses.box,
            split=glasses.split,
            positions=glasses.thermal,
            times=np.array(config.strains),
            replicas=np.full(count, directions),
            inherent=wrapped(minima, "inherent", glasses.box),
            inherent_attrs=_minimum_attrs(shop, minima),
            command=command,
            extra_attrs={
                "kind": SHEARED,
                "config": json.dumps(config.deciding()),
                "start": config.dataset,
                "start_fingerprint": glasses.fingerprint(),
            },
        ),
    ) as writer:
        writer.write_array("source_configuration", glasses.rows)
        writer.write_group(SHEARED, _group(shop, results))
        for c in range(count):
            for r in range(directions):
                writer.write_replica(c, r, results[c][r]["displacements"])


def _minimum_attrs(shop: ShearWorkshop, minima: list[Result]) -> dict[str, Any]:
    energy, residual = (np.array([float(one[key]) for one in minima]) for key in ("energy", "residual"))
    return {
        "minimiser": f"LAMMPS {shop.config.minimiser}",
        "tolerance": shop.config.force_tolerance,
        "energy": energy,
        "residual": residual,
        "max_residual_force": float(residual.max()),
    }


def _group(shop: ShearWorkshop, results: list[list[Result]]) -> Result:
    """Arrays of the group /shear: curves of all, and events one after another."""
    curves = {
        name: np.stack([[one[name] for one in row] for row in results])
        for name in ("stress", "energy", "residual", "first_event")
    }
    owners = [(c, r) for c, row in enumerate(results) for r, one in enumerate(row) for _ in one["event_step"]]
    names = [name for name in results[0][0] if name.startswith("event_")]
    table = {name: np.concatenate([one[name] for row in results for one in row]) for name in names}
    owner = np.array(owners, np.int32).reshape(-1, 2)
    return {
        "direction": np.array(shop.config.directions, "S3"),
        "strain": shop.strain,
        **curves,
        "residual": curves["residual"].astype(np.float32),
        "first_event": curves["first_event"].astype(np.float32),
        "event_configuration": owner[:, 0],
        "event_direction": owner[:, 1],
        **table,
    }
