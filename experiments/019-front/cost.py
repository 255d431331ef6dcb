"""Core-seconds of a field on a quiet machine: python experiments/019-front/cost.py (2 min). Writes cost.json.

Six test configurations of ka2d-long, one process of LAMMPS at a time; fields of 32 draws, as the cards have.
"""

import json
from pathlib import Path

import gensample as gs
from gensample.generators.heated import Heated
from gensample.simulate.programs import choose_dynamics

LAGS = {100.0: (2, 22.0, 0.6), 1000.0: (1, 64.0, 0.65)}
"""Replicas of dynamics, and the hot phase of heated runs with long steps (the front)."""


def main() -> None:
    """Measure and write."""
    data, how = gs.open_dataset("ka2d-long")["test"][:6], {"dynamics": choose_dynamics("lammps", processes=1)}
    found: dict[str, dict[str, float]] = {}
    for lag, (replicas, time, hot) in LAGS.items():
        models = {
            "dynamics": (Heated([lag], [[[None, lag]]]), replicas),
            "heated, long steps": (Heated([lag], [[[hot, time], [None, 3.0]]], hot_timestep=0.015), 32),
            "ka2d-long-guided": (gs.load_model("ka2d-long-guided"), 32),
        }
        found[f"{lag:g}"] = {}
        for name, (model, draws) in models.items():
            drawn = model.sample(data, draws, 1, lag=lag, **how)
            cost = float(drawn.store.attrs["core_seconds"]) / (len(data) * draws)
            found[f"{lag:g}"][name] = round(cost, 4)
    Path(__file__).with_name("cost.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
