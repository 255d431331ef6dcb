"""From summaries of configurations to metrics with intervals: weighted means first, formulas second.

Everything here acts on weights (B, C), one row for the estimate itself and one for each bootstrap resample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gensample.stats import correlations, dynamics, intervals, propensity, scores
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

REFERENCES = {
    "pearson": "pearson_ceiling_sampler",
    "pearson_pooled": "pearson_ceiling_sampler",
    "spearman": "pearson_ceiling_sampler",
    "W1": "W1_floor",
    "crps_skill": "crps_skill_best",
    "energy_score_skill": "energy_score_skill_best",
}
"""What a metric with one value is measured by: its ceiling or floor."""

POSITIVE = ("mean_propensity", "msd", "overlap", "bond_breaking", "W1", "W1_floor")
"""Metrics whose interval is that of their logarithm."""

LIMITS = {
    **dict.fromkeys(("predictability", "overlap", "bond_breaking", "c2st"), (0.0, 1.0)),
    **dict.fromkeys(("pearson_ceiling_exact", "pearson_ceiling_sampler"), (0.0, 1.0)),
    **dict.fromkeys(("pearson", "pearson_pooled", "spearman"), (-1.0, 1.0)),
}
"""What a metric cannot leave, nor its interval."""


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
    """The metrics of PAIRED for one source, each (B,) or (B, bins), and the parts of `chi4_between`."""

    def average(name: str) -> Floats:
        return mean(source, name, weights)

    sums = correlations.CorrelationSums(*np.moveaxis(average("correlations"), 1, 0))
    second, iso = average("second"), average("iso")
    curve = correlations.normalise(sums, second, iso, dimension)
    spread = dynamics.chi4_spread(average("overlap"), average("overlap_square"), weights.shape[1], particles)
    noise = particles * average("overlap_noise")
    return {
        "mean_propensity": average("mean"),
        "msd": second,
        "alpha2": dynamics.alpha2_from_moments(second, average("fourth"), dimension),
        "predictability": propensity.predictability(average("delta"), iso),
        "overlap": average("overlap"),
        "chi4_iso": average("chi4_iso"),
        "chi4_between": spread - noise,
        "chi4_spread": spread,
        "chi4_noise": noise,
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
    both = {name: np.stack([seen[name], made[name]], axis=1) for name in seen}
    return agreement_metrics(comparison, weights) | both


def block(comparison: Comparison, weights: Floats | None) -> dict[str, Any]:
    """The metrics, JSON-ready {name: {"value", "interval"}}; ``weights`` (B, C) of the resamples or None.

    Metrics that are measured by another, and paired ones, have the "correlation" of the two errors too.
    """
    configurations = len(comparison.observed["mean"])
    uniform = np.full((1, configurations), 1 / configurations)
    values = {name: value[0] for name, value in all_metrics(comparison, uniform).items()}
    bounds: dict[str, Floats] = {}
    resampled: dict[str, Floats] = {}
    if weights is not None:
        resampled = all_metrics(comparison, weights)
        bounds = _bounds(values, resampled, comparison)
    result: dict[str, Any] = {}
    for name in (name for name in values if name not in _PARTS):
        interval = None
        if bounds:
            interval = (
                [interval_entry(b) for b in bounds[name]] if name in PAIRED else interval_entry(bounds[name])
            )
        result[name] = {"value": plain(values[name]), "interval": interval}
        together = _together(name, resampled) if resampled else None
        if together is not None:
            result[name]["correlation"] = plain(together)
    return result


_PARTS = ("chi4_spread", "chi4_noise")


def _bounds(
    values: dict[str, Floats], resampled: dict[str, Floats], comparison: Comparison
) -> dict[str, Floats]:
    """95 % intervals (..., 2) of every metric."""
    count = len(comparison.observed["mean"])
    errors = {name: intervals.standard_error(x, count) for name, x in resampled.items()}
    found = {}
    for name, value in values.items():
        bounds = intervals.student(value, errors[name], count, name in POSITIVE)
        found[name] = np.stack(bounds, axis=-1).clip(*LIMITS.get(name, (-np.inf, np.inf)))
    for k, side in enumerate((comparison.observed, comparison.drawn)):
        known = {name: (values[name][k], errors[name][k]) for name in ("chi4_iso", *_PARTS)}
        found["chi4_iso"][k], found["chi4_between"][k] = chi4_bounds(known, side["replicas"])
    return found


def chi4_bounds(
    known: dict[str, tuple[Floats, Floats]], replicas: Floats
) -> tuple[intervals.Bounds, intervals.Bounds]:
    """Intervals of the two parts of chi4 of one source, from (value, error) of what they are made of."""
    count = len(replicas)
    # What Gaussian overlaps would give: one degree of freedom less than replicas in each configuration.
    freedom = float((replicas - 1).sum())
    within = intervals.chi_square(*known["chi4_iso"], freedom, count)
    noise = (known["chi4_noise"][0], *intervals.chi_square(*known["chi4_noise"], freedom, count))
    spread = (known["chi4_spread"][0], *intervals.chi_square(*known["chi4_spread"], count - 1))
    return within, intervals.difference(spread, noise)


def _together(name: str, resampled: dict[str, Floats]) -> Floats | None:
    """Correlation of the errors of a metric and of what it is measured by, None where that is nothing."""
    x = resampled[name]
    if name in PAIRED:
        return intervals.correlation(x[:, 0], x[:, 1])
    return intervals.correlation(x, resampled[REFERENCES[name]]) if name in REFERENCES else None


def interval_entry(bounds: Floats) -> Any:
    """Bounds as JSON: [low, high], a list of them for bins (bins, 2), and None for each that is undefined."""
    if bounds.ndim == 2:
        return [interval_entry(b) for b in bounds]
    return plain(bounds) if np.isfinite(bounds).all() else None


DIGITS = 8
"""Significant digits of numbers in metrics.json: more than any of them is known to, half the file."""


def plain(value: Any) -> Any:
    """Numbers and nested lists of them, None for what is not finite: JSON has no nan."""
    array = np.asarray(value, dtype=np.float64)
    if array.ndim:
        return [plain(v) for v in array]
    return float(f"{array:.{DIGITS}g}") if np.isfinite(array) else None
