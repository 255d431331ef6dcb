"""One flow for all temperatures of 44 particles: weights, energies, heat capacity, correction, held-out T.

    python experiments/006-configurations-n44/run.py NAME [--models all held-out] [--solvers midpoint6 dopri5]

NAME is ka2d (runs/ka2d-n44.h5) or ka2d-ternary (runs/ka2d-ternary-n44.h5). Trains two models by
configs/configuration/NAME-n44.yaml, one with all temperatures and one without the held-out one, draws 1,024
configurations at each with two solvers and their exact density, and corrects draws of the first by Metropolis
sweeps. The control starts from the base, without a model. Steps that are done are not run again.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import h5py
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
import yaml

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

from common import call

from gensample.comparison.sets import Configurations, potential_energies
from gensample.data.liquid import BaseEnsemble
from gensample.data.store import Store
from gensample.generators.configuration import BASE
from gensample.physics.mixtures import get_mixture
from gensample.sampling.correction import metropolis
from gensample.seeding import numpy_generator, torch_generator
from gensample.stats.sets import effective_sample_size, heat_capacity, log_weights, reweighted_mean

SAMPLES, SEED = 1024, 1
SOLVERS = {
    "midpoint6": ["--method", "midpoint", "--steps", "6"],
    "dopri5": ["--method", "dopri5", "--tolerance", "1e-5"],
}
SWEEPS = (0, 10, 100, 1000)
HELD_OUT = {"ka2d": 0.65, "ka2d-ternary": 0.4}


class Experiment:
    """Everything of one mixture."""

    def __init__(self, name: str) -> None:
        self.name, self.config = name, Path(f"configs/configuration/{name}-n44.yaml")
        data = yaml.safe_load(self.config.read_text())["data"]["init_args"]
        self.data, self.temperatures = data["dataset"], data["temperatures"]
        self.base_temperature = data["base_temperature"]
        self.mixture, self.folder = get_mixture(name), Path(f"runs/006-{name}")
        self.path = HERE / f"results-{name}.json"
        self.results = json.loads(self.path.read_text()) if self.path.exists() else {}

    def train(self, labels: list[str]) -> dict[str, Path]:
        """Checkpoints of the model of all temperatures and of the one without the held-out temperature."""
        kept = [t for t in self.temperatures if t != HELD_OUT[self.name]]
        found = {}
        for label in labels:
            temperatures = self.temperatures if label == "all" else kept
            folder = self.folder / label
            found[label] = folder / "checkpoints/last.ckpt"
            if not (folder / "done").exists():
                started = time.monotonic()
                quiet = ["--trainer.enable_progress_bar", "false", "--model.compile", "true"]
                if label == "held-out":  # nothing is chosen by it
                    quiet += ["--model.validation_samples", "0", "--trainer.check_val_every_n_epoch", "10"]
                served = ["--data.temperatures", str(temperatures)]
                resume = ["--ckpt_path", "last"] if found[label].exists() else []
                call("fit", "--config", self.config, "--out", folder, *served, *quiet, *resume)
                (folder / "done").write_text(f"{time.monotonic() - started:.0f}")
            self.results.setdefault("training_seconds", {})[label] = float((folder / "done").read_text())
        return found

    def energies(self, path: Path) -> np.ndarray:
        """Energy per particle of the configurations of a file, (C,)."""
        with Store.open(path) as store:
            of = Configurations(store.positions, store.box, store.species)
        return potential_energies(of, self.mixture) / of.num_particles

    def simulated(self, temperature: float) -> np.ndarray:
        """Energies per particle of all simulated configurations, (chains, configurations of each)."""
        with Store.open(self.data) as store, h5py.File(self.data) as file:
            rows = np.flatnonzero(np.isclose(store.temperature, temperature))
            of = Configurations(store.positions[rows], store.box[rows], store.species)
            chains = len(np.unique(file["equilibration/chain"][...][rows]))
        return potential_energies(of, self.mixture).reshape(chains, -1) / of.num_particles

    def over_chains(self, energies: np.ndarray, temperature: float) -> dict:
        """Mean energy and excess heat capacity; intervals by bootstrap over chains, which are independent."""
        chosen = numpy_generator(SEED, 7).integers(len(energies), size=(1000, len(energies)))
        factor = self.particles / temperature**2
        found = {}
        for name, of in (("energy", np.mean), ("heat_capacity", lambda e: factor * np.var(e))):
            low, high = np.percentile([of(energies[pick]) for pick in chosen], [2.5, 97.5])
            found[name] = {"value": float(of(energies)), "low": float(low), "high": float(high)}
        return found

    def sample(self, label: str, model: Path, temperature: float, solver: str) -> Path:
        """1,024 configurations with their exact log density."""
        out = self.folder / f"{label}-T{temperature:g}-{solver}.h5"
        options = ["--temperature", temperature, "--num", SAMPLES, "--seed", SEED, "--likelihood", "exact"]
        base = ["--base", self.data, "--base-split", "val,test"]
        call("sample", model, "--out", out, *options, *base, *SOLVERS[solver])
        return out

    def weigh(self, path: Path, temperature: float) -> dict:
        """Effective size, energies and heat capacity, before and after reweighting."""
        with Store.open(path) as store:
            density, particles, dimension = store.log_density, store.num_particles, store.dimension
            seconds, nfe = float(store.attrs["seconds"]), int(store.attrs["nfe"])
        e = self.energies(path)
        logs = log_weights(particles * e, temperature, density)
        size = effective_sample_size(logs)
        rng = numpy_generator(SEED, 6)
        return {
            **size._asdict(),
            "seconds": seconds,
            "nfe": nfe,
            "median": float(np.median(e)),
            "energy": reweighted_mean(e, rng)._asdict(),
            "energy_reweighted": reweighted_mean(e, rng, logs)._asdict(),
            "heat_capacity": heat_capacity(e, temperature, particles, dimension, rng).excess._asdict(),
            "heat_capacity_reweighted": heat_capacity(
                e, temperature, particles, dimension, rng, logs
            ).excess._asdict(),
        }

    def reference(self, temperature: float) -> dict:
        """Simulation, and the base reweighted without any model."""
        rng = numpy_generator(SEED, 7)
        base = BaseEnsemble(self.data, self.base_temperature)
        start = base.take("val,test", SAMPLES, torch_generator(SEED, BASE))  # those the draws start from
        box, species = base.box.expand(SAMPLES, -1).numpy(), self.mixture.species(self.particles).numpy()
        start = potential_energies(Configurations(start.numpy(), box, species), self.mixture) / self.particles
        logs = -self.particles * start * (1 / temperature - 1 / self.base_temperature)
        return {
            **self.over_chains(self.simulated(temperature), temperature),
            "base_size": effective_sample_size(logs)._asdict(),
            "base_energy_reweighted": reweighted_mean(start, rng, logs)._asdict(),
        }

    @property
    def particles(self) -> int:
        """N."""
        with Store.open(self.data) as store:
            return store.num_particles

    def correct(self, positions: torch.Tensor, temperature: float) -> dict[str, float]:
        """Mean energy per particle after each number of sweeps."""
        box = torch.full((2,), self.mixture.edge_length(self.particles), dtype=torch.float64)
        species, generator = self.mixture.species(self.particles), torch_generator(SEED, 8)
        found, done = {}, 0
        for sweeps in SWEEPS:
            moved = metropolis(
                positions, species, box, self.mixture, temperature, sweeps - done, generator=generator
            )
            positions, done = moved.positions, sweeps
            e = moved.energy.numpy()
            found[str(sweeps)] = {
                "mean": float(e.mean()),
                "median": float(np.median(e)),
                "sd": float(e.std()),
            }
        return found

    def starts(self, path: Path, temperature: float) -> dict[str, torch.Tensor]:
        """Where the sweeps start: draws of the model, and the base."""
        with Store.open(path) as store:
            drawn = torch.from_numpy(store.positions)
        base = BaseEnsemble(self.data, self.base_temperature)
        return {"flow": drawn, "base": base.take("val,test", SAMPLES, torch_generator(SEED, 9))}

    def run(self, labels: list[str], solvers: list[str]) -> None:
        """Every step, keeping what is done."""
        models = self.train(labels)
        for solver in solvers:
            for temperature in self.temperatures:
                block = self.results.setdefault(f"{temperature:g}", {})
                block.setdefault("reference", self.reference(temperature))
                for label, model in models.items():
                    if label == "held-out" and temperature != HELD_OUT[self.name]:
                        continue
                    key = f"{label} {solver}"
                    # The adaptive solver takes many minutes a temperature: one model is enough.
                    if key not in block and (label == "all" or solver != "dopri5"):
                        block[key] = self.weigh(self.sample(label, model, temperature, solver), temperature)
                        self.save()
                if "correction" not in block and "all" in labels:
                    path = self.folder / f"all-T{temperature:g}-midpoint6.h5"
                    starts = self.starts(path, temperature)
                    block["correction"] = {k: self.correct(x, temperature) for k, x in starts.items()}
                    self.save()
        self.save()
        if "all" in labels:
            self.draw()

    def save(self) -> None:
        """results.json and the table."""
        if self.path.exists():  # another process may do the other model
            for key, block in json.loads(self.path.read_text()).items():
                for name, found in block.items():
                    self.results.setdefault(key, {}).setdefault(name, found)
        self.path.write_text(json.dumps(self.results, indent=1))
        (HERE / f"table-{self.name}.md").write_text(self.table())

    def table(self) -> str:
        """Markdown: weights, then sweeps."""
        lines = [
            "| T | model | solver | evaluations | s | e, simulation | e, drawn (median) | e, reweighted "
            "| ESS of 1,024 | largest weight | c_ex simulation | reweighted |",
            "|---" * 12 + "|",
        ]
        for t in (f"{t:g}" for t in self.temperatures):
            block = self.results.get(t, {})
            lines += self._rows(t, block)
        lines += [
            "",
            "| T | start | " + " | ".join(f"{s} sweeps" for s in SWEEPS) + " | simulation |",
            "|---" * 7 + "|",
        ]
        for t in (f"{t:g}" for t in self.temperatures):
            block = self.results.get(t, {})
            for start, of in block.get("correction", {}).items():
                cells = [f"{of[str(s)]['median']:.3f}" for s in SWEEPS]
                lines.append(
                    f"| {t} | {start} | {' | '.join(cells)} | {_value(block['reference']['energy'])} |"
                )
        return "\n".join(lines) + "\n"

    def _rows(self, t: str, block: dict) -> list[str]:
        if "reference" not in block:
            return []
        ref = block["reference"]
        size, energy = ref["base_size"], _value(ref["base_energy_reweighted"])
        simulated, capacity = _value(ref["energy"]), _value(ref["heat_capacity"])
        rows = [
            f"| {t} | none: base reweighted | | | | {simulated} | | {energy} | {size['size']:.1f} "
            f"| {size['largest']:.2f} | {capacity} | |"
        ]
        for key, x in block.items():
            if key in ("reference", "correction"):
                continue
            label, solver = key.split()
            rows.append(
                f"| {t} | {label} | {solver} | {x['nfe']} | {x['seconds']:.0f} | {simulated} "
                f"| {x['median']:.3f} | {_value(x['energy_reweighted'])} | {x['size']:.1f} "
                f"| {x['largest']:.2f} | {capacity} | {_value(x['heat_capacity_reweighted'])} |"
            )
        return rows

    def draw(self) -> None:
        """Energy histograms at every temperature: simulation, base, drawn, reweighted."""
        figure, axes = plt.subplots(1, len(self.temperatures), figsize=(3.2 * len(self.temperatures), 2.8))
        start = self.simulated(self.base_temperature).reshape(-1)
        for ax, temperature in zip(axes, self.temperatures, strict=True):
            path = self.folder / f"all-T{temperature:g}-midpoint6.h5"
            e, sim = self.energies(path), self.simulated(temperature).reshape(-1)
            with Store.open(path) as store:
                logs = log_weights(self.particles * e, temperature, store.log_density)
            bins = np.linspace(sim.min() - 0.2, start.mean() + 3 * start.std(), 60)
            weights = np.exp(logs - logs[np.isfinite(logs)].max())
            simulated, *_ = ax.hist(sim, bins, density=True, color="0.75", label="simulation")
            ax.hist(start, bins, density=True, histtype="step", color="0.4", ls=":", label="base")
            drawn, *_ = ax.hist(e, bins, density=True, histtype="step", color="C1", label="drawn")
            ax.hist(e, bins, density=True, weights=weights, histtype="step", color="C0", label="reweighted")
            ax.set_ylim(0, 1.3 * max(simulated.max(), drawn.max()))  # a weight that rules all goes beyond
            size = effective_sample_size(logs).size
            ax.set_title(f"T = {temperature:g}, ESS {size:.1f} of {len(e)}", fontsize=9)
            ax.set_xlabel("U/N")
            ax.set_yticks([])
        axes[0].legend(fontsize=7, frameon=False)
        figure.tight_layout()
        figure.savefig(HERE / f"energies-{self.name}.png", dpi=130)


def _value(estimate: dict) -> str:
    spread = 0.5 * (estimate["high"] - estimate["low"])
    return f"{estimate['value']:.3f} ± {spread:.3f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=sorted(HELD_OUT))
    parser.add_argument("--models", nargs="+", default=["all", "held-out"], choices=["all", "held-out"])
    parser.add_argument("--solvers", nargs="+", default=list(SOLVERS), choices=list(SOLVERS))
    parser.add_argument("--only-training", action="store_true")
    options = parser.parse_args()
    experiment = Experiment(options.name)
    if options.only_training:
        experiment.train(options.models)
    else:
        experiment.run(options.models, options.solvers)
