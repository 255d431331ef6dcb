"""From the folders of finished jobs to one dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gensample.data.store import StoreWriter, atomic
from gensample.physics.box import wrap
from gensample.simulate.evidence import overlap_decay, summarise
from gensample.simulate.jobs import FORCE_TOLERANCE, Workshop


def assemble(shop: Workshop, out: Path, command: str) -> None:
    """Write the dataset of a finished simulation."""
    count = len(shop.split)
    structures = [_load(shop.root / f"structure-{c:05d}" / "structure.npz") for c in range(count)]
    energy, overlap, spacing = _evidence(shop)
    config = shop.config
    evidence = summarise(energy, overlap, spacing, config.equilibration.time)
    with atomic(out) as temporary:
        with StoreWriter.create(
            temporary,
            mixture=config.mixture,
            temperature=config.temperature,
            density=config.resolved_density(shop.mixture),
            truncation=shop.mixture.truncation,
            source=f"gensample simulate, LAMMPS {shop.engine.version}",
            species=shop.species,
            box=np.tile(shop.box, (count, 1)),
            split=shop.split,
            positions=np.stack([_wrapped(s["thermal"], shop.box) for s in structures]),
            times=np.array(config.lags),
            replicas=np.array(shop.replicas),
            seed=config.seed,
            command=command,
            extra_attrs={"config": json.dumps(config.deciding()), **evidence},
        ) as writer:
            if config.inherent:
                writer.write_inherent(
                    np.stack([_wrapped(s["inherent"], shop.box) for s in structures]), _quench_attrs(structures)
                )
            writer.write_array("equilibration/energy", energy)
            writer.write_array("equilibration/overlap", overlap)
            writer.write_array("equilibration/overlap_times", spacing * np.arange(1, overlap.shape[1] + 1))
            _write_replicas(shop, writer)


def _write_replicas(shop: Workshop, writer: StoreWriter) -> None:
    for c in range(len(shop.split)):
        for name, replicas in shop.block_names(c):
            fields = _load(shop.root / name / "displacements.npz")["displacements"]
            for r, field in zip(replicas, fields, strict=True):
                writer.write_replica(c, r, field)


def _evidence(shop: Workshop) -> tuple[np.ndarray, np.ndarray, float]:
    config = shop.config
    energies, overlaps = [], []
    for c in range(len(shop.split)):
        parts = [
            _load(shop.root / f"equilibration-{c:05d}-{k:04d}" / "evidence.npz") for k in range(shop.segments)
        ]
        energies.append(np.concatenate([part["energy"] for part in parts]))
        snapshots = np.concatenate([part["snapshots"] for part in parts])
        overlaps.append(overlap_decay(snapshots, shop.species))
    spacing = config.equilibration.time / config.equilibration.snapshots
    return np.stack(energies), np.stack(overlaps), spacing


def _quench_attrs(structures: list[dict[str, np.ndarray]]) -> dict[str, Any]:
    residual = np.array([float(s["residual"]) for s in structures])
    return {
        "minimiser": "LAMMPS cg",
        "tolerance": FORCE_TOLERANCE,
        "energy": np.array([float(s["energy"]) for s in structures]),
        "residual": residual,
        "max_residual_force": float(residual.max()),
    }


def _wrapped(positions: np.ndarray, box: np.ndarray) -> np.ndarray:
    return np.asarray(wrap(torch.from_numpy(positions), torch.from_numpy(box)).numpy())


def _load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as stored:
        return dict(stored)
