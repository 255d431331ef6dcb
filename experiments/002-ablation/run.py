"""Ablation of the displacement generator on the validation split of ka2d-mini.

    python experiments/002-ablation/run.py [--epochs 14] [--only NAME ...]

Each variant changes one setting of configs/displacement/ka2d-mini-flow.yaml, is trained for the same number
of epochs, sampled on the validation split and compared there. Finished variants are not run again;
results.json and table.md are written after each.
"""

import argparse
import json
import time
from pathlib import Path

from gensample.cli import main

HERE = Path(__file__).parent
CONFIG = "configs/displacement/ka2d-mini-flow.yaml"
RUNS = Path("runs/ablation")
VARIANTS = {
    "released": [],
    "prior=species": ["--model.prior", "species"],
    "prior=particle": ["--model.prior", "particle"],
    "prior=elastic-particle": ["--model.prior", "elastic-particle"],
    "conditioner=none": ["--model.conditioner", "none"],
    "conditioner=botan": ["--model.conditioner", "botan", "--data.augment", "true"],
    "trained along": ["--model.train_conditioner", "true"],
    "path=variance-preserving": ["--model.path", "variance-preserving"],
    "input=thermal": ["--data.input", "thermal"],
}
COLUMNS = {
    "pearson": "Pearson",
    "mean_propensity": "mean abs(u)",
    "W1": "W1",
    "alpha2": "alpha2",
    "chi4_iso": "chi4 within",
    "energy_score_skill": "energy-score skill",
    "c2st": "C2ST",
}


def run(name: str, words: list[str], epochs: int, regression: int) -> dict:
    """Train, sample and compare one variant; returns its metrics at every lag, species A."""
    folder = RUNS / name.replace("=", "-").replace(" ", "-")
    started = time.monotonic()
    length = ["--trainer.max_epochs", str(epochs), "--model.regression_epochs", str(regression)]
    quiet = ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
    call(["fit", "--config", CONFIG, "--out", str(folder), *length, *words, *quiet])
    trained = time.monotonic() - started
    generated, report = folder / "val.h5", folder / "report"
    checkpoint = str(folder / "checkpoints" / "last.ckpt")
    sampling = ["--split", "val", "--replicas", "16", "--seed", "1", "--method", "midpoint", "--steps", "4"]
    call(["sample", checkpoint, "--data", "ka2d-mini", "--out", str(generated), *sampling])
    call(
        ["compare", "ka2d-mini", str(generated), "--split", "val", "--out", str(report), "--bootstrap", "200"]
    )
    metrics = json.loads((report / "metrics.json").read_text())
    lags = {f"{lag['time']:g}": scalars(lag["species"]["A"]["generated"]) for lag in metrics["lags"]}
    return {"seconds": round(trained), "words": words, "lags": lags}


def scalars(block: dict) -> dict:
    """The numbers of the table, without the curves."""
    return {name: block[name] for name in COLUMNS if name in block}


def call(words: list[str]) -> None:
    """One gensample command; stops at the first that fails."""
    if code := main(words):
        raise SystemExit(code)


def table(results: dict) -> str:
    """Markdown: one row per variant and lag; [simulation, generated] pairs as generated / simulation."""
    lines = ["| variant | t | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 2) + "|"]
    for name, result in results.items():
        for t, block in result["lags"].items():
            cells = [cell(block.get(column, {}).get("value")) for column in COLUMNS]
            lines.append(f"| {name} | {t} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def cell(value: float | list[float] | None) -> str:
    """A number, or the generated over the simulated one."""
    if value is None:
        return ""
    return f"{value[1] / value[0]:.2f} of sim" if isinstance(value, list) else f"{value:.3f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=14, help="of each variant, regression included")
    parser.add_argument("--regression", type=int, default=8, help="epochs of regression")
    parser.add_argument("--only", nargs="*", default=list(VARIANTS))
    options = parser.parse_args()
    path = HERE / "results.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    for variant in options.only:
        if variant not in found:
            regression = 0 if variant == "conditioner=none" else options.regression
            epochs = options.epochs - options.regression + regression
            found[variant] = run(variant, VARIANTS[variant], epochs, regression)
            path.write_text(json.dumps(found, indent=1))
            (HERE / "table.md").write_text(table(found))
