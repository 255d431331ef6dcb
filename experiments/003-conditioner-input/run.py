"""Pearson of the conditioner alone on the validation split of ka2d-mini, by what it reads.

    python experiments/003-conditioner-input/run.py [--epochs 8]

Regression only, other settings those of configs/displacement/ka2d-mini-flow.yaml. results.json and table.md
are written after each variant; what is there is not run again.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

from common import call

CONFIG = "configs/displacement/ka2d-mini-flow.yaml"
RUNS = Path("runs/conditioner-input")
BARE = ["--data.descriptors", "false"]
VARIANTS = {
    "thermal graph": ["--data.input", "thermal", *BARE],
    "inherent graph": BARE,
    "thermal graph and invariants": ["--data.input", "thermal"],
    "inherent graph and invariants": [],
    "BOTAN, thermal": ["--data.input", "thermal", "--model.conditioner", "botan", *BARE],
    "BOTAN, inherent": ["--model.conditioner", "botan", *BARE],
}
LAGS = ("1", "10", "100")


def run(name: str, words: list[str], epochs: int) -> dict:
    """Train a conditioner; its Pearson over A at every lag at the last validation."""
    folder = RUNS / name.replace(",", "").replace(" ", "-")
    length = ["--trainer.max_epochs", str(epochs), "--model.regression_epochs", str(epochs)]
    quiet = ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
    augment = ["--data.augment", "true"] if "BOTAN" in name else []
    call("fit", "--config", CONFIG, "--out", folder, *length, *words, *augment, *quiet)
    with open(folder / "metrics.csv") as file:
        rows = [row for row in csv.DictReader(file) if row["val/regression"]]
    return {t: float(rows[-1][f"val/pearson_A_t{t}"]) for t in LAGS}


def table(results: dict) -> str:
    """Markdown: one row per variant."""
    lines = ["| conditioner reads | t = 1 | t = 10 | t = 100 |", "|---|---|---|---|"]
    lines += [f"| {name} | " + " | ".join(f"{r[t]:.3f}" for t in LAGS) + " |" for name, r in results.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()
    path = HERE / "results.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    for variant, words in VARIANTS.items():
        if variant not in found:
            found[variant] = run(variant, words, options.epochs)
            path.write_text(json.dumps(found, indent=1))
            (HERE / "table.md").write_text(table(found))
