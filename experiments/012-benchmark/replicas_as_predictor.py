"""What replicas of the simulation itself would say: |u| averaged over a few against that over the others.

    python experiments/012-benchmark/replicas_as_predictor.py runs/botan-t044.h5 [--replicas 1 2 4 8 16]

For the test configurations and the longest lag, species A: Pearson within configurations, mean over random
choices of the few, so that a row that reads molecular dynamics can be set beside what the same or more of it
gives at the temperature and lag of the label. The label is here of fewer replicas, corrected to all.
"""

import argparse

import numpy as np

from gensample.data.store import Store
from gensample.seeding import numpy_generator
from gensample.stats.dynamics import ceiling_exact, magnitudes, pearson, split_variance


def agreement(lengths: np.ndarray, few: int, choices: int, rng: np.random.Generator) -> float:
    """Pearson of the mean over ``few`` of the replicas (R, N) with the label, the mean over all R.

    Measured against the mean of the R - few others, times the ratio of the ceilings of R and of R - few.
    """
    replicas = len(lengths)
    found = []
    for _ in range(choices):
        order = rng.permutation(replicas)
        found.append(pearson(lengths[order[:few]].mean(0), lengths[order[few:]].mean(0)))
    split = split_variance(lengths)
    full, part = (ceiling_exact(split.delta, split.noise / n) for n in (replicas, replicas - few))
    return float(np.mean(found) * full / part)


def main() -> None:
    """Print one line for each number of replicas."""
    parser = argparse.ArgumentParser()
    parser.add_argument("dataset")
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--choices", type=int, default=50)
    parser.add_argument("--split", default="test")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = numpy_generator(options.seed)
    with Store.open(options.dataset) as store:
        rows = np.flatnonzero(store.split == options.split)
        of = store.species == 0
        lengths = [magnitudes(store.displacements(row)[:, -1, of]) for row in rows]
        lag = float(store.times[-1])
    for few in options.replicas:
        each = [agreement(length, few, options.choices, rng) for length in lengths]
        shown = ", ".join(f"{value:.3f}" for value in each)
        print(f"{few} replicas, {few * lag:g} tau: {np.mean(each):.3f} ({shown})")


if __name__ == "__main__":
    main()
