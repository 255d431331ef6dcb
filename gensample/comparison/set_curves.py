"""Curves of two sets of configurations for figures and CSV files, as rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from gensample.comparison.sets import Sets, group_letters
from gensample.comparison.sources import EVERYONE
from gensample.stats import weights
from gensample.stats.ensemble import Floats

RESAMPLES = 200
"""Bootstrap resamples of a curve: enough for a band."""
MOST_BINS = 40
BEYOND = 3.0
"""A histogram ends this many interquartile ranges outside the quartiles; the rest is in no bin."""
DECADES = 10.0
"""Ratio of the quartiles of positive values from which the bins are logarithmic: energies of overlaps."""
POINTS = 200

Curve = tuple[str, str, str, Any]
"""Name of the curve, what it is of, source, and x, value and, where known, the bounds of value."""


def all_curves(sets: Sets, generator: np.random.Generator) -> dict[str, list[dict[str, Any]]]:
    """Histograms, profiles, weights and propensities: rows as dicts, by name of the curve."""
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for part in (
        _energies(sets),
        _profiles(sets, generator),
        _closest(sets),
        _weights(sets),
        _propensities(sets),
    ):
        for name, of, source, columns in part:
            for numbers in zip(*columns, strict=True):
                x, *known = map(float, numbers)
                value, lo, hi = ((v if np.isfinite(v) else None) for v in (*known, np.nan, np.nan)[:3])
                row = {"temperature": sets.temperature, "species": of, "source": source}
                rows[name].append({**row, "x": x, "value": value, "lo": lo, "hi": hi})
    return dict(rows)


def histogram(values: Floats, shares: Floats | None = None) -> tuple[Floats, Floats]:
    """Centres of bins and probability density of finite values; the tails are cut, see BEYOND.

    The density is that of all values: what is cut off, or not finite, is missing from its integral.
    """
    w = np.full(len(values), 1 / max(len(values), 1)) if shares is None else shares
    finite = np.isfinite(values)
    known = values[finite]
    if not len(known):
        return np.empty(0), np.empty(0)
    edges = _edges(known)
    counts, _ = np.histogram(known, bins=edges, weights=w[finite])
    return (edges[1:] + edges[:-1]) / 2, counts / np.diff(edges)


def _edges(values: Floats) -> Floats:
    low, high = np.quantile(values, [0.25, 0.75])
    bins = int(np.clip(2 * len(values) ** (1 / 3), 6, MOST_BINS))
    if values.min() > 0 and high > DECADES * low:
        return np.geomspace(values.min() * (1 - 1e-9), values.max() * (1 + 1e-9), bins + 1)
    # Something to divide by where all values agree.
    width = max(high - low, 1e-6 * (1 + abs(low)))
    first, last = max(values.min(), low - BEYOND * width), min(values.max(), high + BEYOND * width)
    return np.linspace(first - 1e-6 * width, last + 1e-6 * width, bins + 1)


def _energies(sets: Sets) -> Iterator[Curve]:
    for name in ("energy", "inherent_energy"):
        sim, gen = (getattr(side, name) for side in (sets.simulated, sets.generated))
        if sim is not None and gen is not None:
            yield name, EVERYONE, "simulated", histogram(sim)
            yield name, EVERYONE, "generated", histogram(gen)
            if sets.log_weights is not None:
                yield name, EVERYONE, "reweighted", histogram(gen, weights.normalised(sets.log_weights))


def _profiles(sets: Sets, generator: np.random.Generator) -> Iterator[Curve]:
    samples = min(sets.bootstrap, RESAMPLES)
    for name in sets.simulated.tables.profiles:
        for source, side in (("simulated", sets.simulated), ("generated", sets.generated)):
            profile, count = side.tables.profiles[name], len(side.energy)
            mean = profile.mean(np.full((1, count), 1 / count))[0]
            low, high = profile.interval(generator, samples)
            for k, label in enumerate(profile.labels):
                yield name, label, source, (profile.x, mean[k], low[k], high[k])
        if sets.log_weights is not None:
            reweighted = profile.mean(weights.normalised(sets.log_weights)[None])[0]
            for k, label in enumerate(profile.labels):
                yield name, label, "reweighted", (profile.x, reweighted[k])


def _closest(sets: Sets) -> Iterator[Curve]:
    """Cumulative distribution over configurations of the smallest distance over sigma_ab."""
    for source, side in (("simulated", sets.simulated), ("generated", sets.generated)):
        for k, label in enumerate(side.tables.pairs):
            values = np.sort(side.tables.closest[:, k])
            values = values[np.isfinite(values)]
            if len(values):
                at = np.unique(np.linspace(0, len(values) - 1, min(len(values), POINTS)).astype(int))
                yield "closest", label, source, (values[at], (at + 1) / len(side.tables.closest))


def _weights(sets: Sets) -> Iterator[Curve]:
    """Histogram of the log weights about their median, and the share of the sum of the largest weights.

    The second has the fraction of configurations, largest weights first, as x.
    """
    logs = sets.log_weights
    if logs is None or not np.isfinite(logs).any():
        return
    yield "log_weights", EVERYONE, "generated", histogram(logs - np.median(logs[np.isfinite(logs)]))
    share = np.cumsum(np.sort(weights.normalised(logs))[::-1])
    at = np.unique(np.geomspace(1, len(share), POINTS).astype(int)) - 1
    yield "weight_share", EVERYONE, "generated", ((at + 1) / len(share), share[at])


def _propensities(sets: Sets) -> Iterator[Curve]:
    """Histograms over particles, labelled by species and lag time."""
    sides = {"simulated": sets.simulated, "generated": sets.generated}
    if any(side.propensity is None for side in sides.values()):
        return
    for source, side in sides.items():
        for label, values in zip(group_letters(side), side.by_group(), strict=True):
            yield "propensity", label, source, histogram(values.ravel())
