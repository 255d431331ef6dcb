"""Replicas together with a prediction: python experiments/020-posterior/run.py DATA.h5 [DATA.h5 ...]

mu_i = M + g(p_i) + e_i for the particles of a species in one configuration: M its mean over them, p_i what
the mobility field of the training split expects, e_i what that does not know. The mean m_i of n replicas is
mu_i and noise. g and the variances of e and of the noise, all as functions of p, are averages over quantiles
of p (empirical Bayes: Efron and Morris, J. Am. Stat. Assoc. 70, 311 (1975)), from these n replicas of all
configurations: nothing here has seen the rest of the replicas.
The posterior mean is M + g + w (m - M - g), w = var(e) / (var(e) + var(noise)).

Judged by the remaining replicas: Pearson with the exact propensity (that with their mean over its ceiling),
the number of replicas that would have it, and how often 95 % intervals hold the mean of the rest.
"""

import sys

import numpy as np

from gensample.data.store import Store
from gensample.generators.base import starts
from gensample.generators.mobility_field import fit_mobility_field
from gensample.stats.dynamics import ceiling_exact, magnitudes, pearson, split_variance

BINS, NORMAL = 20, 1.96


def expected_and_lengths(path):
    """Expected mobility (C, N, K), |u| (C, R, K, N) of the test split, species (N,), lag times."""
    with Store.open(path) as store:
        has_inherent = store.has_inherent_displacements
        fields = store.inherent_displacements if has_inherent else store.displacements
        train, test = (store.indices(split) for split in ("train", "test"))
        field = fit_mobility_field(starts(store, train, store.inherent[train]), lambda r: fields(int(r)))
        of = starts(store, test, store.inherent[test])
        expected = np.stack([np.exp(field.expected(field.read(start))) for start in of])
        lengths = np.stack([magnitudes(store.displacements(int(row))) for row in test])
        return expected, lengths, store.species, store.times


def averages(x, *values):
    """Means of x and of values in quantiles of x."""
    parts = np.array_split(np.argsort(x), BINS)
    return [np.array([each[part].mean() for part in parts]) for each in (x, *values)]


def posterior(lengths, expected):
    """Mean and variance (n,) for each configuration, from |u| (R, n) and the expectation (n,) of each."""
    replicas = len(lengths[0])
    mean = [each.mean(0) for each in lengths]
    away = [each - each.mean() for each in mean]
    x = [each - each.mean() for each in expected]
    own = [(each - each.mean(1, keepdims=True)).var(0, ddof=1) / replicas for each in lengths]
    # Of the mean over particles, which all share.
    shared = np.mean([each.mean(1).var(ddof=1) for each in lengths]) / replicas
    p, y, noise = map(np.concatenate, (x, away, own))
    grid, g = averages(p, y)
    _, error, noise = averages(p, (y - np.interp(p, grid, g)) ** 2, noise)
    found = []
    for c, each in enumerate(x):
        prior = np.interp(each, grid, g)
        prior = prior - prior.mean()
        e, n = np.interp(each, grid, np.maximum(error - noise, 0)), np.interp(each, grid, noise)
        weight = e / np.maximum(e + n, 1e-12)
        found.append((mean[c].mean() + prior + weight * (away[c] - prior), weight * n + shared))
    return found


def main():
    """Print a table."""
    print("| data | t | species | n | replicas | prediction | both | worth replicas | 95 % hold |")
    print("|---|---|---|---|---|---|---|---|---|")
    for path in sys.argv[1:]:
        expected, lengths, species, times = expected_and_lengths(path)
        for k, time in enumerate(times):
            for s in range(int(species.max()) + 1):
                m, p = lengths[:, :, k, species == s].astype(float), expected[:, species == s, k]
                split = [split_variance(each) for each in m]
                delta, nu = (float(np.mean([getattr(v, name) for v in split])) for name in ("delta", "noise"))
                for n in (2, 4, 8):
                    told(path, time, s, n, m, p, delta, nu)


def told(path, time, s, n, m, p, delta, nu):
    """A row."""
    rest = m[:, n:]
    both = posterior(list(m[:, :n]), list(p))
    best = float(ceiling_exact(delta, nu / rest.shape[1]))
    predictors = m[:, :n].mean(1), p, [mean for mean, _ in both]
    r = [
        np.mean([pearson(x, y.mean(0)) for x, y in zip(each, rest, strict=True)]) / best
        for each in predictors
    ]
    worth = nu / delta / (1 / r[2] ** 2 - 1)
    held = [
        np.abs(mean - y.mean(0)) < NORMAL * np.sqrt(variance + y.var(0, ddof=1) / len(y))
        for (mean, variance), y in zip(both, rest, strict=True)
    ]
    numbers = f"{r[0]:.3f} | {r[1]:.3f} | {r[2]:.3f} | {worth:.1f} | {100 * np.mean(held):.1f}"
    print(f"| {path.rpartition('/')[2]} | {time:g} | {'AB'[s]} | {n} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
