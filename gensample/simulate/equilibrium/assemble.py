"""From the pieces of sampled chains to one dataset of configurations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gensample.data.store import Contents, StoreWriter
from gensample.simulate.equilibrium.evidence import summarise_sampling
from gensample.simulate.equilibrium.jobs import SAMPLES, ChainWorkshop
from gensample.simulate.structure import load, quench_attrs, wrapped

Samples = dict[str, np.ndarray]


def assemble_chains(shop: ChainWorkshop, path: Path, command: str) -> None:
    """Write the dataset of a finished sampling to ``path``: temperatures, chains and times in order."""
    config = shop.config
    levels, chains, kept = len(config.temperatures), len(shop.split), config.configurations
    samples = [_chain(shop, level, chain) for level in range(levels) for chain in range(chains)]
    boxes = np.tile(shop.box, (levels * chains * kept, 1))
    attrs, arrays = _evidence(shop, samples)
    with StoreWriter.create(
        path,
        Contents(
            mixture=shop.mixture,
            temperature=np.repeat(config.temperatures, chains * kept),
            density=config.resolved_density(shop.mixture),
            truncation=shop.mixture.truncation,
            source=f"gensample simulate, LAMMPS {shop.engine.version}",
            species=shop.species,
            box=boxes,
            split=np.tile(np.repeat(shop.split, kept), levels).tolist(),
            positions=_together(samples, "thermal", boxes),
            seed=config.seed,
            command=command,
            extra_attrs={"config": json.dumps(config.deciding()), **attrs},
        ),
    ) as writer:
        for name, array in arrays.items():
            writer.write_array(name, array)
        if config.inherent:
            writer.write_inherent(_together(samples, "inherent", boxes), _quench_attrs(samples))


def _chain(shop: ChainWorkshop, level: int, chain: int) -> Samples:
    parts = [load(shop.root / name / SAMPLES) for name, _ in shop.pieces(level, chain)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _together(samples: list[Samples], name: str, boxes: np.ndarray) -> np.ndarray:
    """Positions of all chains in order, wrapped, (C, N, d)."""
    return wrapped([{name: x} for chain in samples for x in chain[name]], name, boxes)


def _evidence(shop: ChainWorkshop, samples: list[Samples]) -> tuple[dict[str, Any], Samples]:
    """Attributes and arrays that show how well the chains sample, and the chain of each configuration."""
    config = shop.config
    shape = (len(config.temperatures), len(shop.split), -1)
    energy = np.stack([chain["energy"] for chain in samples]).reshape(shape)
    moved = np.stack([chain["moved"] for chain in samples]).reshape(shape)
    intervals = np.array(config.intervals())
    attrs = {
        "temperatures": np.array(config.temperatures),
        "sampling_interval": intervals,
        "equilibration_time": np.array(config.equilibrations()),
        "energy_spacing": intervals / config.energies,
        **summarise_sampling(energy, intervals / config.energies, moved),
    }
    number = np.repeat(np.arange(len(samples), dtype=np.int32), config.configurations)
    arrays = {"equilibration/energy": energy, "equilibration/chain": number}
    if shop.start is not None:
        more, rows = shop.start.record(config, number % len(shop.split))
        attrs, arrays = {**attrs, **more}, {**arrays, **rows}
    return attrs, arrays


def _quench_attrs(samples: list[Samples]) -> dict[str, Any]:
    names = {"energy": "inherent_energy", "residual": "residual"}
    return quench_attrs(
        [
            {theirs: chain[ours][k] for theirs, ours in names.items()}
            for chain in samples
            for k in range(len(chain["inherent"]))
        ]
    )
