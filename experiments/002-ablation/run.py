"""Ablation of the displacement generator on the validation split of ka2d-mini.

    python experiments/002-ablation/run.py [--epochs 4] [--regression 4] [--only NAME ...]

Each variant changes one setting of configs/displacement/ka2d-mini-flow.yaml, is trained for the same number
of flow epochs (80 steps of 6 fields each), sampled on the validation split (8 draws, seed 1, 16 function
evaluations a field in all) and compared there. Finished variants are not run again; results.json and table.md
are written after each, so that several processes can share the variants (``--only``).
"""

import argparse
import json
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

from common import blocks, call, sample_and_compare, table

CONFIG = "configs/displacement/ka2d-mini-flow.yaml"
RUNS = Path("runs/ablation")
VARIANTS = {
    "released": [],
    "prior=elastic": ["--model.prior", "elastic"],
    "prior=species": ["--model.prior", "species"],
    "prior=elastic-particle": ["--model.prior", "elastic-particle"],
    "conditioner=none": ["--model.conditioner", "none", "--data.descriptors", "false"],
    "conditioner=botan": [
        *("--model.conditioner", "botan", "--data.augment", "true", "--data.descriptors", "false")
    ],
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
    """Train, sample and compare one variant; its metrics at every lag, species A."""
    folder = RUNS / name.replace("=", "-").replace(" ", "-")
    regression = 0 if name == "conditioner=none" else regression
    length = ["--trainer.max_epochs", str(epochs + regression), "--model.regression_epochs", str(regression)]
    quiet = ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
    started = time.monotonic()
    call("fit", "--config", CONFIG, "--out", folder, *length, *words, *quiet)
    trained = time.monotonic() - started
    # Two networks of 8 evaluations each, or one of 16.
    steps = "8" if name.startswith("prior") else "4"
    solver = ["--method", "midpoint", "--steps", steps]
    checkpoint = folder / "checkpoints" / "last.ckpt"
    metrics = sample_and_compare(checkpoint, "ka2d-mini", "val", folder, replicas=8, solver=solver)
    return {"seconds": round(trained), "words": words, "lags": blocks(metrics, list(COLUMNS))}


def read(path: Path) -> dict:
    """Results so far."""
    return json.loads(path.read_text()) if path.exists() else {}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=4, help="of the flow, for each variant")
    parser.add_argument("--regression", type=int, default=4, help="epochs of regression before them")
    parser.add_argument("--only", nargs="*", default=list(VARIANTS))
    options = parser.parse_args()
    path = HERE / "results.json"
    for variant in options.only:
        if variant not in read(path):
            result = run(variant, VARIANTS[variant], options.epochs, options.regression)
            found = read(path) | {variant: result}  # another process may have added its own meanwhile
            ordered = {name: found[name] for name in VARIANTS if name in found}
            path.write_text(json.dumps(ordered, indent=1))
            rows = {(name,): result["lags"] for name, result in ordered.items()}
            (HERE / "table.md").write_text(table(["variant"], rows, COLUMNS))
