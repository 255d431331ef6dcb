"""Stress-strain curves of quasistatic shear, and whether they can be trusted.

    python experiments/011-shear/run.py [--dataset ka2d-shear-mini] [--curves 12] [--reversed 5]

Curves, shear modulus (initial slope, and harmonic from the Hessian), events of the test split. Then, from the
same minima: half the strain step up to the first event; every step taken, taken back and taken again, and
whether particles return; the stress of every state by our own virial. LAMMPS files lie in runs/011.
"""

import argparse
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from rich.progress import track

from gensample.data.store import Store
from gensample.physics.mixtures import Mixture, get_mixture
from gensample.physics.potentials import stress
from gensample.physics.strain import ShearDirection, shear_direction, sheared_box
from gensample.seeding import numpy_generator
from gensample.simulate.lammps.engine import find_engine
from gensample.simulate.lammps.files import read_dump, write_data
from gensample.simulate.programs import run_script
from gensample.simulate.shear import scripts as shear_scripts
from gensample.stats.intervals import percentile_interval, resample_weights
from gensample.structure.modes import shear_modulus

RUNS, SEED = Path("runs/011"), 1
MINIMISER, TOLERANCE, INITIAL = "cg", 1e-9, 5
# As configs/shear/ka2d-mini.yaml.
EVENT_ENERGY = 0.0012


class Glasses:
    """The minima of one dataset, and trajectories of strain from them."""

    def __init__(self, name: str) -> None:
        with Store.open(name) as store:
            self.mixture: Mixture = get_mixture(store.mixture)
            self.species, self.split = store.species, store.split
            self.minima, self.box, self.group = store.inherent, store.box, store.group("shear")
        self.directions = [name.decode() for name in self.group["direction"]]
        self.engine = find_engine()

    def direction(self, r: int) -> ShearDirection:
        """Direction r."""
        return shear_direction(self.directions[r], self.mixture.dimension)

    def follow(self, label: str, c: int, r: int, strains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions (S, N, d) and curve (S, 3: energy, stress, residual) along strains from the minimum c."""
        folder = RUNS / self.mixture.name / f"{label}-{c:03d}-{r}"
        done = folder / "done.npz"
        if not done.exists():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / shear_scripts.CURVE).unlink(missing_ok=True)
            write_data(folder / "start.data", self.minima[c], self.species, self.mixture.masses, self.box[c])
            script = shear_scripts.quasistatic(
                self.mixture, self.box[c], self.direction(r), strains, MINIMISER, TOLERANCE
            )
            run_script(self.engine, self.mixture, script, folder)
            frames = [folder / f"step-{k}.dump" for k in range(len(strains))]
            positions = np.stack([read_dump(path, self.mixture.dimension)[0] for path in frames])
            np.savez(done, positions=positions, curve=np.loadtxt(folder / shear_scripts.CURVE))
            for path in frames:
                path.unlink()
        with np.load(done) as file:
            return file["positions"], file["curve"]

    def first_event(self, c: int, r: int) -> int:
        """Step of the first event, or the last step."""
        mine = (self.group["event_configuration"] == c) & (self.group["event_direction"] == r)
        steps = self.group["event_step"][mine]
        return int(steps.min()) if len(steps) else len(self.group["strain"]) - 1

    def events(self, c: int, r: int) -> set[int]:
        """Steps of all events."""
        mine = (self.group["event_configuration"] == c) & (self.group["event_direction"] == r)
        return set(self.group["event_step"][mine].tolist())

    def own_stress(self, positions: np.ndarray, c: int, r: int, strains: np.ndarray) -> np.ndarray:
        """Stress along the direction by our own virial, (S,)."""
        direction, edges = self.direction(r), torch.from_numpy(self.box[c])
        species = torch.from_numpy(self.species.astype(np.int64))
        return np.array(
            [
                direction.sign
                * float(
                    stress(torch.from_numpy(x), species, sheared_box(edges, direction, g), self.mixture)[
                        direction.along, direction.across
                    ]
                )
                for x, g in zip(positions, strains, strict=True)
            ]
        )


def mean_of(values: np.ndarray) -> dict[str, float]:
    """Mean, interval over configurations and standard deviation of values (C,)."""
    low, high = percentile_interval(resample_weights(len(values), 1000, numpy_generator(SEED)) @ values)
    return {
        "mean": float(values.mean()),
        "low": float(low),
        "high": float(high),
        "sd": float(values.std(ddof=1)),
    }


def moduli(glasses: Glasses, rows: np.ndarray) -> dict:
    """Initial slope of the curves, and the harmonic modulus of the same minima."""
    strain, curves = glasses.group["strain"], glasses.group["stress"][rows]
    slopes = np.median(np.diff(curves[..., : INITIAL + 1]) / np.diff(strain[: INITIAL + 1]), axis=-1).mean(1)
    species = torch.from_numpy(glasses.species.astype(np.int64))
    harmonic = [
        shear_modulus(
            torch.from_numpy(glasses.minima[c]), species, torch.from_numpy(glasses.box[c]), glasses.mixture
        )
        for c in rows
    ]
    total = np.array([found.total for found in harmonic])
    return {
        "initial slope": mean_of(slopes),
        "harmonic": mean_of(total),
        "affine part": mean_of(np.array([found.affine for found in harmonic])),
        "rms difference of the two": float(np.sqrt(np.mean((slopes - total) ** 2))),
    }


def half_step(glasses: Glasses, rows: np.ndarray) -> dict:
    """Largest difference of stress on the branch up to the first event when the step is halved."""
    strain, found = glasses.group["strain"], []
    for c in track(rows, "Half the step"):
        last = glasses.first_event(c, 0) - 1
        if last < 1:
            continue
        fine = np.linspace(0, strain[last], 2 * last + 1)
        _, curve = glasses.follow("half", int(c), 0, fine)
        found.append(np.abs(curve[::2, 1] - glasses.group["stress"][c, 0, : last + 1]).max())
    return {"curves": len(found), "largest difference of stress": float(np.max(found))}


def back_and_forth(glasses: Glasses, rows: np.ndarray) -> dict:
    """Every step taken, taken back and taken again: how far particles are from where they were.

    Elastic or plastic by the energy that the step loses, as in `gensample shear`.
    """
    strain, far, lost, virial = glasses.group["strain"], [], [], []
    steps = len(strain) - 1
    path = np.concatenate([[0.0], *[[strain[k], strain[k - 1], strain[k]] for k in range(1, steps + 1)]])
    for c in track(rows, "Back and forth"):
        positions, curve = glasses.follow("reversed", int(c), 0, path)
        volume, particles = glasses.box[c].prod(), positions.shape[1]
        for k in range(1, steps + 1):
            before, there, after = 3 * k - 3, 3 * k - 2, 3 * k - 1
            apart = positions[after] - positions[before]
            apart -= glasses.box[c] * np.round(apart / glasses.box[c])
            far.append(np.linalg.norm(apart - apart.mean(0), axis=1).max())
            work = 0.5 * volume * (curve[there, 1] + curve[before, 1]) * (strain[k] - strain[k - 1])
            lost.append(work - particles * (curve[there, 0] - curve[before, 0]))
        virial.append(np.abs(glasses.own_stress(positions, int(c), 0, path) - curve[:, 1]).max())
    distance, plastic = np.array(far), np.array(lost) > EVENT_ENERGY
    return {
        "elastic steps": int((~plastic).sum()),
        "largest distance after reversing one": float(distance[~plastic].max()),
        "elastic steps that return within 1e-6": int((distance[~plastic] < 1e-6).sum()),
        "plastic steps": int(plastic.sum()),
        "smallest distance after reversing one": float(distance[plastic].min()),
        "largest difference of our stress and LAMMPS's": float(np.max(virial)),
    }


def events(glasses: Glasses, rows: np.ndarray) -> dict:
    """Number of events, the first one's strain, participation."""
    group, count = glasses.group, len(glasses.directions)
    mine = np.isin(group["event_configuration"], rows)
    first = np.array([[group["strain"][glasses.first_event(int(c), r)] for r in range(count)] for c in rows])
    number = np.array([(group["event_configuration"] == c).sum() / count for c in rows])
    return {
        "events of a curve": mean_of(number),
        "strain of the first": mean_of(first.mean(1)),
        "median participation": float(np.median(group["event_participation"][mine])),
    }


def draw(glasses: Glasses, rows: np.ndarray) -> None:
    """Curves, their mean, and one with its events."""
    strain, curves = glasses.group["strain"], glasses.group["stress"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
    for c in rows:
        for r in range(len(glasses.directions)):
            left.plot(strain, curves[c, r], color="0.7", lw=0.6)
    left.plot(strain, curves[rows].mean((0, 1)), color="C0", lw=2, label="mean")
    left.set(
        xlabel="strain", ylabel="stress", title=f"{len(rows)} glasses, along {', '.join(glasses.directions)}"
    )
    left.legend(frameon=False)
    c = int(rows[0])
    right.plot(strain, curves[c, 0], color="0.4", lw=1)
    at = sorted(glasses.events(c, 0))
    right.plot(strain[at], curves[c, 0, at], "v", color="C3", ms=5, label="plastic events")
    right.set(xlabel="strain", ylabel="stress", title="one of them")
    right.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(HERE / f"curves-{glasses.mixture.name}.png", dpi=130)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset", default="ka2d-shear-mini")
    parser.add_argument("--curves", type=int, default=12, help="glasses of the test split")
    parser.add_argument("--reversed", type=int, default=5, help="glasses sheared back and forth")
    options = parser.parse_args()
    glasses = Glasses(options.dataset)
    rows = np.flatnonzero(glasses.split == "test")[: options.curves]
    results = {
        "dataset": options.dataset,
        "glasses": len(rows),
        "modulus": moduli(glasses, rows),
        "events": events(glasses, rows),
        "half the step": half_step(glasses, rows),
        "back and forth": back_and_forth(glasses, rows[: options.reversed]),
    }
    draw(glasses, rows)
    (HERE / f"results-{glasses.mixture.name}.json").write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))
