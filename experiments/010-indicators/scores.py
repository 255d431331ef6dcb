"""Correlations within configurations, and their bootstrap over configurations."""

import numpy as np
from scipy.stats import rankdata

from gensample.seeding import numpy_generator
from gensample.stats.intervals import percentile_interval, resample_weights

SAMPLES, SEED = 1000, 1


def pearson(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Along the last axis; 0 where one of them is constant."""
    x, y = x - x.mean(-1, keepdims=True), y - y.mean(-1, keepdims=True)
    scale = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    return (x * y).sum(-1) / np.where(scale > 0, scale, np.inf)


def spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Along the last axis."""
    return pearson(rankdata(x, axis=-1), rankdata(y, axis=-1))


def percentile_of(x: np.ndarray, chosen: np.ndarray, species: np.ndarray) -> np.ndarray:
    """Share of the other particles of its species below the chosen one (rows,) of each row of x (rows, N)."""
    found = []
    for row, i in zip(x, chosen, strict=True):
        alike = np.delete(row, i)[np.delete(species, i) == species[i]]
        found.append((alike < row[i]).mean() + 0.5 * (alike == row[i]).mean())
    return np.array(found)


def with_interval(values: np.ndarray, owner: np.ndarray) -> dict[str, float]:
    """Mean over rows; interval by bootstrap over the configurations that own them."""
    kept = np.unique(owner)
    means = np.array([values[owner == c].mean() for c in kept])
    low, high = percentile_interval(resample_weights(len(kept), SAMPLES, numpy_generator(SEED)) @ means)
    return {"value": float(means.mean()), "low": float(low), "high": float(high)}


def cell(found: dict[str, float]) -> str:
    """For a table."""
    return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
