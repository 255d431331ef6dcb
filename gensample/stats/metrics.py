"""From summaries of configurations to metrics with intervals: weighted means first, formulas second.

Everything here acts on weights (B, C), one row for the estimate itself and one for each bootstrap resample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gensample.stats import bootstrap, correlations, dynamics, propensity, scores
from gensample.stats.ensemble import Floats
from gensample.stats.summary import Summary

PAIRED = (
    "mean_propensity",
    "msd",
    "alpha2",
    "predictability",
    "overlap",
    "chi4_iso",
    "chi4_between",
    "bond_breaking",
    "corr_longitudinal",
    "corr_transverse",
    "corr_mobility",
)
"""Metrics with two values: [simulated, generated]."""


def stack(summaries: list[Summary]) -> Summary:
    """Summaries of C configurations as one, with a leading axis C."""
    return {name: np.stack([s[name] for s in summaries]) for name in summaries[0]}


def mean(stacked: Summary, name: str, weights: Floats) -> Floats:
    """Weighted means over configurations: (C, ...) and (B, C) to (B, ...)."""
    return np.tensordot(weights, stacked[name], axes=1)


@dataclass(frozen=True)
class Comparison:
    """Stacked summaries of an observed and a drawn source, and of the two together."""

    observed: Summary
    drawn: Summary
    paired: Summary
    particles: int
    dimension: int


def source_metrics(source: Summary, weights: Floats, particles: int, dimension: int) -> dict[str, Floats]:
    """The metrics of PAIRED for one source, each (B,) or (B, bins)."""

    def average(name: str) -> Floats:
        return mean(source, name, weights)

    sums = correlations.CorrelationSums(*np.moveaxis(average("correlations"), 1, 0))
    second, iso = average("second"), average("iso")
    curve = correlations.normalise(sums, second, iso, dimension)
    return {
        "mean_propensity": average("mean"),
        "msd": second,
        "alpha2": dynamics.alpha2_from_moments(second, average("fourth"), dimension),
        "predictability": propensity.predictability(average("delta"), iso),
        "overlap": average("overlap"),
        "chi4_iso": average("chi4_iso"),
        "chi4_between": dynamics.chi4_between_from_means(
            average("overlap"),
            average("overlap_square"),
            average("overlap_noise"),
            weights.shape[1],
            particles,
        ),
        "bond_breaking": average("bond_breaking"),
        "corr_longitudinal": curve.longitudinal,
        "corr_transverse": curve.transverse,
        "corr_mobility": curve.mobility,
    }


def agreement_metrics(comparison: Comparison, weights: Floats) -> dict[str, Floats]:
    """Metrics with one value each (B,): how well the drawn source agrees with the observed one."""
    observed, drawn, paired = comparison.observed, comparison.drawn, comparison.paired
    delta, noise = mean(observed, "delta", weights), mean(observed, "noise", weights)
    # What M' perfect draws would add as noise: the observed iso over the number of draws.
    draws_noise = weights @ (observed["iso"] / drawn["replicas"])

    def skill(kind: str, score: str) -> Floats:
        return scores.skill(mean(paired, score, weights), mean(paired, f"{kind}_climatology", weights))

    distance, floor = wasserstein_and_floor(paired["cdf"], weights)
    return {
        "pearson": mean(paired, "pearson", weights),
        "pearson_pooled": propensity.pearson_from_sums(mean(paired, "moments", weights)),
        "spearman": mean(paired, "spearman", weights),
        "pearson_ceiling_exact": propensity.ceiling_exact(delta, noise),
        "pearson_ceiling_sampler": propensity.ceiling_sampler(delta, noise, draws_noise),
        "W1": distance,
        "W1_floor": floor,
        "crps_skill": skill("crps", "crps"),
        "crps_skill_best": skill("crps", "crps_best"),
        "energy_score_skill": skill("energy", "energy"),
        "energy_score_skill_best": skill("energy", "energy_best"),
        "c2st": mean(paired, "c2st", weights),
    }


def wasserstein_and_floor(cdfs: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """W1 of |u| and its floor, (B,) each, from half-sample cumulative functions (C, 4, splits, E).

    W1 is between a half of the observed and a half of the drawn replicas, the floor between the two halves of
    the observed ones: equal numbers of replicas, so a perfect sampler has W1 = floor in expectation. Both
    pool the configurations and average over splits.
    """
    a, b, g, h = np.moveaxis(cdfs, 1, 0)
    # The tables are in single precision, good to 1e-7 of a probability; in double these products would be
    # most of the time of a comparison.
    single = weights.astype(np.float32)

    def pooled(gaps: Any) -> Floats:
        splits = range(gaps.shape[1])
        each = [scores.wasserstein_from_gap(single @ gaps[:, k], scores.LENGTH_GRID) for k in splits]
        return np.mean(each, axis=0)

    return (pooled(a - g) + pooled(b - h)) / 2, pooled(a - b)


def all_metrics(comparison: Comparison, weights: Floats) -> dict[str, Floats]:
    """Every metric: single ones (B,), paired ones (B, 2) or (B, 2, bins)."""
    size = (comparison.particles, comparison.dimension)
    seen = source_metrics(comparison.observed, weights, *size)
    made = source_metrics(comparison.drawn, weights, *size)
    both = {name: np.stack([seen[name], made[name]], axis=1) for name in PAIRED}
    return agreement_metrics(comparison, weights) | both


def block(comparison: Comparison, weights: Floats | None) -> dict[str, Any]:
    """The metrics, JSON-ready {name: {"value", "interval"}}; ``weights`` (B, C) of the resamples or None."""
    configurations = len(comparison.observed["mean"])
    uniform = np.full((1, configurations), 1 / configurations)
    values = all_metrics(comparison, uniform)
    resampled = all_metrics(comparison, weights) if weights is not None else None
    result = {}
    for name, value in values.items():
        interval = None
        if resampled is not None:
            bounds = np.stack(bootstrap.percentile_interval(resampled[name]), axis=-1)
            interval = [_interval(b) for b in bounds] if name in PAIRED else _interval(bounds)
        result[name] = {"value": plain(value[0]), "interval": interval}
    return result


def _interval(bounds: Floats) -> Any:
    """[low, high], a list of them for bins (bins, 2), and None for each that is undefined."""
    if bounds.ndim == 2:
        return [_interval(b) for b in bounds]
    return plain(bounds) if np.isfinite(bounds).all() else None


def plain(value: Any) -> Any:
    """Numbers and nested lists of them, None for what is not finite: JSON has no nan."""
    array = np.asarray(value, dtype=np.float64)
    if array.ndim:
        return [plain(v) for v in array]
    return float(array) if np.isfinite(array) else None
