"""Scores of a predictor on a split: Pearson per species and lag, intervals, ceilings, as JSON.

    python scripts/score_predictor.py MODEL --data ka2d-mini --split test --out metrics.json

The mean over configurations of the per-configuration Pearson, with a 95 % bootstrap interval over
configurations, beside the best that the exact propensity could reach with the labels' number of replicas.
MODEL is a dynamics predictor, or a displacement generator, whose conditioner is then scored alone.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gensample import zoo
from gensample.data.datamodule import KADataModule
from gensample.generators.displacement import DisplacementFlow
from gensample.seeding import numpy_generator
from gensample.stats.bootstrap import percentile_interval, resample_weights
from gensample.stats.propensity import ceiling_exact, pearson, split_variance


def score(model: torch.nn.Module, data: KADataModule, split: str) -> dict:
    """{"lags": [{"time": t, "species": {"A": {"pearson": ..., "pearson_ceiling_exact": ...}}}]}."""
    rows = data.rows(split)
    species = data.store.species
    values = np.zeros((len(rows), len(data.lag_times), data.num_species))
    ceilings = np.zeros_like(values)
    for c, row in enumerate(rows):
        with torch.no_grad():
            predicted = predict(model, data.batch([int(row)])).numpy()
        lengths = np.linalg.norm(data.store.displacements(int(row)), axis=-1)
        for k in range(len(data.lag_times)):
            for a in range(data.num_species):
                chosen = lengths[:, k, species == a]
                delta, iso = split_variance(chosen)[:2]
                values[c, k, a] = pearson(predicted[species == a, k], chosen.mean(0))
                ceilings[c, k, a] = ceiling_exact(delta, iso / len(chosen))
    weights = resample_weights(len(rows), 2000, numpy_generator(0))
    return {"lags": [lag(t, values[:, k], ceilings[:, k], weights) for k, t in enumerate(data.lag_times)]}


def predict(model: torch.nn.Module, batch: Any) -> torch.Tensor:
    """Propensity (n, K)."""
    return model.condition(batch).propensity if isinstance(model, DisplacementFlow) else model(batch)[0]


def lag(t: float, values: np.ndarray, ceilings: np.ndarray, weights: np.ndarray) -> dict:
    """Entries of one lag time; values and ceilings (C, S)."""
    low, high = percentile_interval(weights @ values)
    blocks = {
        "AB"[a]: {
            "pearson": {"value": values[:, a].mean(), "interval": [low[a], high[a]]},
            "pearson_ceiling_exact": {"value": ceilings[:, a].mean()},
        }
        for a in range(values.shape[1])
    }
    return {"time": t, "species": blocks}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("model", help="released model, folder or checkpoint")
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    loaded = zoo.load_model(options.model)
    lags = loaded.reads.lags
    module = loaded.open(options.data, options.split, target="propensity", lags=lags and list(lags))
    found = score(loaded, module, options.split)
    found["meta"] = {"data": options.data, "split": options.split, "input": module.settings.input}
    options.out.write_text(json.dumps(found, indent=1))
    for entry in found["lags"]:
        print(entry["time"], {s: round(b["pearson"]["value"], 4) for s, b in entry["species"].items()})
