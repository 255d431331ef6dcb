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

from gensample.benchmark.judge import truth_of
from gensample.data.datamodule import KADataModule
from gensample.predictors import of_model
from gensample.stats.dynamics import ceiling_exact
from gensample.stats.predictions import judge
from gensample.zoo import load_model


def score(model: Any, data: KADataModule, split: str) -> dict:
    """{"lags": [{"time": t, "species": {"A": {"pearson": ..., "pearson_ceiling_exact": ...}}}]}."""
    rows = data.rows(split)
    predicted, truth = of_model(model).predict(data, rows).numpy(), truth_of(data, rows)
    lags = []
    for k, time in enumerate(data.lag_times):
        found = {}
        for a in range(data.num_species):
            value, *interval = judge(predicted, truth, k, a, samples=2000)["pearson"]
            delta, noise = truth.variances(truth.species == a, k)
            found["ABC"[a]] = {
                "pearson": {"value": value, "interval": interval},
                "pearson_ceiling_exact": {"value": float(ceiling_exact(delta, noise).mean())},
            }
        lags.append({"time": time, "species": found})
    return {"lags": lags}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("model", help="released model, folder or checkpoint")
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    predictor = of_model(load_model(options.model), options.model)
    module = predictor.open(options.data, options.split, target="propensity", lags=predictor.times)
    found = score(predictor.model, module, options.split)
    found["meta"] = {"data": options.data, "split": options.split, "input": module.settings.input}
    options.out.write_text(json.dumps(found, indent=1))
    for entry in found["lags"]:
        print(entry["time"], {s: round(b["pearson"]["value"], 4) for s, b in entry["species"].items()})
