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

from gensample.comparison.result import Comparison
from gensample.comparison.tables import to_markdown

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
FLOWS = {
    "flow3d": "configs/displacement/botan-t044-flow.yaml",
    "flow3d-runs": "configs/displacement/botan-t044-flow-runs.yaml",
}
# Heated runs from the inherent structures, which the conditioner of flow3d-runs reads beside short ones.
PROBE = ["--temperatures", "0.56", "0.64", "--times", "2.5", "5", "10", "20", "40", "--replicas", "12"]


def prepare(stages: list[str]) -> None:
    """The dataset with what the stages read of it; what is there is not made again.

    Short and heated runs take hours: only for `flow3d-runs`, to train it or where it is to be scored.
    """
    if not Path(DATA).exists():
        call("import", SOURCE, "--out", DATA)
        call("quench", DATA)
    if "flow" in stages or ("score" in stages and finished("flow3d-runs").exists()):
        call("cage", DATA)
        call("probe", DATA, *PROBE)


def finished(name: str) -> Path:
    """Marks a run that trained to its end."""
    return Path("runs", name, "finished")


def fit(name: str, words: list[str]) -> None:
    """Train unless a finished run is there."""
    if not finished(name).exists():
        call("fit", "--config", *words, "--out", f"runs/{name}", "--model.compile", "true", *QUIET)
        finished(name).touch()


def score(name: str, checkpoint: str, model_input: str) -> dict:
    """Pearson of a predictor, or of a generator's conditioner, on both test configurations."""
    out = Path("runs", name, "score.json")
    words = ["scripts/score_predictor.py", f"runs/{name}/checkpoints/{checkpoint}", "--data", DATA]
    subprocess.run([sys.executable, *words, "--out", str(out)], check=True)
    return json.loads(out.read_text())


def predictors(found: dict) -> str:
    """Markdown: Pearson of every predictor, mean of the two test configurations."""
    lines = ["| predictor | A | its ceiling | B | its ceiling |", "|---|---|---|---|---|"]
    for name, scores in found.items():
        if "pearson" in scores["lags"][0]["species"]["A"]:  # of predictors, not of ensembles
            species = scores["lags"][0]["species"]
            pairs = [(species[s]["pearson"], species[s]["pearson_ceiling_exact"]) for s in "AB"]
            cells = [f"{x['value']:.3f}" for pair in pairs for x in pair]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stage", nargs="*", default=["botan", "flow", "score"])
    options = parser.parse_args()
    prepare(options.stage)
    if "botan" in options.stage:
        for name, words in BOTAN.items():
            fit(name, words)
    if "flow" in options.stage:
        for name, config in FLOWS.items():
            fit(name, [config])
    if "score" in options.stage:
        found = json.loads((HERE / "results.json").read_text())
        # Of what was not trained here the numbers stay.
        tables = []
        there = [name for name in (*BOTAN, *FLOWS) if finished(name).exists()]
        for name in there:
            if name in BOTAN:
                found[name] = score(name, "best.ckpt", name.rpartition("-")[2])
            else:
                found[f"conditioner of {name}"] = score(name, "last.ckpt", "inherent")
                metrics = draw(name)
                found[name] = without_curves(metrics)
                tables.append(f"{name}:\n\n{to_markdown(Comparison(metrics))}\n")
        (HERE / "results.json").write_text(json.dumps(found, indent=1))
        (HERE / "table.md").write_text("\n".join([predictors(found), *tables]))


def draw(name: str) -> dict:
    """Metrics of 32 draws on the test configurations."""
    solver = ["--method", "midpoint", "--steps", "4"]
    checkpoint = f"runs/{name}/checkpoints/last.ckpt"
    return sample_and_compare(checkpoint, DATA, "test", Path("runs", name), replicas=32, solver=solver)


if __name__ == "__main__":
    main()
