"""Does a chain of futures hold still? Ten steps of 100 tau beside molecular dynamics to t = 1000.

    python experiments/016-chain/run.py DIR --models md simulation ka2d-long-heated:8 '[[0.6, 20], [null, 3]]'
    python experiments/016-chain/run.py DIR --split test --reference 2:7 --models md:2:7 ka2d-long-heated:8

Writes results-SPLIT.json and table-SPLIT.md. A model is a name or folder, the stages of a heated run as json,
md (plain dynamics at the temperature of the data, fresh velocities every 100 tau) or simulation (that of the
dataset, t = 100 and 1000); after a colon replicas and steps. Chains and quenches of their futures are kept in
DIR, and resumed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import call

import gensample as gs
from gensample.data.dataset import Dataset
from gensample.data.store import domain_of
from gensample.generators.heated import Heated
from gensample.physics.potentials import energy
from gensample.seeding import numpy_generator
from gensample.stats.dynamics import WAVE_NUMBER, msd, overlap, self_scattering
from gensample.stats.intervals import percentile_interval, resample_weights
from gensample.stats.pairs import BOND_FORMED, bond_breaking, initial_neighbors

HERE = Path(__file__).parent
DATA, LAG, STEPS = "ka2d-long", 100.0, 10
MD, SIMULATED, SHOWN = "md", "simulation", (1, 2, 3, 5, 7, 10)
TITLES = {
    "msd": "MSD",
    "scattering": "F_s",
    "overlap": "overlap",
    "chi4": "chi4",
    "energy": "U/N",
    "inherent_energy": "e_IS",
    "bonds": "bonds broken",
    "hops": "hops",
}


def model_of(word: str, data: Dataset) -> Any:
    """The generator that a word stands for."""
    if word != MD and not word.startswith("["):
        return gs.load_model(word)
    stages = [[None, LAG]] if word == MD else json.loads(word)
    model = Heated([LAG], [stages], domain=domain_of(data.store, lags=[LAG]))
    model.name = model.digest = word
    return model


def file_name(word: str) -> str:
    """What the files of a model begin with."""
    return re.sub(r"[^\w.]+", "-", Path(word).name if "[" not in word else word).strip("-")


def place(folder: Path, split: str, word: str, size: str) -> Path:
    """Where the chain of a model is; size: replicas, or replicas:steps."""
    return folder / f"{split}-{file_name(word)}-{size.replace(':', '-')}.h5"


def drawn(out: Path, data: Dataset, word: str, size: str) -> Path:
    """The chain of a model, with the inherent structures of its futures."""
    replicas, _, steps = size.partition(":")
    chain = model_of(word, data).sample(data, int(replicas), 1, out, lag=LAG, chain=int(steps or STEPS))
    if not chain.store.has_inherent_displacements:
        call("quench", out, "--futures", "--processes", "1")
    return out


def measured(data: Dataset, lags: Sequence[int]) -> dict[str, np.ndarray]:
    """Of species A, {quantity: (C, K)} of each configuration, and the variances that chi4 is a mean of."""
    store, liquid = data.store, data.store.liquid
    kinds = torch.from_numpy(data.species.astype(np.int64))
    mine = data.species == 0
    found: dict[str, list[list[float]]] = {name: [] for name in TITLES}
    for c in range(len(data)):
        row = int(data.rows[c])
        x, box, u = data.positions[c], data.box[c], data.fields(c)
        h, minima = store.inherent_displacements(row), store.inherent_energies(row)
        edges = torch.from_numpy(box)
        neighbors = initial_neighbors(x, box, data.species, np.array(liquid.sigma), BOND_FORMED)
        rows: dict[str, list[float]] = {name: [] for name in TITLES}
        for k in lags:
            field = u[:, k]
            held = overlap(field[:, mine])
            futures = torch.from_numpy(x + field.astype(np.float64))
            rows["msd"].append(msd(field[:, mine]))
            rows["scattering"].append(float(self_scattering(field[:, mine], WAVE_NUMBER)))
            rows["overlap"].append(float(held.mean()))
            rows["chi4"].append(float(mine.sum() * held.var(ddof=1)))
            rows["energy"].append(float(np.mean([energy(y, kinds, edges, liquid).mean() for y in futures])))
            rows["inherent_energy"].append(float(minima[:, k].mean()))
            rows["bonds"].append(float(np.nanmean(bond_breaking(field, neighbors)[:, mine])))
            rows["hops"].append(float((np.linalg.norm(h[:, k][:, mine], axis=-1) > 0.3).mean()))
        for name, row in rows.items():
            found[name].append(row)
    return {name: np.array(values) for name, values in found.items()}


def summary(ours: dict[str, np.ndarray], md: dict[str, np.ndarray]) -> dict[str, Any]:
    """By quantity and step: mean, its interval, difference from dynamics (MSD: relative) and its interval.

    Intervals hold 95 % of a bootstrap over configurations, which both have in common. Dynamics may be of
    fewer steps.
    """
    weights = resample_weights(len(md["msd"]), 2000, numpy_generator(16))
    steps = md["msd"].shape[1]
    found: dict[str, Any] = {}
    for name in TITLES:
        mean, other = ours[name].mean(0), md[name].mean(0)
        samples, reference = weights @ ours[name], weights @ md[name]
        relative = name in ("msd", "chi4", "bonds", "hops")
        off = mean[:steps] / other - 1 if relative else mean[:steps] - other
        shared = samples[:, :steps]
        off_samples = shared / reference - 1 if relative else shared - reference
        found[name] = {
            "mean": mean,
            "interval": np.stack(percentile_interval(samples), -1),
            "off": off,
            "off_interval": np.stack(percentile_interval(off_samples), -1),
        }
    return found


def plain(value: Any) -> Any:
    """Arrays as lists of five digits."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return (
        np.vectorize(lambda x: float(f"{x:.5g}"))(value).tolist() if isinstance(value, np.ndarray) else value
    )


def table(results: dict[str, Any]) -> str:
    """Markdown: of each model a line for some steps, and its largest errors over all that dynamics have."""
    lines = [
        "| model | core-s a step | t | " + " | ".join(TITLES.values()) + " |",
        "|---" * (3 + len(TITLES)) + "|",
    ]
    for word, found in results.items():
        for k, time in enumerate(found["times"]):
            if time / LAG in SHOWN:
                cells = [f"{found['quantities'][name]['mean'][k]:.4g}" for name in TITLES]
                lines.append(
                    f"| `{word}` | {found['core_seconds']:.3f} | {time:g} | " + " | ".join(cells) + " |"
                )
    lines += [
        "",
        "Largest distance from dynamics, of MSD and chi4 a share, over its steps, with the interval there:",
        "",
    ]
    lines += ["| model | core-s a step | MSD | e_IS | U/N | chi4 | overlap |", "|---" * 7 + "|"]
    for word, found in results.items():
        if word in (MD, SIMULATED):
            continue
        cells = []
        for name in ("msd", "inherent_energy", "energy", "chi4", "overlap"):
            off, between = (np.array(found["quantities"][name][key]) for key in ("off", "off_interval"))
            worst = int(np.abs(off).argmax())
            low, high = between[worst]
            cells.append(f"{off[worst]:+.3f} [{low:+.3f}, {high:+.3f}] at {LAG * (worst + 1):g}")
        lines.append(f"| `{word}` | {found['core_seconds']:.3f} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Draw chains, or write what they show."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", choices=("val", "test"), default="val")
    parser.add_argument("--configurations", type=int, default=12)
    parser.add_argument("--replicas", default="4", help="of a chain; or replicas:steps")
    parser.add_argument("--reference", default="4", help="those of md that others are held against")
    parser.add_argument("--models", nargs="*", default=[])
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    data = gs.open_dataset(DATA)[options.split][: options.configurations]
    path = HERE / f"results-{options.split}.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for given in options.models:
        word, size = re.fullmatch(r"(.*?)(?::(\d+(?::\d+)?))?", given).groups()
        if word == SIMULATED:
            lags = [k for k, time in enumerate(data.lag_time) if time >= LAG]
            kept, chain = options.folder / f"{options.split}-simulation.npz", data
            cost = float(data.store.attrs["core_seconds_per_replica"]) * LAG / float(data.lag_time[-1])
        else:
            size = size or options.replicas
            out = drawn(place(options.folder, options.split, word, size), data, word, size)
            kept, chain = out.with_suffix(".npz"), gs.open_dataset(out)
            lags = list(range(len(chain.lag_time)))
            cost = float(chain.store.attrs["core_seconds"]) / int(chain.replicas.sum()) / len(lags)
        values = measured(chain, lags)
        np.savez(kept, **values)
        reference = place(options.folder, options.split, MD, options.reference).with_suffix(".npz")
        if not reference.exists():
            print(f"{kept}: no {reference} to hold it against yet", flush=True)
            continue
        with np.load(reference) as file:
            md = dict(file)
        own = values if word == SIMULATED else md
        results[word] = plain(
            {
                "core_seconds": round(cost, 4),
                "replicas": int(chain.replicas[0]),
                "times": chain.lag_time[lags],
                "quantities": summary(values, own),
            }
        )
        path.write_text(json.dumps(results) + "\n")
        (HERE / f"table-{options.split}.md").write_text(table(results))
        off = results[word]["quantities"]
        print(word, "MSD", off["msd"]["off"], "e_IS", off["inherent_energy"]["off"], flush=True)


if __name__ == "__main__":
    main()
