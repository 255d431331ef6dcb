"""Curves of two sets of configurations for figures and CSV files, as tidy rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gensample.stats import weights
from gensample.stats.configuration_quantities import WHOLE, Side
from gensample.stats.configuration_tables import letters
from gensample.stats.ensemble import Floats
from gensample.stats.profiles import Profile

RESAMPLES = 200
"""Bootstrap resamples of a curve: enough for a band."""
MOST_BINS = 40
BEYOND = 3.0
"""A histogram ends this many interquartile ranges outside the quartiles; the rest is in no bin."""
DECADES = 10.0
"""Ratio of the quartiles of positive values from which the bins are logarithmic: energies of overlaps."""


class CurveRow(NamedTuple):
    """One point: ``lo`` and ``hi`` bound its 95 % interval, None where there is none."""

    temperature: float
    species: str
    source: str
    x: float
    value: float | None
    lo: float | None
    hi: float | None


Curves = dict[str, list[dict[str, Any]]]


def all_curves(
    simulated: Side, generated: Side, temperature: float, generator: np.random.Generator, bootstrap: int
) -> Curves:
    """Histograms, profiles, weights and propensities: rows as dicts, by name of the curve."""
    rows: dict[str, list[CurveRow]] = {}
    sides = {"simulated": simulated, "generated": generated}
    for name in ("energy", "inherent_energy"):
        rows[name] = _energy_rows(sides, name, temperature)
    for name in simulated.tables.profiles:
        rows[name] = [
            row
            for source, side in sides.items()
            for row in _profile_rows(
                side.tables.profiles[name], side.log_weights, temperature, source, generator,
                min(bootstrap, RESAMPLES),
            )
        ]  # fmt: skip
    rows["closest"] = _closest_rows(sides, temperature)
    rows["log_weights"], rows["weight_share"] = _weight_rows(generated, temperature)
    rows["propensity"] = _propensity_rows(sides, temperature)
    return {name: [row._asdict() for row in table] for name, table in rows.items() if table}


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


def _rows(
    temperature: float, species: str, source: str, points: Any, bounds: tuple[Any, Any] | None = None
) -> list[CurveRow]:
    x, value = points
    low, high = bounds if bounds is not None else (np.full(len(x), np.nan),) * 2
    return [
        CurveRow(temperature, species, source, float(x[k]), *(_known(v[k]) for v in (value, low, high)))
        for k in range(len(x))
    ]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _energy_rows(sides: dict[str, Side], name: str, temperature: float) -> list[CurveRow]:
    rows = []
    for source, side in sides.items():
        values = getattr(side, name)
        if values is None:
            return []
        rows += _rows(temperature, WHOLE, source, histogram(values))
        if side.log_weights is not None:
            points = histogram(values, weights.normalised(side.log_weights))
            rows += _rows(temperature, WHOLE, "reweighted", points)
    return rows


def _profile_rows(
    profile: Profile,
    log_w: Floats | None,
    temperature: float,
    source: str,
    generator: np.random.Generator,
    bootstrap: int,
) -> list[CurveRow]:
    count = len(profile.value)
    mean = profile.mean(np.full((1, count), 1 / count))[0]
    low, high = profile.interval(generator, bootstrap)
    rows = []
    for k, label in enumerate(profile.labels):
        rows += _rows(temperature, label, source, (profile.x, mean[k]), (low[k], high[k]))
    if log_w is not None:
        reweighted = profile.mean(weights.normalised(log_w)[None])[0]
        for k, label in enumerate(profile.labels):
            rows += _rows(temperature, label, "reweighted", (profile.x, reweighted[k]))
    return rows


def _closest_rows(sides: dict[str, Side], temperature: float) -> list[CurveRow]:
    """Cumulative distribution over configurations of the smallest distance over sigma_ab."""
    rows = []
    for source, side in sides.items():
        for k, label in enumerate(side.tables.pairs):
            values = np.sort(side.tables.closest[:, k])
            values = values[np.isfinite(values)]
            if len(values):
                at = np.unique(np.linspace(0, len(values) - 1, min(len(values), 200)).astype(int))
                share = (at + 1) / len(side.tables.closest)
                rows += _rows(temperature, label, source, (values[at], share))
    return rows


def _weight_rows(side: Side, temperature: float) -> tuple[list[CurveRow], list[CurveRow]]:
    """Histogram of the log weights about their median, and the share of the sum of the largest weights.

    The second has the fraction of configurations, largest weights first, as x.
    """
    if side.log_weights is None or not np.isfinite(side.log_weights).any():
        return [], []
    logs = side.log_weights
    about = logs - np.median(logs[np.isfinite(logs)])
    share = np.cumsum(np.sort(weights.normalised(logs))[::-1])
    at = np.unique(np.geomspace(1, len(share), 200).astype(int)) - 1
    points = ((at + 1) / len(share), share[at])
    return (
        _rows(temperature, WHOLE, "generated", histogram(about)),
        _rows(temperature, WHOLE, "generated", points),
    )


def _propensity_rows(sides: dict[str, Side], temperature: float) -> list[CurveRow]:
    """Histograms over particles, labelled by species and lag time."""
    if any(side.propensity is None for side in sides.values()):
        return []
    rows = []
    for source, side in sides.items():
        assert side.propensity is not None
        for k, time in enumerate(side.times):
            for a in range(int(side.species.max()) + 1):
                values = side.propensity[:, side.species == a, k].ravel()
                label = f"{letters(a)}, t = {time:g}"
                rows += _rows(temperature, label, source, histogram(values))
    return rows
