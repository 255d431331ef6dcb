"""How good are drawn mobility fields?

python experiments/017-mobility/run.py ka2d-long
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from judge import Law, field_scores, of_lengths

from gensample.data.dataset import open_dataset
from gensample.generators.base import starts
from gensample.generators.mobility_field import LEAST, fit_mobility_field
from gensample.physics.mobility import log_mobility
from gensample.seeding import numpy_generator

HERE = Path(__file__).parent
DRAWS = 64


def simulated(fields: np.ndarray, matrix: torch.Tensor) -> np.ndarray:
    """Log mobility (K, R, N) of fields (R, K, N, d)."""
    x = torch.from_numpy(fields).permute(2, 0, 1, 3)
    return log_mobility(x.flatten(1, 2), matrix, LEAST).reshape(x.shape[:3]).permute(2, 1, 0).numpy()


def main(name: str) -> None:
    torch.set_num_threads(1)
    data = open_dataset(name)
    train, val, store, species = data["train"], data["val"], data.store, data.species
    lengths = {
        s: [np.linalg.norm(store.displacements(r), axis=-1) for r in data[s].rows] for s in ("train", "val")
    }
    found = {}
    of = {"u": store.displacements} | (
        {"h": store.inherent_displacements} if store.has_inherent_displacements else {}
    )
    for quantity, fields in of.items():
        began = time.process_time()
        field = fit_mobility_field(starts(store, train.rows, train.inherent), fields)
        spent = time.process_time() - began
        known = {
            s: [field.read(x) for x in starts(store, v.rows, v.inherent)]
            for s, v in (("train", train), ("val", val))
        }
        truth = {s: [simulated(fields(k.row), k.matrix) for k in known[s]] for s in known}
        matrices = [k.matrix for k in known["val"]]
        for lag, t in enumerate(data.lag_time):
            law = Law([m[lag] for m in truth["train"]], [x[:, lag] for x in lengths["train"]], species)
            seen = [x[:, lag] for x in lengths["val"]]
            sources = {
                "simulated": [m[lag] for m in truth["val"]],
                "drawn": [field.draw(k, lag, range(DRAWS), 0) for k in known["val"]],
            }
            for source, m in sources.items():
                made = [law.lengths(x, numpy_generator(1, lag, i)) for i, x in enumerate(m)]
                row = of_lengths(made, seen, species)
                if source != "simulated":
                    row["fields"] = field_scores(sources["simulated"], m, matrices, species)
                found[f"{quantity} {t:g} {source}"] = row
                show(f"{quantity} t={t:g} {source}", row)
        found[f"{quantity} fit core-seconds"] = spent
    (HERE / f"results-{Path(name).stem}.json").write_text(json.dumps(found, indent=1, default=float))


def show(title: str, row: dict) -> None:
    pairs = " ".join(f"{k} {v[0]:.3g}/{v[1]:.3g}" for k, v in row.items() if isinstance(v, list))
    print(title, pairs, f"pearson {row['pearson']:.3f} skill share {row['skill share']:.3f}", flush=True)
    for k, v in row.get("fields", {}).items():
        print(
            f"     {k:9s} skill {v['skill']:.3f} of {v['best']:.3f} "
            f"variance {v['variance']:.2f} pearson {v['pearson']:.3f}"
        )


if __name__ == "__main__":
    main(sys.argv[1])
