"""Proper scores, distances of distributions and calibration, with the value a perfect sampler would reach.

Ensembles have the replica axis first: ``observed`` (M, N) or (M, N, d), ``draws`` (M', N) or (M', N, d).

The probability integral transform (PIT) of an observation is its place among the draws, between 0 and 1.
If observation and draws are exchangeable, as for a perfect sampler, it is uniform, whatever the number of
draws. An observation that has k of M' draws below it may lie anywhere between k/(M'+1) and (k+1)/(M'+1): its
mass is spread evenly over that, and wider where draws are equal to it, so that no random number is needed.
Gneiting, Balabdaoui, Raftery, J. R. Stat. Soc. B 69, 243 (2007); ranks of ensembles: Hamill, Mon. Weather
Rev. 129, 550 (2001).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from gensample.errors import DataError
from gensample.stats.dynamics import Floats, as_array, require_replicas

CHUNK = 512
"""Particles handled at once: 512 x 32 x 32 distances stay in the cache and far below memory limits."""


def _vectors(values: Any) -> torch.Tensor:
    """(R, N) or (R, N, d) to (N, R, d) in float64."""
    v = as_array(values)
    return torch.from_numpy(np.ascontiguousarray((v[..., None] if v.ndim == 2 else v).swapaxes(0, 1)))


def _distances(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean distance between all members of two ensembles (n, M, d) and (n, M', d), shape (n,).

    cdist's default expands the square, which loses the digits of short displacements; hence the mode.
    """
    if x.shape[-1] == 1:
        return (x - y.transpose(1, 2)).abs().mean(dim=(1, 2))
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").mean(dim=(1, 2))


def mean_distance(observed: Any, draws: Any) -> Floats:
    """E |X - Y| for each particle over all M x M' pairs, shape (N,)."""
    x, y = _vectors(draws), _vectors(observed)
    if x.shape[0] != y.shape[0] or x.shape[2] != y.shape[2]:
        raise DataError(
            f"observed and drawn ensembles must agree in particles and dimension, got {tuple(y.shape[::2])} "
            f"and {tuple(x.shape[::2])}"
        )
    parts = [_distances(x[k : k + CHUNK], y[k : k + CHUNK]) for k in range(0, x.shape[0], CHUNK)]
    return torch.cat(parts).numpy()


def self_distance(draws: Any) -> Floats:
    """Unbiased E |X - X'| for each particle: mean over the M'(M'-1) pairs of different draws, shape (N,)."""
    replicas = as_array(draws).shape[0]
    require_replicas(replicas, 2, "a fair score")
    return mean_distance(draws, draws) * (replicas / (replicas - 1))


def energy_score(observed: Any, draws: Any, *, shared: bool = False) -> Floats:
    """Fair energy score of draws (M', N, d) for observations (M, N, d), averaged over the latter, shape (N,).

    E|X - y| - E|X - X'| / 2. Gneiting and Raftery, J. Am. Stat. Assoc. 102, 359 (2007), eq. 22; without the
    diagonal in the second mean the expectation does not depend on M': Ferro, Q. J. R. Meteorol. Soc. 140,
    1917 (2014).
    ``shared`` says that draws and observations are the same numbers in another order, and leaves each
    observation out of its own forecast; draws and observations must then have one shape.
    """
    within = self_distance(draws)
    if not shared:
        return mean_distance(observed, draws) - within / 2
    return within / 2


def crps(observed: Any, draws: Any, *, shared: bool = False) -> Floats:
    """Fair continuous ranked probability score of scalars (M', N) for observations (M, N), shape (N,).

    The energy score in one dimension: Gneiting and Raftery (2007), eq. 21.
    """
    if as_array(observed).ndim != 2:
        raise DataError(
            f"crps takes (replicas, particles), got shape {as_array(observed).shape}; use energy_score"
        )
    return energy_score(observed, draws, shared=shared)


def best_score(observed: Any) -> Floats:
    """Expected fair score of a perfect sampler, E|Y - Y'| / 2 from the observed replicas alone, shape (N,).

    It equals, in expectation, the score of one half of the replicas against the other half.
    """
    return self_distance(observed) / 2


def climatology_score(observed: Any, generator: np.random.Generator, pairings: int = 16) -> float:
    """Expected score of the forecast that draws any displacement of the species in this configuration.

    E|Y - Y'| / 2 over the pooled (replica, particle) values. Exact for scalars (M, N), by sorting (Gini's
    mean difference); for vectors (M, N, d) a mean over ``pairings`` random pairings of the pool with itself.
    """
    pool = as_array(observed)
    if pool.ndim == 2:
        return _gini(pool.ravel()) / 2
    pool = pool.reshape(-1, pool.shape[-1])
    total = 0.0
    for _ in range(pairings):
        # A pair of neighbours in a random cyclic order never joins a value with itself.
        order = generator.permutation(len(pool))
        step = pool[order] - pool[np.roll(order, 1)]
        total += float(np.sqrt((step**2).sum(axis=-1)).mean())
    return total / pairings / 2


def _gini(values: Floats) -> float:
    """Mean absolute difference of all pairs of different values."""
    n = values.size
    if n < 2:
        return float("nan")
    weight = 2.0 * np.arange(1, n + 1) - n - 1
    return float(2.0 * (weight @ np.sort(values)) / (n * (n - 1.0)))


def skill(score: Any, reference: Any) -> Floats:
    """1 - score / reference: 0 for the reference forecast; the best possible value is below 1."""
    ref = as_array(reference)
    return 1 - as_array(score) / np.where(ref > 0, ref, np.nan)


def cdf_on(lengths: Any, edges: Any) -> Floats:
    """Fraction of values at or below each edge, (..., n) to (..., len(edges)); for `wasserstein_from_gap`."""
    m = as_array(lengths)
    flat = np.sort(m.reshape(-1, m.shape[-1]), axis=-1)
    grid = as_array(edges)
    counts = np.stack([np.searchsorted(row, grid, side="right") for row in flat])
    return counts.reshape(*m.shape[:-1], grid.size) / m.shape[-1]


def wasserstein_from_gap(gap: Any, edges: Any) -> Floats:
    """W1 distance of two distributions from the difference F - G at ``edges``: (..., E) to (...).

    The integral of |F - G|, F and G the cumulative functions, here by the trapezoid rule: Vallender, Theory
    Probab. Appl. 18, 784 (1974).
    """
    steps = np.diff(as_array(edges))
    trapezoid = (np.append(steps, 0.0) + np.insert(steps, 0, 0.0)) / 2
    difference = np.asarray(gap)
    return np.abs(difference) @ trapezoid.astype(difference.dtype)


LENGTH_GRID: Floats = np.concatenate([[0.0], np.geomspace(1e-3, 1e2, 1001)])
"""Radii for cumulative functions of |u|: 200 a decade, so that W1 needs no knowledge of the largest value."""

SPLITS = 16
"""Random ways to halve the replicas over which W1 and its floor are averaged."""


def half_cdfs(observed: Floats, drawn: Floats, generator: np.random.Generator) -> NDArray[np.float32]:
    """Cumulative functions of lengths (M, N) and (M', N) for random halves of both sources, (4, splits, E).

    Order: two halves of the observed replicas, two of the drawn ones, m = min(M, M') // 2 replicas in each;
    on LENGTH_GRID. In single precision, good to 1e-7 of a probability: those of all configurations are kept,
    and in double the products below would be most of the time of a comparison.
    """
    size = min(len(observed), len(drawn)) // 2
    parts = [cdf_on(source, LENGTH_GRID) for source in (observed, drawn)]
    halves: list[list[Floats]] = [[], [], [], []]
    for _ in range(SPLITS):
        for k, part in enumerate(parts):
            order = generator.permutation(len(part))
            halves[2 * k].append(part[order[:size]].mean(axis=0))
            halves[2 * k + 1].append(part[order[size : 2 * size]].mean(axis=0))
    return np.asarray(halves, dtype=np.float32)


def half_distance(cdfs: Any, weights: Floats) -> Floats:
    """W1 of |u| between a half of the observed and a half of the drawn replicas, (B,).

    From `half_cdfs` (C, 4, splits, E) under weights (B, C); pools the configurations and averages over
    splits. Equal numbers of replicas, so a perfect sampler has `half_distance_floor` in expectation.
    """
    a, b, g, h = np.moveaxis(cdfs, 1, 0)
    return (_pooled(a - g, weights) + _pooled(b - h, weights)) / 2


def half_distance_floor(cdfs: Any, weights: Floats) -> Floats:
    """The same between the two halves of the observed replicas."""
    a, b, _, _ = np.moveaxis(cdfs, 1, 0)
    return _pooled(a - b, weights)


def _pooled(gaps: NDArray[np.float32], weights: Floats) -> Floats:
    single = weights.astype(np.float32)
    splits = range(gaps.shape[1])
    return np.mean([wasserstein_from_gap(single @ gaps[:, k], LENGTH_GRID) for k in splits], axis=0)


PIT_LEVELS = (0.5, 0.8, 0.95)
"""Shares of the probability that the central intervals hold."""
PIT_BINS = 20
PIT_SPLITS = 999
"""Random splits of simulated and generated replicas to which the propensity is compared."""

PIT_POINTS: Floats = np.unique(
    np.round([*np.linspace(0, 1, PIT_BINS + 1), *((1 + s * p) / 2 for p in PIT_LEVELS for s in (-1, 1))], 6)
)
"""Where the distribution of the PIT is kept: the edges of the histogram and of all intervals."""


def pit_cdf(below: Any, at_most: Any, draws: int) -> Floats:
    """Mean distribution function of the PIT at PIT_POINTS, (P,).

    ``below`` and ``at_most``: how many of the ``draws`` are below, and not above, each observation.
    """
    width = draws + 1
    pairs = np.bincount((np.asarray(below) * width + np.asarray(at_most)).ravel().astype(np.int64))
    kinds = np.flatnonzero(pairs)
    low, high = (kinds // width) / width, (kinds % width + 1) / width
    share = np.clip((PIT_POINTS[:, None] - low) / (high - low), 0.0, 1.0)
    return share @ pairs[kinds] / pairs.sum()


def ensemble_pit(observed: Any, draws: Any) -> Floats:
    """Distribution function at PIT_POINTS of the PIT of observations (M, N) in draws (M', N), by columns."""
    seen, made = as_array(observed), as_array(draws)
    both = np.concatenate([seen, made])
    # Ranks among all, less ranks among the observations: draws below, and draws not above.
    below, at_most = (
        rankdata(both, method=m, axis=0)[: len(seen)] - rankdata(seen, method=m, axis=0)
        for m in ("min", "max")
    )
    return pit_cdf(below, at_most, len(made))


def mean_pit(observed: Any, draws: Any, generator: np.random.Generator, splits: int = PIT_SPLITS) -> Floats:
    """The same for means over replicas of observed (M, N) and drawn (M', N) values, such as the propensity.

    Both means are known with a finite number of replicas only. So the place of the observed mean is taken
    among those that M of all M + M' replicas give when they are dealt anew, ``splits`` times and alike for
    all columns: exactly uniform for a perfect sampler. Permutation test: Fisher, The Design of Experiments
    (1935); Phipson, Smyth, Stat. Appl. Genet. Mol. Biol. 9, 39 (2010) for the + 1.
    """
    seen, made = as_array(observed), as_array(draws)
    require_replicas(min(len(seen), len(made)), 2, "the calibration of a mean over replicas")
    both = np.concatenate([seen, made])
    dealt = np.zeros((splits, len(both)))
    for row in dealt:
        row[generator.permutation(len(both))[: len(seen)]] = 1.0
    total, others = seen.sum(axis=0), dealt @ both
    rounding = 1e-12 * np.abs(both).sum(axis=0)
    return pit_cdf((others < total - rounding).sum(axis=0), (others <= total + rounding).sum(axis=0), splits)


def coverage(cdf: Any) -> Floats:
    """Share of the observations in the central intervals of PIT_LEVELS, (..., P) to (..., 3)."""
    values = as_array(cdf)

    def at(p: float) -> Floats:
        return values[..., np.abs(PIT_POINTS - p).argmin()]

    return np.stack([at((1 + level) / 2) - at((1 - level) / 2) for level in PIT_LEVELS], axis=-1)


def rank_histogram(cdf: Any) -> Floats:
    """Density of the PIT in PIT_BINS equal bins, 1 for a calibrated sampler: (..., P) to (..., PIT_BINS)."""
    edges = [int(np.abs(PIT_POINTS - p).argmin()) for p in np.linspace(0, 1, PIT_BINS + 1)]
    return np.diff(as_array(cdf)[..., edges], axis=-1) * PIT_BINS
