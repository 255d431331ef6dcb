"""Molecular dynamics in torch, all replicas in one batch, against LAMMPS, one after another, on one thread.

python benchmarks/dynamics.py [--replicas 64] [--time 2] [--device cpu]

The same starts, velocities and thermostat (`ka2d-mini`, N = 500): mean square displacement and
energy at the end of both, and the core-seconds that a particle and step costs.
"""

import argparse
import resource
import tempfile
from pathlib import Path

import numpy as np
import torch

from gensample.data.positions import mixture_of
from gensample.data.store import Store
from gensample.simulate.programs import Leg, System, choose_dynamics
from gensample.stats.futures import futures

STEP = 0.005


def used() -> float:
    """Core-seconds so far, of this process and those it has waited for."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage)


def main() -> None:
    """Run both and print a line for each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--replicas", type=int, default=64)
    parser.add_argument("--time", type=float, default=2.0)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with Store.open("ka2d-mini") as store:
        row = int(store.indices("test")[0])
        x, temperature = store.positions[row], float(store.temperature[row])
        system = System(mixture_of(store), store.species, store.box[row])
    steps = round(options.time / STEP)
    legs = [Leg(x, temperature, (1, r), (steps,)) for r in range(options.replicas)]
    engines = {
        "torch": {"engine": "torch", "device": options.device},
        "lammps": {"engine": "lammps", "processes": 1},
    }
    for name, words in engines.items():
        dynamics = choose_dynamics(**words)
        with tempfile.TemporaryDirectory() as folder:
            dynamics.run(system, STEP, legs[:1], Path(folder))  # what is made once
        with tempfile.TemporaryDirectory() as folder:
            before = used()
            found = dynamics.run(system, STEP, legs, Path(folder))
            spent = used() - before
        ends = np.stack([each[-1] for each in found])
        energy = futures(ends, system.species, system.box, system.mixture).energy
        moved = ends - x
        step = 1e9 * spent / steps / ends[..., 0].size
        error = energy.std(ddof=1) / len(energy) ** 0.5
        print(
            f"{name}: {spent:.1f} core-seconds, {step:.0f} ns a particle and step; "
            f"MSD {np.square(moved).sum(-1).mean():.4f}, "
            f"U/N {energy.mean():.4f} +- {error:.4f}"
        )


if __name__ == "__main__":
    main()
