"""Core-seconds of a field against the number of particles: models, and molecular dynamics to the same lags.

python experiments/018-sizes/cost.py FOLDER ka2d-long-heated [MODEL ...]   # cost.json; 2 min, alone

A field is all lags up to 100 of one replica, everything counted (`gensample.meter`). The sizes take turns; of
ROUNDS the cheapest counts, since what else runs only adds to it.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from sizes import HERE, LAGS, SIZES, cut

from gensample import zoo
from gensample.data.dataset import open_dataset
from gensample.generators.heated import Heated
from gensample.meter import Meter

ROUNDS = 3
FIELDS = {500: 16, 2000: 8, 10000: 2}


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
    drawers["simulated"] = Heated([LAGS[-1]], [[[None, LAGS[-1]]]])
    found: dict[str, dict[int, float]] = {}
    for name, model in drawers.items():
        how = model.how(processes=1) if getattr(model, "runs_dynamics", False) else {}
        for k in range(ROUNDS):
            for n, box in boxes.items():
                meter = Meter()
                model.sample(box, FIELDS[n], seed=k, **how)
                each = meter.lap() / FIELDS[n]
                found.setdefault(name, {})[n] = min(each, found.get(name, {}).get(n, np.inf))
        each = {n: cost / n for n, cost in found[name].items()}
        told = ", ".join(f"{n}: {cost:.3f} ({each[n] / each[500]:.2f})" for n, cost in found[name].items())
        print(f"{name}: core-seconds (a particle's over that at 500) at {told}")
    (HERE / "cost.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
