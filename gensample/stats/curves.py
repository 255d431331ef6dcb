"""Curves for figures and CSV files, as tidy rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gensample.stats import intervals
from gensample.stats.ensemble import Floats
from gensample.stats.metrics import PAIRED, mean
from gensample.stats.summary import LOG_EDGES, VAN_HOVE_EDGES, Summary

PROPENSITY_BINS = 40
OVER_TIME = (
    "pearson",
    "pearson_pooled",
    "spearman",
    "mean_propensity",
    "msd",
    "alpha2",
    "predictability",
    "overlap",
    "chi4_iso",
    "chi4_between",
    "bond_breaking",
    "W1",
    "crps_skill",
    "energy_score_skill",
    "c2st",
)
OVER_DISTANCE = ("corr_longitudinal", "corr_transverse", "corr_mobility")
_REFERENCES = {
    "pearson": {"ceiling_exact": "pearson_ceiling_exact", "ceiling_sampler": "pearson_ceiling_sampler"},
    "W1": {"floor": "W1_floor"},
    "crps_skill": {"best": "crps_skill_best"},
    "energy_score_skill": {"best": "energy_score_skill_best"},
}


class CurveRow(NamedTuple):
    """One point: ``lo`` and ``hi`` bound its 95 % interval, None where there is none."""

    time: float
    species: str
    source: str
    x: float
    value: float | None
    lo: float | None
    hi: float | None


Rows = dict[str, list[CurveRow]]
Curves = dict[str, list[dict[str, Any]]]


def as_dicts(rows: Rows) -> Curves:
    """Rows as dicts, as CSV writers and table readers take them."""
    return {name: [row._asdict() for row in table] for name, table in rows.items()}


def centers(edges: Floats) -> Floats:
    """Middles of bins."""
    return (edges[1:] + edges[:-1]) / 2


def histogram_rows(sources: dict[str, Summary], weights: Floats | None, time: float, species: str) -> Rows:
    """Self van Hove function, P(log10 r) and propensity histogram of every source at one lag and species."""
    edges = propensity_edges(sources["simulated"]["mu"])
    grids = {"van_hove": VAN_HOVE_EDGES, "log_displacement": LOG_EDGES, "propensity": edges}
    curves: Rows = {name: [] for name in grids}
    for source, summary in sources.items():
        tables = summary | {"propensity": densities(summary["mu"], edges)}
        for name, grid in grids.items():
            rows = _bootstrapped(tables, name, weights, centers(grid))
            curves[name] += [CurveRow(time, species, source, *row) for row in rows]
    return curves


def propensity_edges(mu: Floats) -> Floats:
    """Bins from 0 to five standard deviations above the mean of the simulated propensities (C, N)."""
    return np.linspace(0.0, float(mu.mean() + 5 * mu.std()) + 1e-12, PROPENSITY_BINS + 1)


def densities(values: Floats, edges: Floats) -> Floats:
    """Probability densities of each row of values, (C, N) to (C, bins)."""
    return np.stack([np.histogram(v, bins=edges)[0] / (len(v) * np.diff(edges)) for v in values])


def _bootstrapped(tables: Summary, name: str, weights: Floats | None, x: Floats) -> Any:
    configurations = len(tables[name])
    value = mean(tables, name, np.full((1, configurations), 1 / configurations))[0]
    if weights is None:
        return [(float(p), float(v), None, None) for p, v in zip(x, value, strict=True)]
    error = intervals.standard_error(mean(tables, name, weights), configurations)
    low, high = intervals.student(value, error, configurations)
    low = np.maximum(low, 0.0)  # densities
    return [(float(p), float(v), float(a), float(b)) for p, v, a, b in zip(x, value, low, high, strict=True)]


def metric_rows(metrics: dict[str, Any]) -> Rows:
    """Curves against lag time (x is the time) and against distance, read off the finished metrics."""
    distance = metrics["meta"]["r"]
    over_time = {n: rows_of(metrics, n, n in PAIRED, None, _REFERENCES.get(n, {})) for n in OVER_TIME}
    return over_time | {name: rows_of(metrics, name, True, distance, {}) for name in OVER_DISTANCE}


def rows_of(
    metrics: Mapping[str, Any],
    name: str,
    paired: bool,
    points: Sequence[float] | None,
    references: Mapping[str, str],
) -> list[CurveRow]:
    """Rows of one metric: against lag time, or against ``points`` where its values are lists over them.

    ``paired``: it has two values, of simulation and of another source. ``references``: metrics that it is
    measured by, by the source that they are shown as.
    """
    rows = []
    for lag in metrics["lags"]:
        for species, blocks in lag["species"].items():
            for source, value, interval in _entries(blocks, name, paired, references):
                x = [lag["time"]] if points is None else points
                values, bounds = ([value], [interval]) if points is None else (value, interval)
                for at, v, b in zip(x, values, bounds or [None] * len(x), strict=True):
                    rows.append(CurveRow(lag["time"], species, source, at, v, *(b or (None, None))))
    return rows


def _entries(
    blocks: Mapping[str, Any], name: str, paired: bool, references: Mapping[str, str]
) -> list[tuple[str, Any, Any]]:
    """(source, value, interval) of one metric for every source, simulation and references included."""
    entries: list[tuple[str, Any, Any]] = []
    for source, metrics in blocks.items():
        if name not in metrics:
            continue
        value, interval = metrics[name]["value"], metrics[name]["interval"]
        if not paired:
            entries.append((source, value, interval))
            continue
        parts = interval or (None, None)
        if source == "generated":
            entries.append(("simulated", value[0], parts[0]))
        entries.append((source, value[1], parts[1]))
    for source, reference in references.items():
        found = blocks.get("generated", {}).get(reference)
        if found is not None:
            entries.append((source, found["value"], found["interval"]))
    return entries
