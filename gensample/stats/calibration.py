"""Calibration: does what was observed fall among the draws as another draw would?

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
from scipy.stats import rankdata

from gensample.stats.ensemble import Floats, as_array
from gensample.stats.propensity import require_replicas

LEVELS = (0.5, 0.8, 0.95)
"""Shares of the probability that the central intervals hold."""
BINS = 20
SPLITS = 999
"""Random splits of simulated and generated replicas to which the propensity is compared."""

POINTS: Floats = np.unique(
    np.round([*np.linspace(0, 1, BINS + 1), *((1 + s * p) / 2 for p in LEVELS for s in (-1, 1))], 6)
)
"""Where the distribution of the PIT is kept: the edges of the histogram and of all intervals."""


def pit_cdf(below: Any, at_most: Any, draws: int) -> Floats:
    """Mean distribution function of the PIT at POINTS, (P,).

    ``below`` and ``at_most``: how many of the ``draws`` are below, and not above, each observation.
    """
    width = draws + 1
    pairs = np.bincount((np.asarray(below) * width + np.asarray(at_most)).ravel().astype(np.int64))
    kinds = np.flatnonzero(pairs)
    low, high = (kinds // width) / width, (kinds % width + 1) / width
    share = np.clip((POINTS[:, None] - low) / (high - low), 0.0, 1.0)
    return share @ pairs[kinds] / pairs.sum()


def ensemble_pit(observed: Any, draws: Any) -> Floats:
    """Distribution function at POINTS of the PIT of observations (M, N) among draws (M', N), by columns."""
    seen, made = as_array(observed), as_array(draws)
    both = np.concatenate([seen, made])
    # Ranks among all, less ranks among the observations: draws below, and draws not above.
    below, at_most = (
        rankdata(both, method=m, axis=0)[: len(seen)] - rankdata(seen, method=m, axis=0)
        for m in ("min", "max")
    )
    return pit_cdf(below, at_most, len(made))


def mean_pit(observed: Any, draws: Any, generator: np.random.Generator, splits: int = SPLITS) -> Floats:
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
    """Share of the observations in the central intervals of LEVELS, (..., P) to (..., 3)."""
    values = as_array(cdf)

    def at(p: float) -> Floats:
        return values[..., np.abs(POINTS - p).argmin()]

    return np.stack([at((1 + level) / 2) - at((1 - level) / 2) for level in LEVELS], axis=-1)


def rank_histogram(cdf: Any) -> Floats:
    """Density of the PIT in BINS equal bins, 1 for a calibrated sampler: (..., P) to (..., BINS)."""
    edges = [int(np.abs(POINTS - p).argmin()) for p in np.linspace(0, 1, BINS + 1)]
    return np.diff(as_array(cdf)[..., edges], axis=-1) * BINS
