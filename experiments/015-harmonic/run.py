"""How far do vibrations go? The harmonic generator against simulation, in 2D and at N = 4,096 in 3D.

`python run.py`: `ka2d-mini`, with nothing fitted, and with amplitude, damping and share at rest found on
the training split; `python run.py BOTAN.h5` (the public configurations, imported and quenched) besides:
replicas of one tau are run with LAMMPS, since the public data have none, and the generator is fitted to and
judged by these.
"""

import argparse
import json
import resource
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import yaml
from scipy.stats import wasserstein_distance

sys.path.insert(0, str(Path(__file__).parents[1]))
from common import blocks, call, table

from gensample.data.store import Store
from gensample.generators.base import starts
from gensample.generators.harmonic import vibrations_of
from gensample.structure.vibrations import response

HERE = Path(__file__).parent
COLUMNS = {
    "pearson": "Pearson",
    "pearson_ceiling_sampler": "best",
    "mean_propensity": "mean length",
    "W1": "W1",
    "W1_floor": "floor",
    "crps_skill": "CRPS skill",
    "crps_skill_best": "best",
    "c2st": "classifier",
    "chi4_iso": "chi4 within",
}
MD = {
    "class_path": "gensample.generators.heated.Heated",
    "init_args": {"lag_time": [1.0], "stages": [[[None, 1.0]]]},
}


def judged(model: str | Path, data: str | Path, replicas: int, folder: Path, label: str) -> dict:
    """Metrics of a generator on the test split, its core-seconds a field beside."""
    out, report = folder / f"{label}.h5", folder / label
    call(
        "sample",
        model,
        "--data",
        data,
        "--split",
        "test",
        "--replicas",
        str(replicas),
        "--seed",
        "1",
        "--out",
        out,
    )
    where = ["--split", "test", "--out", report, "--bootstrap", "200", "--quench-replicas", "0"]
    call("compare", data, out, *where)
    metrics = json.loads((report / "metrics.json").read_text())
    with Store.open(out) as store:
        cost = store.attrs["core_seconds"] / int(store.done.sum()) / len(store.times)
    return {
        "core_seconds_a_field": cost,
        "A": blocks(metrics, list(COLUMNS), "A"),
        "B": blocks(metrics, list(COLUMNS), "B"),
    }


def distances(model: Path, data: str | Path, replicas: int, folder: Path, seeds: int = 5) -> dict:
    """W1 of |u| at t = 1 for each seed and species, as drawn and at the right amplitude.

    At the right amplitude every configuration's lengths are multiplied by what gives them the mean that they
    have in simulation: how far a configuration vibrates on average is another question than how.
    """
    found: dict = {kind: {"drawn": [], "right_amplitude": []} for kind in "AB"}
    with Store.open(data) as store:
        rows = store.indices("test")
        simulated = [np.linalg.norm(store.displacements(int(row))[:, 0], axis=-1) for row in rows]
        members = [store.species == k for k in range(2)]
    for seed in range(1, seeds + 1):
        out = folder / f"seed-{seed}.h5"
        where = ["--data", data, "--split", "test", "--replicas", str(replicas), "--seed", str(seed)]
        call("sample", model, *where, "--out", out)
        with Store.open(out) as store:
            drawn = [np.linalg.norm(store.displacements(c)[:, 0], axis=-1) for c in range(len(rows))]
        out.unlink()
        for kind, member in zip("AB", members, strict=True):
            ours, theirs = ([each[:, member].ravel() for each in of] for of in (drawn, simulated))
            right = [u * v.mean() / u.mean() for u, v in zip(ours, theirs, strict=True)]
            for name, lengths in (("drawn", ours), ("right_amplitude", right)):
                distance = wasserstein_distance(np.concatenate(lengths), np.concatenate(theirs))
                found[kind][name].append(float(distance))
    return found


def mean_lengths(data: str | Path) -> dict:
    """Mean |u| at t = 1 in simulation, {split: {species: mean}}."""
    with Store.open(data) as store:
        found = {}
        for split in ("train", "test"):
            rows = store.indices(split)
            lengths = [np.linalg.norm(store.displacements(int(row))[:, 0], axis=-1).mean(0) for row in rows]
            found[split] = {
                kind: float(np.mean(lengths, 0)[store.species == k].mean()) for k, kind in enumerate("AB")
            }
        return found


def fitted(data: str | Path, folder: Path, label: str) -> tuple[Path, dict]:
    """The model of the training split, and its settings."""
    model = folder / f"{label}-fit"
    call("fit", "harmonic", "--data", data, "--out", model)
    settings = yaml.safe_load((model / "config.yaml").read_text())["model"]["init_args"]
    return model, {name: settings[name] for name in ("lag_time", "amplitude", "damping", "rest")}


def runs_of_one_tau(data: Path, folder: Path, split: str, replicas: int) -> Path:
    """A dataset of replicas at t = 1 from the configurations of another."""
    model, out = folder / "md", folder / f"md-{split}.h5"
    model.mkdir(exist_ok=True)
    (model / "config.yaml").write_text(yaml.safe_dump({"model": MD}))
    (model / "metrics.json").write_text("{}")
    call("sample", model, "--data", data, "--split", split, "--replicas", str(replicas), "--out", out)
    return out


def degrees(data: Path) -> dict:
    """Degrees of the polynomials of the first test configuration, by lag: memory, push, kicks, offset."""
    damping = torch.tensor([4.0], dtype=torch.float64)
    with Store.open(data) as store:
        row = int(store.indices("test")[0])
        own = vibrations_of(starts(store, [row], store.inherent[[row]])[0])
    found = {"eigenvalues": [own.functions.low, own.functions.high]}
    for time in (0.1, 1.0, 10.0, 100.0, 4120.0):
        series = []
        for k, tolerance in enumerate((1e-4, *[1e-4 / own.functions.high**0.5] * 3)):
            own.functions.apply(
                lambda value, k=k, time=time: response(value, damping, time)[k],
                own.displacement[None],
                tolerance,
            )
            series.append(own.functions.degree)
        found[f"{time:g}"] = series
    return found


def main() -> None:
    """Measure, and keep what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("botan", nargs="?", type=Path)
    botan = parser.parse_args().botan
    path = HERE / "results.json"
    results: dict = json.loads(path.read_text())
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        results["2d, nothing fitted"] = judged("harmonic", "ka2d-mini", 32, folder, "bare")
        model, settings = fitted("ka2d-mini", folder, "2d")
        results["2d, fitted"] = judged(model, "ka2d-mini", 32, folder, "2d") | {"settings": settings}
        results["2d, fitted"]["W1_of_seeds"] = distances(model, "ka2d-mini", 32, folder)
        results["2d, fitted"]["mean_length"] = mean_lengths("ka2d-mini")
        if botan is not None:
            train, test = (runs_of_one_tau(botan, folder, *of) for of in (("train", 4), ("test", 16)))
            model, settings = fitted(train, folder, "3d")
            results["3d, fitted"] = judged(model, test, 16, folder, "3d") | {"settings": settings}
            results["3d, fitted"]["W1_of_seeds"] = distances(model, test, 16, folder)
            results["3d, fitted"]["degrees"] = degrees(test)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            results["3d, fitted"]["peak_memory_of_everything_mb"] = round(peak / 1000)
    path.write_text(json.dumps(results, indent=1) + "\n")
    rows = {(f"{name}, {kind}",): found[kind] for name, found in results.items() for kind in "AB"}
    (HERE / "table.md").write_text(table(["model"], rows, COLUMNS))


if __name__ == "__main__":
    main()
