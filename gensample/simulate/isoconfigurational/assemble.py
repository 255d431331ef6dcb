"""From the folders of finished jobs to one dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gensample.data.store import Contents, StoreWriter
from gensample.simulate.isoconfigurational.evidence import overlap_decay, scattering_decay, summarise
from gensample.simulate.isoconfigurational.jobs import Workshop
from gensample.simulate.quench import write_futures
from gensample.simulate.structure import load, quench_attrs, wrapped


def assemble(shop: Workshop, path: Path, command: str) -> None:
    """Write the dataset of a finished simulation to ``path``."""
    count = len(shop.split)
    structures = [load(shop.root / f"structure-{c:05d}" / "structure.npz") for c in range(count)]
    config, boxes = shop.config, np.tile(shop.box, (count, 1))
    attrs, arrays = _evidence(shop) if shop.start is None else shop.start.record(config, np.arange(count))
    with StoreWriter.create(
        path,
        Contents(
            mixture=shop.mixture,
            temperature=config.temperature,
            density=config.resolved_density(shop.mixture),
            truncation=shop.mixture.truncation,
            source=f"gensample simulate, LAMMPS {shop.engine.version}",
            species=shop.species,
            box=boxes,
            split=shop.split,
            positions=wrapped(structures, "thermal", boxes),
            times=np.array(config.lags),
            replicas=np.array(shop.replicas),
            seed=config.seed,
            command=command,
            extra_attrs={"config": json.dumps(config.deciding()), **attrs},
        ),
    ) as writer:
        if config.inherent:
            writer.write_inherent(wrapped(structures, "inherent", boxes), quench_attrs(structures))
        for name, array in arrays.items():
            writer.write_array(name, array)
        _write_replicas(shop, writer)
        blocks = [block for c in range(count) for block in shop.future_blocks(c)]
        if blocks:
            write_futures(writer, shop.root, blocks, shop.minimiser.attrs, shop.precision)


def _write_replicas(shop: Workshop, writer: StoreWriter) -> None:
    """Displacements, and the mean core-seconds of the replicas of which they are known."""
    spent, known = 0.0, 0
    for c in range(len(shop.split)):
        for name, replicas in shop.block_names(c):
            found = load(shop.root / name / "displacements.npz")
            for r, field in zip(replicas, found["displacements"], strict=True):
                writer.write_replica(c, r, field)
            # Not there in what was finished before they were recorded.
            if "core_seconds" in found:
                spent, known = spent + float(found["core_seconds"]), known + len(replicas)
    if known:
        writer.write_attribute("core_seconds_per_replica", spent / known)


def _evidence(shop: Workshop) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Attributes and arrays that show the equilibration."""
    config = shop.config
    spacing = config.equilibration.time / config.equilibration.snapshots
    kept = round(config.equilibration.segment / spacing)
    energies, overlaps, scatterings = [], [], []
    for c in range(len(shop.split)):
        parts = [
            load(shop.root / f"equilibration-{c:05d}-{k:04d}" / "evidence.npz") for k in range(shop.segments)
        ]
        energies.append(np.concatenate([part["energy"] for part in parts]))
        # LAMMPS dumps the start of a segment too, which is the end of the one before.
        snapshots = np.concatenate([part["snapshots"][-kept:] for part in parts])
        overlaps.append(overlap_decay(snapshots, shop.species))
        scatterings.append(scattering_decay(snapshots, shop.species))
    energy, overlap, scattering = np.stack(energies), np.stack(overlaps), np.stack(scatterings)
    arrays = {
        "equilibration/energy": energy,
        "equilibration/overlap": overlap,
        "equilibration/scattering": scattering,
        "equilibration/lags": spacing * np.arange(1, overlap.shape[1] + 1),
    }
    return summarise(energy, overlap, scattering, spacing, config.equilibration.time), arrays
