"""Add to metrics.json of a released heated or guided model the number that the default tests recompute.

    python scripts/add_heated_check.py MODEL DATA

Mean |u| by species of a few fields of one test configuration, by torch, at the longest lag behind which there
are at most 10 tau of dynamics: rounding has not grown to anything by then, whatever the machine.
"""

import json
import sys

import numpy as np

from gensample import zoo
from gensample.checksums import write_sums
from gensample.data.store import Store
from gensample.generators.base import starts
from gensample.generators.heated import Heated
from gensample.simulate.programs import Torch

REPLICAS, SHORT = 4, 10.0


def lengths(model: str, data: str) -> dict[str, float]:
    """Mean |u| of species A and B."""
    whole = zoo.load_physics(model)
    assert isinstance(whole, Heated)
    lag = max(k for k in range(len(whole.lag_time)) if whole.cost(k) <= SHORT)
    one = whole.at(whole.lag_time[lag]).use(Torch("cpu"))
    with Store.open(data) as store:
        rows = store.indices("test")[:1]
        (start,) = starts(store, rows, None if store.inherent is None else store.inherent[rows])
        found = np.linalg.norm(one.draw(start, range(REPLICAS), 1), axis=-1)
        return {name: float(found[..., store.species == k].mean()) for k, name in enumerate("AB")}


if __name__ == "__main__":
    model, data = sys.argv[1:]
    path = zoo.resolve(model) / zoo.METRICS
    metrics = json.loads(path.read_text()) | {"check": {"data": data, "mean_length": lengths(model, data)}}
    path.write_text(json.dumps(metrics) + "\n")
    write_sums(path.parent, zoo.FILES)
