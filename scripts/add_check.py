"""Add to metrics.json the numbers that the default tests recompute: first replicas of one configuration.

    python scripts/add_check.py GEN.h5 METRICS.json

A field is keyed by (seed, configuration, replica): the first 8 replicas of a large ensemble are a small one.
"""

import json
import sys
from pathlib import Path

import numpy as np

from gensample.data.store import Store

REPLICAS = 8

if __name__ == "__main__":
    generated, path = sys.argv[1], Path(sys.argv[2])
    metrics = json.loads(path.read_text())
    with Store.open(generated) as store:
        request = json.loads(store.attrs["request"])
        lengths = np.linalg.norm(store.displacements(0)[:REPLICAS], axis=-1)[:, :, store.species == 0]
        metrics["check"] = {
            "configuration": int(store.source_configuration[0]),
            "replicas": REPLICAS,
            "seed": request["seed"],
            "method": request["method"],
            "steps": request["steps"],
            "mean_length_A": [float(value) for value in lengths.mean((0, 2))],
        }
    path.write_text(json.dumps(metrics))
