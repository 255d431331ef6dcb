"""Predictors and the generator on the public BOTAN configurations at T = 0.44, t = 4120 (about tau_alpha).

    python experiments/004-botan-t044/run.py [--stage botan|flow|score ...]

Trained on nine of the ten shared training configurations, the tenth (row 11) for validation, scored on the
test files 401 and 402. Runs that are there are not trained again; results.json has every number, table.md the
main ones.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

from common import call, sample_and_compare, without_curves

from gensample.report.metrics import Metrics
from gensample.report.tables import to_markdown

DATA = "runs/botan-t044.h5"
SOURCE = "../shared/data/botan/T0.44"
CONFIGS = "configs/dynamics"
QUIET = ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
BOTAN = {
    "botan-official-thermal": [f"{CONFIGS}/botan-t044-official.yaml"],
    "botan-official-inherent": [f"{CONFIGS}/botan-t044-official.yaml", "--data.input", "inherent"],
    "botan-scratch-thermal": [f"{CONFIGS}/botan-t044.yaml"],
    "botan-scratch-inherent": [f"{CONFIGS}/botan-t044-inherent.yaml"],
}
FLOW = "configs/displacement/botan-t044-flow.yaml"


def prepare() -> None:
    """The dataset with its inherent structures."""
    if not Path(DATA).exists():
        call("import", SOURCE, "--out", DATA)
        call("quench", DATA)


def fit(name: str, words: list[str]) -> None:
    """Train unless a finished run is there."""
    finished = Path("runs", name, "finished")
    if not finished.exists():
        call("fit", "--config", *words, "--out", f"runs/{name}", "--model.compile", "true", *QUIET)
        finished.touch()


def score(name: str, checkpoint: str, model_input: str) -> dict:
    """Pearson of a predictor, or of a generator's conditioner, on both test configurations."""
    out = Path("runs", name, "score.json")
    words = ["scripts/score_predictor.py", f"runs/{name}/checkpoints/{checkpoint}", "--data", DATA]
    subprocess.run([sys.executable, *words, "--input", model_input, "--out", str(out)], check=True)
    return json.loads(out.read_text())


def predictors(found: dict) -> str:
    """Markdown: Pearson of every predictor, mean of the two test configurations."""
    lines = ["| predictor | A | its ceiling | B | its ceiling |", "|---|---|---|---|---|"]
    for name, scores in found.items():
        if name != "generator":
            species = scores["lags"][0]["species"]
            pairs = [(species[s]["pearson"], species[s]["pearson_ceiling_exact"]) for s in "AB"]
            cells = [f"{x['value']:.3f}" for pair in pairs for x in pair]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stage", nargs="*", default=["botan", "flow", "score"])
    options = parser.parse_args()
    prepare()
    if "botan" in options.stage:
        for name, words in BOTAN.items():
            fit(name, words)
    if "flow" in options.stage:
        fit("flow3d", [FLOW])
    if "score" in options.stage:
        found = {name: score(name, "best.ckpt", name.rpartition("-")[2]) for name in BOTAN}
        found["conditioner"] = score("flow3d", "last.ckpt", "inherent")
        solver = ["--method", "midpoint", "--steps", "4"]
        checkpoint, folder = "runs/flow3d/checkpoints/last.ckpt", Path("runs/flow3d")
        metrics = sample_and_compare(checkpoint, DATA, "test", folder, replicas=32, solver=solver)
        found["generator"] = without_curves(metrics)
        (HERE / "results.json").write_text(json.dumps(found, indent=1))
        (HERE / "table.md").write_text(predictors(found) + "\n" + to_markdown(Metrics(metrics)))


if __name__ == "__main__":
    main()
