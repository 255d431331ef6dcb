"""Core-seconds of a field, all its lags up to 100, against the number of particles: models and simulation.

python experiments/018-sizes/cost.py FOLDER ka2d-long-heated [MODEL ...]     # cost.json; 1 min, alone

Everything counts (`gensample.meter`). The sizes take turns at about as much work each; of ROUNDS the cheapest
counts, since what else runs only adds to it. Simulations say themselves what a replica has taken.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from sizes import HERE, LAGS, SIZES, cut

from gensample import zoo
from gensample.comparison.pairing import core_seconds
from gensample.data.dataset import open_dataset
from gensample.meter import Meter

ROUNDS = 3
FIELDS = {500: 16, 2000: 4, 10000: 1}


def main() -> None:
    """Measure, print and write cost.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("models", nargs="+")
    given = parser.parse_args()
    boxes = {
        n: open_dataset(name if n == 500 else given.folder / name)["test"][:1] for n, name in SIZES.items()
    }
    drawers = {name: zoo.load_model(cut(name, given.folder)) for name in given.models}
    found: dict[str, dict[int, float]] = {"simulated": {}}
    for n, box in boxes.items():  # to the last lag of the file
        found["simulated"][n] = (core_seconds(box.store) or np.nan) * LAGS[-1] / float(box.lag_time[-1])
    for name, model in drawers.items():
        how = model.how(processes=1) if getattr(model, "runs_dynamics", False) else {}
        for k in range(ROUNDS):
            for n, box in boxes.items():
                meter = Meter()
                model.sample(box, FIELDS[n], seed=k, **how)
                each = meter.lap() / FIELDS[n]
                found.setdefault(name, {})[n] = min(each, found.get(name, {}).get(n, np.inf))
    for name, costs in found.items():
        each = {n: cost / n for n, cost in costs.items()}
        told = ", ".join(f"{n}: {cost:.3f} ({each[n] / each[500]:.2f})" for n, cost in costs.items())
        print(f"{name}: core-seconds (a particle's over that at 500) at {told}")
    (HERE / "cost.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
