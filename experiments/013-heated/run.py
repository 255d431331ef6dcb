"""What do heated runs give, and what is traded by their temperature and time?

    python experiments/013-heated/run.py [--data ka2d-mini] [--fit=--share=0.2] [--curves 100] [--only fit]

Three steps, each kept in runs/heated/NAME and not done again; results.json and table.md hold all that is.

1. `fit`: the numbers of every lag on the training split (`gensample fit heated`), nothing else seen.
2. `test`: 32 draws on the test split (seed 1), compared with simulation, *harmonic* beside.
3. `curves`: one lag, hot phases of every temperature and time of a grid, then 3 tau at that of the data,
   8 draws on the validation split: what each statistic is against time and temperature (curves-NAME-LAG.svg).
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

from common import blocks, call, table

from gensample import zoo
from gensample.data.domain import domain_of
from gensample.data.store import Store

COLUMNS = {
    "pearson": "Pearson",
    "pearson_share": "Pearson, of best",
    "crps_skill": "CRPS skill",
    "crps_skill_share": "skill, of best",
    "c2st": "classifier",
    "mean_propensity": "mean abs(u)",
    "alpha2": "alpha2",
    "predictability": "R",
    "chi4_iso": "chi4 within",
    "future_energy_median": "energy - sim",
    "future_overlapping": "overlapping",
    "hops": "hops",
    "inherent_energy": "inherent energy - sim",
    "hop_pearson": "Pearson of h",
    "hop_chi4_within": "chi4 of hops",
}
FACTORS, TIMES = (1.2, 1.35, 1.5, 1.7), (0.01, 0.02, 0.05, 0.1, 0.2)
"""Of the grid of the curves: temperatures in those of the data, hot times in lags."""
SETTLE = 3.0


BEST = {"pearson": "pearson_ceiling_sampler", "crps_skill": "crps_skill_best"}


def of_source(folder: Path, source: str = "generated") -> dict:
    """{lag: {name: entry}} of species A of a report, of all particles for what is of none alone.

    With shares of what a perfect sampler reaches, and differences in place of pairs of energies.
    """
    metrics, names = json.loads((folder / "metrics.json").read_text()), [*COLUMNS, *BEST.values()]
    own, shared = (blocks(metrics, names, species, source) for species in ("A", "all"))
    found = {lag: shared[lag] | own[lag] for lag in own}
    for block in found.values():
        for name, best in BEST.items():
            block[f"{name}_share"] = {"value": block[name]["value"] / block.pop(best)["value"]}
        for name in ("future_energy_median", "inherent_energy"):
            if name in block:
                simulated, generated = block[name]["value"]
                block[name] = {"value": generated - simulated}
        pair = block.get("future_overlapping", {}).get("value")
        if isinstance(pair, list):
            block["future_overlapping"] = {"value": pair[1]}
    return found


def fit(data: str, folder: Path, words: list[str]) -> dict:
    """The folder of the model, and the row chosen of each lag."""
    if not (folder / "model").exists():
        call("fit", "heated", "--data", data, "--out", folder / "model", *words)
    found = zoo.load_metrics(folder / "model")["fit"]
    chosen = {lag: next(row for row in rows if row["chosen"]) for lag, rows in found["lags"].items()}
    return {"core_seconds": found["core_seconds"], "criterion": found["criterion"], "chosen": chosen}


def test(data: str, folder: Path) -> dict:
    """Metrics of 32 draws of heated, and of harmonic beside it, and core-seconds."""
    drawn, report = folder / "test.h5", folder / "report-test"
    where = ["--data", data, "--split", "test", "--seed", "1"]
    call("sample", folder / "model", *where, "--replicas", "32", "--out", drawn)
    call("compare", data, drawn, "--split", "test", "--out", report, "--beside", "harmonic")
    with Store.open(drawn) as store:
        fields = int(store.done.sum()) * len(store.times)
        cost = store.attrs["core_seconds"]
    return {
        "core_seconds_a_field": cost / fields,
        "heated": of_source(report),
        "harmonic": of_source(report, "harmonic"),
    }


def curve(data: str, folder: Path, lag: float, hot: float, time: float) -> dict:
    """Metrics of one temperature and time at one lag."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "model").exists():
        with Store.open(data) as store:
            domain = domain_of(store, lags=[lag])
        settings = {"lag_time": [lag], "stages": [[[hot, time], [None, SETTLE]]], "domain": domain}
        block = {"class_path": "gensample.generators.heated.Heated", "init_args": settings}
        zoo.keep_generator(folder / "model", block, {}, "# a point of the curves of experiment 013\n")
    where = ["--data", data, "--split", "val", "--seed", "1"]
    call("sample", folder / "model", *where, "--replicas", "8", "--out", folder / "val.h5")
    report = ["--out", folder / "report", "--bootstrap", "200", "--lags", str(lag)]
    call("compare", data, folder / "val.h5", "--split", "val", *report)
    (found,) = of_source(folder / "report").values()
    return {"temperature": hot, "time": time, "cost": (time + SETTLE) / lag, "metrics": found}


def grid(data: str, lag: float) -> list[tuple[float, float]]:
    """Temperatures and times of the curves."""
    with Store.open(data) as store:
        own = float(np.min(store.temperature))
    return [(round(own * factor, 3), float(f"{share * lag:.3g}")) for factor in FACTORS for share in TIMES]


def draw(points: list[dict], path: Path) -> None:
    """Each statistic against time, a line for each temperature; simulation's own as a dashed line."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = [name for name in COLUMNS if any(name in point["metrics"] for point in points)]
    rows = -(-len(names) // 4)
    figure, axes = plt.subplots(rows, 4, figsize=(12, 2.6 * rows), sharex=True, squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        for hot in sorted({point["temperature"] for point in points}):
            of = sorted((p for p in points if p["temperature"] == hot), key=lambda p: p["time"])
            values = [np.ravel(p["metrics"].get(name, {}).get("value", np.nan)) for p in of]
            axis.plot([p["time"] for p in of], [float(v[-1]) for v in values], ".-", label=f"T = {hot:g}")
            if len(values[0]) == 2:
                axis.axhline(float(values[0][0]), color="0.5", ls="--", lw=0.8)
        axis.set(xscale="log", title=COLUMNS[name])
    for axis in axes[-1]:
        axis.set_xlabel("hot time / tau")
    for axis in list(axes.flat)[len(names) :]:
        axis.remove()
    axes[0, 0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    """Run what is asked for and not there."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="ka2d-mini")
    parser.add_argument("--name", help="of its folder and of its block in results.json (that of the data)")
    parser.add_argument(
        "--fit", nargs="*", default=[], help="options of `gensample fit heated`, as --share=0.1"
    )
    parser.add_argument("--curves", type=float, default=100.0, help="lag of the curves")
    parser.add_argument("--only", nargs="*", default=["fit", "test", "curves"])
    options = parser.parse_args()
    name = options.name or Path(options.data).stem
    folder, path = Path("runs/heated") / name, HERE / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    own = results.setdefault(name, {"data": options.data, "curves": {}})

    def keep() -> None:
        path.write_text(json.dumps(results, indent=1) + "\n")

    if "fit" in options.only:
        own["fit"] = fit(options.data, folder, options.fit)
        keep()
    if "test" in options.only and "test" not in own:
        own["test"] = test(options.data, folder)
        keep()
    points = own["curves"].setdefault(f"{options.curves:g}", [])
    for hot, time in grid(options.data, options.curves) if "curves" in options.only else []:
        if not any((p["temperature"], p["time"]) == (hot, time) for p in points):
            where = folder / f"curve-{options.curves:g}" / f"{hot:g}-{time:g}"
            points.append(curve(options.data, where, options.curves, hot, time))
            keep()
    if points:
        draw(points, HERE / f"curves-{name}-{options.curves:g}.svg")
    rows = {
        (block, source): found["test"][source]
        for block, found in results.items()
        for source in ("heated", "harmonic")
        if "test" in found
    }
    (HERE / "table.md").write_text(table(["data", "generator"], rows, COLUMNS))


if __name__ == "__main__":
    main()
