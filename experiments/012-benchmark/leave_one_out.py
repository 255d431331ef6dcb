"""Ridge regression on sets of descriptors, each training configuration predicted by the others.

    python experiments/012-benchmark/leave_one_out.py runs/botan-t044.h5 mechanics mechanics,cage,probe

For each choice of sets, species A and the longest lag: Pearson within configurations and its range; pooled
with configuration means predicted by the weights themselves, and with means that are a line in the energy.
The penalties are chosen on the same configurations left out. Test configurations are not read.
"""

import argparse

import numpy as np
import torch

from gensample.data.datamodule import KADataModule
from gensample.stats.dynamics import pearson
from gensample.stats.regression import block_ridge, line


def left_out(data: KADataModule) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of species A, (C, n): labels, predictions with the weights' own means, and with means by energy."""
    rows, of = data.rows("train"), data.store.species == 0
    x = data.per_particle("descriptors", rows)[:, of].double()
    y = data.per_particle("propensity", rows)[:, of, -1:].double()
    mean, scale = x.mean((0, 1)), x.std((0, 1))
    x = (x - mean) / torch.where(scale > 1e-6 * (1 + mean.abs()), scale, 1.0)
    energy = data.per_particle("energy", rows).flatten()
    count, widths = len(rows), data.described.widths
    inside = [(v - v.mean(1, keepdim=True)).unbind() for v in (x, y)]
    _, without, penalties = block_ridge(zip(*inside, strict=True), list(range(count)), widths)
    print(f"  penalties {penalties}")
    whole, levels = [], []
    for c in range(count):
        others = torch.arange(count) != c
        predicted = x[c] @ without[c]
        whole.append(predicted + y[others].mean())
        level = line(energy[others], y[others].mean(1))
        levels.append(predicted - predicted.mean() + level[0] + level[1] * energy[c])
    return tuple(torch.stack(list(v))[..., 0].numpy() for v in (y, whole, levels))


def main() -> None:
    """Print one line for each choice of sets."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset")
    parser.add_argument("sets", nargs="+", help="names of descriptor sets, joined by commas")
    parser.add_argument("--input", default="inherent")
    options = parser.parse_args()
    for sets in options.sets:
        module = KADataModule(options.dataset, input=options.input, cutoff=1.6, descriptors=sets.split(","))
        module.setup()
        y, whole, levels = left_out(module)
        each = [pearson(a, b) for a, b in zip(whole, y, strict=True)]
        pooled = [pearson(v.ravel(), y.ravel()) for v in (whole, levels)]
        error = np.sqrt(np.square(levels.mean(1) - y.mean(1)).mean())
        found = f"within {np.mean(each):.3f} ({min(each):.2f} to {max(each):.2f}), pooled {pooled[0]:.3f}"
        means = f"error of means by energy {error:.3f} of {y.mean(1).std():.3f}"
        print(f"{sets}: {found}, by energy {pooled[1]:.3f}; {means}", flush=True)


if __name__ == "__main__":
    main()
