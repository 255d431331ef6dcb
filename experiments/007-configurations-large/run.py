"""Energies and structure of generated configurations of 500 particles and more, before and after correction.

    python experiments/007-configurations-large/run.py CASE MODEL

CASE is one of CASES below; MODEL a released model, a folder or a checkpoint. 0, 10 and 100 Metropolis sweeps
follow; the control has the same sweeps from the same base without the model. What is done is not run again.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

from common import call
from configurations import corrected_base, plain, quantity

from gensample.data.store import Store

SWEEPS = (0, 10, 100)
SEED = 1


@dataclass(frozen=True)
class Case:
    """Simulated configurations to compare with, and the liquid to start from."""

    mixture: str
    simulated: str
    split: str
    base: str
    temperatures: tuple[float, float]  # of the base and of the target
    particles: int
    num: int


CASES = {
    "ka2d-n500": Case("ka2d", "ka2d-mini", "all", "ka2d-liquid", (1.0, 0.45), 500, 100),
    # The same with a model that has seen more configurations: README.
    "ka2d-n500-more": Case("ka2d", "ka2d-mini", "all", "ka2d-liquid", (1.0, 0.45), 500, 100),
    "ka2d-n2000": Case("ka2d", "ka2d-mini", "all", "runs/ka2d-n2000-liquid.h5", (1.0, 0.45), 2000, 12),
    # Its test split at T = 0.7 alone, quenched: README.
    "ka3d-fs-n1000": Case(
        "ka3d-fs", "runs/ka3d-fs-n1000-test.h5", "test", "runs/ka3d-fs-n1000.h5", (1.2, 0.7), 1000, 12
    ),
}
ROWS = (
    "energy_gap",
    "energy_sd",
    "inherent_energy_gap",
    "pair_distribution_distance",
    "structure_factor_distance",
)


def sets(case: Case, model: str, folder: Path) -> dict[str, Path]:
    """Files of generated configurations and controls by name, quenched."""
    found = {}
    for sweeps in SWEEPS:
        drawn, control = folder / f"flow-{sweeps}.h5", folder / f"base-{sweeps}.h5"
        where = ["--temperature", case.temperatures[1], "--num", case.num, "--particles", case.particles]
        call(
            "sample",
            model,
            "--out",
            drawn,
            *where,
            "--base",
            case.base,
            "--sweeps",
            sweeps,
            "--seed",
            SEED,
            "--steps",
            24,
        )
        corrected_base(control, case.base, case.mixture, case.temperatures, case.num, sweeps, SEED)
        found |= {f"flow, {sweeps} sweeps": drawn, f"base, {sweeps} sweeps": control}
    for path in found.values():
        with Store.open(path) as store:
            done = store.inherent is not None
        if not done:
            call("quench", path, "--engine", "torch", "--tolerance", "1e-3")
    return found


def compare(case: Case, path: Path, folder: Path) -> dict:
    """metrics.json of a set against simulation."""
    report = folder / f"report-{path.stem}"
    call(
        *("compare", case.simulated, path, "--split", case.split, "--temperature", case.temperatures[1]),
        *("--out", report, "--bootstrap", "200"),
    )
    return json.loads((report / "metrics.json").read_text())


def table(results: dict[str, dict]) -> str:
    """Markdown: one line per set; the halves distances in a last line."""
    head = ["set", "energy gap", "energy sd", "inherent energy gap", "g(r) distance", "S(q) distance", "s"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, found in results.items():
        cells = [plain(found["generated"].get(row, {})) for row in ROWS]
        lines.append(f"| {name} | {' | '.join(cells)} | {found['seconds']} |")
    first = next(iter(results.values()))
    halves = [plain(first["halves"].get(row, {})) for row in ROWS]
    simulated = [plain(first["simulated"].get(row, {})) for row in ROWS]
    lines.append(f"| simulation | {' | '.join(simulated)} | |")
    lines.append(f"| halves of the simulation | {' | '.join(halves)} | |")
    return "\n".join(lines) + "\n"


def run(name: str, model: str) -> None:
    """All sets of a case."""
    case, folder = CASES[name], Path(f"runs/007-{name}")
    results = {}
    for label, path in sets(case, model, folder).items():
        metrics = compare(case, path, folder)
        with Store.open(path) as store:
            seconds = store.attrs.get("seconds")
        results[label] = {
            source: {row: quantity(metrics, row, source=source) for row in ROWS}
            for source in ("generated", "simulated", "halves")
        } | {"seconds": "" if seconds is None else f"{seconds:.0f}"}
        (HERE / f"results-{name}.json").write_text(json.dumps(results, indent=1))
        (HERE / f"table-{name}.md").write_text(table(results))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=sorted(CASES))
    parser.add_argument("model")
    options = parser.parse_args()
    run(options.case, options.model)
