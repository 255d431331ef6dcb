"""The structure of a configuration: its thermal positions and, on demand, its inherent structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gensample.errors import GensampleError
from gensample.physics.box import wrap
from gensample.physics.mixtures import Mixture
from gensample.ranges import RESIDUAL_FORCE
from gensample.simulate.lammps import scripts
from gensample.simulate.lammps.engine import Engine
from gensample.simulate.lammps.files import read_dump
from gensample.simulate.lammps.scripts import write_pair_table

# Largest force component at which the minimiser stops.
FORCE_TOLERANCE = 1e-7

Structure = Mapping[str, np.ndarray]


def run_script(engine: Engine, mixture: Mixture, script: str, folder: Path) -> float:
    """Run a script in ``folder``, beside the table of potentials if the mixture needs one; core-seconds."""
    if scripts.tabulated(mixture):
        write_pair_table(folder / scripts.TABLE, mixture)
    return engine.run(script, folder)


def copy_thermal(folder: Path, engine: Engine, mixture: Mixture) -> None:
    """Read the restart file in ``folder``; leaves ``structure.npz`` with thermal positions alone there."""
    run_script(engine, mixture, scripts.thermal(mixture), folder)
    np.savez(folder / "structure.npz", thermal=read_dump(folder / "thermal.dump", mixture.dimension)[0])
    keep(folder, "structure.npz")


def quench_in(folder: Path, engine: Engine, mixture: Mixture, source: str) -> None:
    """Minimise the configuration prepared in ``folder``; leaves ``structure.npz`` alone there.

    ``source``: "restart" for ``before.restart``, "data" for ``start.data``.
    """
    run_script(engine, mixture, scripts.quench(mixture, FORCE_TOLERANCE, source), folder)
    energy, residual = np.loadtxt(folder / "inherent.txt")
    if not RESIDUAL_FORCE.holds(residual):
        raise GensampleError(f"LAMMPS found no minimum in {folder}: a force of {residual:.2g} is left")
    np.savez(
        folder / "structure.npz",
        thermal=read_dump(folder / "thermal.dump", mixture.dimension)[0],
        inherent=read_dump(folder / "inherent.dump", mixture.dimension)[0],
        energy=energy,
        residual=residual,
    )
    keep(folder, "structure.npz")


def keep(folder: Path, *names: str) -> None:
    """Remove all other files of a folder."""
    for path in folder.iterdir():
        if path.name not in names:
            path.unlink()


def load(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an npz file."""
    with np.load(path) as stored:
        return dict(stored)


def wrapped(structures: Sequence[Structure], key: str, boxes: np.ndarray) -> np.ndarray:
    """Positions of all structures in their boxes (C, d), (C, N, d)."""
    positions = torch.from_numpy(np.stack([structure[key] for structure in structures]))
    return np.asarray(wrap(positions, torch.from_numpy(boxes)[:, None]).numpy())


def quench_attrs(structures: Sequence[Structure]) -> dict[str, Any]:
    """How the inherent structures were made, their energies per particle and what force is left."""
    residual = np.array([float(structure["residual"]) for structure in structures])
    return {
        "minimiser": "LAMMPS cg",
        "tolerance": FORCE_TOLERANCE,
        "energy": np.array([float(structure["energy"]) for structure in structures]),
        "residual": residual,
        "max_residual_force": float(residual.max()),
    }
