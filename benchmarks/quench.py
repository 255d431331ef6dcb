"""Inherent structures: our batched FIRE in one call against LAMMPS, one configuration after another.

python benchmarks/quench.py runs/botan-t044.h5 [--count 8] [--device cpu]
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from gensample.data.positions import mixture_of
from gensample.data.store import Store
from gensample.physics.minimize import minimize
from gensample.simulate.lammps.engine import find_engine
from gensample.simulate.programs import FORCE_TOLERANCE, Lammps, Task

TOLERANCE = 1e-5


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with Store.open(options.data) as store:
        mixture, species, box = mixture_of(store), store.species, store.box[: options.count]
        positions = store.positions[: options.count]
    batch = torch.from_numpy(positions).to(options.device)
    kinds = torch.from_numpy(species.astype(np.int64)).to(options.device)
    started = time.perf_counter()
    found = minimize(batch, kinds, torch.from_numpy(box).to(options.device), mixture, tolerance=TOLERANCE)
    ours = time.perf_counter() - started
    energies, residuals, engine = [], [], find_engine()
    started = time.perf_counter()
    for x, edges in zip(positions, box, strict=True):
        with tempfile.TemporaryDirectory() as folder:
            task = Task(mixture, x[None], species, edges[None])
            found_there = Lammps(engine).minimise(task, FORCE_TOLERANCE, Path(folder))
            energies.append(float(found_there.energy[0]))
            residuals.append(float(found_there.residual[0]))
    theirs = time.perf_counter() - started
    count, particles = positions.shape[:2]
    print(f"{count} configurations of {particles} particles, {mixture.name}, on {options.device}")
    print(
        f"gensample FIRE, one call, to {TOLERANCE:g}: {ours:.1f} s, {int(found.steps.min())} to "
        f"{int(found.steps.max())} steps, energy {float(found.energy.mean()):.4f}, "
        f"residual {float(found.residual.max()):.1e}"
    )
    print(
        f"LAMMPS cg, one after another, to 1e-7: {theirs:.1f} s, energy {np.mean(energies):.4f}, "
        f"residual {max(residuals):.1e}; gensample takes {ours / theirs:.2f} times as long"
    )


if __name__ == "__main__":
    main()
