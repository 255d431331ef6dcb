"""What is traded by the temperature and the time of a heated run?

    python experiments/013-heated/curves.py [--data ka2d-mini] [--lag 100]

Hot phases of every temperature and time of a grid, then 3 tau at the temperature of the data: 8 draws on the
validation split, compared with simulation. Points are kept in runs/heated and in curves.json as they are
found, and not done again; curves-DATA-LAG.svg shows each statistic against time, a line for each temperature.
"""

import argparse
import json
import sys
from pathlib import Path

import matplotlib
import numpy as np

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

from common import blocks, call

from gensample.data.store import Store, domain_of
from gensample.release import keep_generator

COLUMNS = {
    "pearson": "Pearson, of best",
    "crps_skill": "CRPS skill, of best",
    "c2st": "classifier",
    "mean_propensity": "mean |u|",
    "alpha2": "alpha2",
    "predictability": "R",
    "chi4_iso": "chi4 within",
    "hops": "share of hops",
    "hop_chi4_within": "chi4 of hops",
    "hop_pearson": "Pearson of h",
    "future_energy_median": "energy of a future",
    "inherent_energy": "its inherent energy",
}
BEST = {"pearson": "pearson_ceiling_sampler", "crps_skill": "crps_skill_best"}
FACTORS, TIMES = (1.2, 1.35, 1.5, 1.7), (0.02, 0.05, 0.1, 0.2)
"""Of the grid: temperatures in those of the data, hot times in lags."""
SETTLE = 3.0


def metrics_of(report: Path) -> dict[str, list[float]]:
    """[simulated, generated] or [generated], of species A, and of all particles for what is of none alone."""
    found = json.loads((report / "metrics.json").read_text())
    own, shared = (blocks(found, [*COLUMNS, *BEST.values()], species) for species in ("A", "all"))
    ((lag, block),) = own.items()
    values = {name: np.ravel(entry["value"]).tolist() for name, entry in (shared[lag] | block).items()}
    for name, best in BEST.items():
        values[name] = [values[name][0] / values.pop(best)[0]]
    return values


def point(data: str, lag: float, hot: float, time: float) -> dict:
    """One temperature and time."""
    folder = Path("runs/heated") / Path(data).stem / f"{lag:g}-{hot:g}-{time:g}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "model").exists():
        with Store.open(data) as store:
            settings = {"lag_time": [lag], "stages": [[[hot, time], [None, SETTLE]]]}
            settings["domain"] = domain_of(store, lags=[lag])
        block = {"class_path": "gensample.generators.heated.Heated", "init_args": settings}
        keep_generator(folder / "model", block, {}, "# a point of the curves of experiment 013\n")
    where = ["--data", data, "--split", "val", "--seed", "1"]
    call("sample", folder / "model", *where, "--replicas", "8", "--out", folder / "val.h5")
    report = ["--out", folder / "report", "--bootstrap", "50", "--lags", str(lag), "--follow", "0"]
    call("compare", data, folder / "val.h5", "--split", "val", *report)
    return {"temperature": hot, "time": time, "cost": (time + SETTLE) / lag, **metrics_of(folder / "report")}


def draw(points: list[dict], path: Path) -> None:
    """Each statistic against time, a line for each temperature; simulation's own as a dashed line."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(3, 4, figsize=(12, 8), sharex=True)
    for axis, (name, words) in zip(axes.flat, COLUMNS.items(), strict=True):
        for hot in sorted({each["temperature"] for each in points}):
            of = sorted((p for p in points if p["temperature"] == hot), key=lambda p: p["time"])
            axis.plot([p["time"] for p in of], [p[name][-1] for p in of], ".-", label=f"T = {hot:g}")
        if len(points[0][name]) == 2:
            axis.axhline(points[0][name][0], color="0.5", ls="--", lw=0.8)
        axis.set(xscale="log", title=words)
        times = sorted({each["time"] for each in points})
        axis.set_xticks(times, [f"{time:g}" for time in times])
        axis.minorticks_off()
    for axis in axes[-1]:
        axis.set_xlabel("hot time / tau")
    axes[0, 0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    """Find what is not there, and draw all of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="ka2d-mini")
    parser.add_argument("--lag", type=float, default=100.0)
    options = parser.parse_args()
    name, path = f"{Path(options.data).stem}-{options.lag:g}", HERE / "curves.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    points = results.setdefault(name, [])
    with Store.open(options.data) as store:
        own = float(np.min(store.temperature))
    for hot in (round(own * factor, 3) for factor in FACTORS):
        for time in (float(f"{share * options.lag:.3g}") for share in TIMES):
            if not any((p["temperature"], p["time"]) == (hot, time) for p in points):
                points.append(point(options.data, options.lag, hot, time))
                path.write_text(json.dumps(results, indent=1) + "\n")
    draw(points, HERE / f"curves-{name}.svg")


if __name__ == "__main__":
    main()
