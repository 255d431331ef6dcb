"""How often the 95 % intervals of `gensample compare` hold the truth, beside percentile intervals.

    python benchmarks/coverage.py [--repetitions 1000] [--replicas 2 4 8 16 32] [--data ka2d-mini] [--w1 0]

Both parts of chi4: overlaps of twelve configurations, Gaussian about means that differ, with a variance that
differs too. With --data also its test split: R random replicas of every configuration, and the truth is chi4
within a configuration from all of them. --w1 repetitions of W1 (slow: a minute for a hundred of R = 32):
drawn lengths are 1 + shift times the simulated ones, every field and configuration has a scale of its own,
and the truth is the mean of W1 over the repetitions.
"""

import argparse
from collections.abc import Callable

import numpy as np

from gensample.data.catalog import dataset_file
from gensample.data.store import Store
from gensample.seeding import numpy_generator
from gensample.stats import intervals
from gensample.stats.dynamics import chi4_spread, overlap
from gensample.stats.intervals import percentile_interval, resample_weights
from gensample.stats.scores import half_cdfs, half_distance

COUNT, PARTICLES, SAMPLES = 12, 325, 500
WITHIN, BETWEEN = 4.4, 2.6
Rows = dict[str, tuple[float, float]]


def gaussian(replicas: int, generator: np.random.Generator) -> np.ndarray:
    """sqrt(N) Q (C, R)."""
    mean = np.sqrt(BETWEEN) * generator.normal(size=(COUNT, 1))
    width = np.sqrt(WITHIN) * np.exp(0.22 * generator.normal(size=(COUNT, 1)) - 0.22**2)
    return mean + width * generator.normal(size=(COUNT, replicas))


def chi4(q: np.ndarray, generator: np.random.Generator) -> Rows:
    """Old and new intervals of both parts from sqrt(N) Q (C, R)."""
    count, replicas = q.shape
    mean, within = q.mean(axis=1), q.var(axis=1, ddof=1)

    def parts(weights: np.ndarray) -> dict[str, np.ndarray]:
        spread = chi4_spread(weights @ mean, weights @ mean**2, count, 1)
        return {
            "chi4_iso": weights @ within,
            "chi4_spread": spread,
            "chi4_noise": weights @ within / replicas,
        }

    values = parts(np.full(count, 1 / count))
    resampled = parts(resample_weights(count, SAMPLES, generator))
    known = {name: (values[name], intervals.standard_error(resampled[name], count)) for name in values}
    new = intervals.chi4_bounds(*known.values(), np.full(count, replicas))
    old = (resampled["chi4_iso"], resampled["chi4_spread"] - resampled["chi4_noise"])
    names = ("within", "between")
    rows = {f"{n}, percentile": percentile_interval(x) for n, x in zip(names, old, strict=True)}
    return rows | dict(zip(names, new, strict=True))


def coverage(draw: Callable[[np.random.Generator], Rows], truth: dict[str, float], repetitions: int) -> str:
    """Share of repetitions whose interval holds the truth, for each name that begins with that of one."""
    hits: dict[str, list[bool]] = {}
    for seed in range(repetitions):
        for name, (low, high) in draw(numpy_generator(seed)).items():
            if name.split(",")[0] in truth:
                hits.setdefault(name, []).append(bool(low <= truth[name.split(",")[0]] <= high))
    return "; ".join(f"{name} {np.mean(found):.3f}" for name, found in sorted(hits.items()))


def stored_overlaps(name: str) -> np.ndarray:
    """sqrt(N) Q (C, R) of species A at the longest lag, test split."""
    with Store.open(dataset_file(name)) as store:
        fields = [store.displacements(int(c))[:, -1][:, store.species == 0] for c in store.indices("test")]
    return np.stack([np.sqrt(u.shape[1]) * overlap(u) for u in fields])


def some(q: np.ndarray, replicas: int, generator: np.random.Generator) -> np.ndarray:
    """R random replicas of every configuration."""
    order = np.argsort(generator.random(q.shape), axis=1)[:, :replicas]
    return np.take_along_axis(q, order, axis=1)


def distance(replicas: int, shift: float, seed: int) -> tuple[float, Rows]:
    """W1 of one repetition, and its old and new interval."""
    generator = numpy_generator(replicas, seed)
    scale = 0.12 * np.exp(0.12 * generator.normal(size=(COUNT, 1, 1)))

    def lengths(factor: float) -> np.ndarray:
        own = np.exp(0.12 * generator.normal(size=(COUNT, replicas, 1)))
        return factor * scale * own * generator.gamma(2.0, 0.5, size=(COUNT, replicas, PARTICLES))

    cdfs = [half_cdfs(a, b, generator) for a, b in zip(lengths(1.0), lengths(1 + shift), strict=True)]
    weights = resample_weights(COUNT, 200, generator)
    value = half_distance(np.stack(cdfs), np.full((1, COUNT), 1 / COUNT))[0]
    resampled = half_distance(np.stack(cdfs), weights)
    error = intervals.standard_error(resampled, COUNT)
    new = intervals.student(value, error, COUNT, positive=True)
    return float(value), {"W1": new, "W1, percentile": percentile_interval(resampled)}


def main() -> None:
    """Print a line for each number of replicas."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--replicas", type=int, nargs="+", default=[2, 4, 8, 16, 32])
    parser.add_argument("--data")
    parser.add_argument("--w1", type=int, default=0)
    args = parser.parse_args()
    stored = None if args.data is None else stored_overlaps(args.data)
    for r in args.replicas:
        truth = {"within": WITHIN, "between": BETWEEN}
        print(f"R = {r}:", coverage(lambda g, r=r: chi4(gaussian(r, g), g), truth, args.repetitions))
        if stored is not None and r < stored.shape[1]:
            truth = {"within": float(stored.var(axis=1, ddof=1).mean())}
            told = coverage(lambda g, r=r: chi4(some(stored, r, g), g), truth, args.repetitions)
            print(f"R = {r}, {args.data}:", told)
        for shift in (0.0, 0.03, 0.1) if args.w1 else ():
            found = [distance(r, shift, seed) for seed in range(args.w1)]
            mean = {"W1": float(np.mean([value for value, _ in found]))}
            rows = iter([row for _, row in found])
            print(f"R = {r}, shift {shift}:", coverage(lambda g, rows=rows: next(rows), mean, args.w1))


if __name__ == "__main__":
    main()
