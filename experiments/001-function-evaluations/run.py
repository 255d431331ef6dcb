"""Quality of ka2d-mini-flow against the number of function evaluations, on the validation split.

    python experiments/001-function-evaluations/run.py [--model NAME_OR_CHECKPOINT]

Finished rows are not run again; results.json and table.md are written after each.
"""

import argparse
import json
from pathlib import Path

from gensample.cli import main

HERE = Path(__file__).parent
RUNS = Path("runs/function-evaluations")
SOLVERS = {1: ("euler", 1), 2: ("midpoint", 1), 4: ("midpoint", 2), 8: ("midpoint", 4)}
SOLVERS |= {16: ("midpoint", 8), 32: ("midpoint", 16)}
COLUMNS = ("pearson", "mean_propensity", "W1", "W1_floor", "alpha2", "chi4_iso", "energy_score_skill", "c2st")


def run(model: str, evaluations: int) -> dict:
    """Sample with a solver and compare; returns the metrics of species A at every lag."""
    method, steps = SOLVERS[evaluations]
    generated, report = RUNS / f"{evaluations}.h5", RUNS / f"report-{evaluations}"
    solver = ["--method", method, "--steps", str(steps)]
    where = ["--data", "ka2d-mini", "--split", "val", "--replicas", "16", "--seed", "1"]
    call(["sample", model, "--out", str(generated), *where, *solver])
    call(
        ["compare", "ka2d-mini", str(generated), "--split", "val", "--out", str(report), "--bootstrap", "200"]
    )
    metrics = json.loads((report / "metrics.json").read_text())
    lags = {f"{lag['time']:g}": scalars(lag["species"]["A"]["generated"]) for lag in metrics["lags"]}
    return {"method": method, "steps": steps, "lags": lags}


def scalars(block: dict) -> dict:
    """The numbers of the table, without the curves."""
    return {name: block[name] for name in COLUMNS if name in block}


def call(words: list[str]) -> None:
    """One gensample command; stops at the first that fails."""
    if code := main(words):
        raise SystemExit(code)


def table(results: dict) -> str:
    """Markdown: one row per number of evaluations and lag; pairs as generated / simulation."""
    lines = ["| evaluations | solver | t | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 3) + "|"]
    for evaluations, result in results.items():
        for t, block in result["lags"].items():
            cells = [cell(block.get(column, {}).get("value")) for column in COLUMNS]
            solver = f"{result['method']} x {result['steps']}"
            lines.append(f"| {evaluations} | {solver} | {t} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def cell(value: float | list[float] | None) -> str:
    """A number, or the generated over the simulated one."""
    if value is None:
        return ""
    return f"{value[1] / value[0]:.2f} of sim" if isinstance(value, list) else f"{value:.4f}"


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
            (HERE / "table.md").write_text(table(found))
