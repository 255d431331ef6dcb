"""Quality of ka2d-mini-flow against the number of function evaluations, validation split of ka2d-mini.

    python experiments/001-function-evaluations/run.py [--model ka2d-mini-flow]

The model has two stages, the mobility and the displacement, each solved with the same method and steps: the
number is that of evaluations of each network. results.json and table.md are written after each solver; what
is there is not run again.
"""

import argparse
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

from common import blocks, sample_and_compare, table

RUNS = Path("runs/function-evaluations")
SOLVERS = {
    1: ("euler", 1),
    2: ("midpoint", 1),
    4: ("midpoint", 2),
    8: ("midpoint", 4),
    16: ("midpoint", 8),
    32: ("midpoint", 16),
}
COLUMNS = {
    "pearson": "Pearson",
    "mean_propensity": "mean abs(u)",
    "W1": "W1",
    "W1_floor": "its floor",
    "alpha2": "alpha2",
    "chi4_iso": "chi4 within",
    "energy_score_skill": "energy-score skill",
    "c2st": "C2ST",
}


def run(model: str, evaluations: int) -> dict:
    """Sample with a solver and compare; the metrics of species A at every lag."""
    method, steps = SOLVERS[evaluations]
    solver = ["--method", method, "--steps", str(steps)]
    folder = RUNS / str(evaluations)
    metrics = sample_and_compare(model, "ka2d-mini", "val", folder, replicas=8, solver=solver)
    return {"method": method, "steps": steps, "lags": blocks(metrics, list(COLUMNS))}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="ka2d-mini-flow")
    options = parser.parse_args()
    path = HERE / "results.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    for evaluations in SOLVERS:
        if str(evaluations) not in found:
            found[str(evaluations)] = run(options.model, evaluations)
            path.write_text(json.dumps(found, indent=1))
            rows = {(n, f"{r['method']} x {r['steps']}"): r["lags"] for n, r in found.items()}
            (HERE / "table.md").write_text(table(["evaluations", "solver"], rows, COLUMNS))
