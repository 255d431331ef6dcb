"""The field in 3D, from ten public configurations at T = 0.44: each fold held out, and what it costs.

gensample import ../shared/data/botan --out botan.h5 && gensample quench botan.h5
python experiments/017-mobility/botan.py botan.h5        # results-3d.json
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from run import simulated

import gensample.generators.mobility_field as closed
from gensample.data.dataset import open_dataset
from gensample.generators.base import starts
from gensample.meter import Meter
from gensample.stats.dynamics import magnitudes, pearson

FOLDS, DRAWS = 5, 16


def main(name: str) -> None:
    torch.set_num_threads(1)
    train = open_dataset(name)["train"]
    store, meter = train.store, Meter()
    origins = starts(store, train.rows, train.inherent)
    memo = {start.row: closed.describe(start) for start in origins}
    read = meter.lap() / len(origins)
    closed.describe = lambda start: memo[start.row]
    a, expected, seen, lengths, spread = train.species == 0, [], [], [], []
    for fold in range(FOLDS):
        chosen = [x for i, x in enumerate(origins) if i % FOLDS != fold]
        field = closed.fit_mobility_field(chosen, store.displacements)
        for start in origins[fold::FOLDS]:
            known, u = field.read(start), store.displacements(start.row)
            m = simulated(u, known.matrix)[0][:, a]
            drawn = field.draw(known, 0, range(DRAWS), 0)[:, a]
            expected.append(field.expected(known)[a, 0])
            seen.append(m.mean(0))
            lengths.append(magnitudes(u[:, 0]).mean(0)[a])
            ratios = [drawn.var(0, ddof=1).mean() / m.var(0, ddof=1).mean()]
            spread.append([*ratios, drawn.mean(1).var(ddof=1) / m.mean(1).var(ddof=1)])
    fit = meter.lap() / FOLDS
    field.draw(known, 0, range(DRAWS), 1)
    rms = [np.exp(e / 2) for e in expected]
    joined = [np.concatenate(each) for each in (expected, seen, rms, lengths)]
    found = {
        "pearson of log mobility": pearson(*joined[:2]),
        "pearson of propensity": pearson(*joined[2:]),
        "each, log mobility": [pearson(e, m) for e, m in zip(expected, seen, strict=True)],
        "each, propensity": [pearson(e, u) for e, u in zip(rms, lengths, strict=True)],
        "of configuration means": pearson([e.mean() for e in expected], [m.mean() for m in seen]),
        "variance over replicas, drawn over simulated (particle, box)": np.mean(spread, 0).tolist(),
        "core-seconds": {"read": read, "fit of eight": fit, "draw": meter.lap() / DRAWS},
    }
    print(json.dumps(found, indent=1))
    (Path(__file__).parent / "results-3d.json").write_text(json.dumps(found, indent=1, default=float))


if __name__ == "__main__":
    main(sys.argv[1])
