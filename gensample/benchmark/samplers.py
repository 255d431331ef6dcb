"""Samplers as rows of a benchmark: what they cost, and what they draw, judged as `gensample compare` does."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gensample.benchmark.cache import SAME_LAG, Cache, Opened, lag_columns
from gensample.benchmark.front import SCORED
from gensample.benchmark.settings import slug
from gensample.comparison.compare import compare
from gensample.comparison.result import Comparison
from gensample.comparison.rows import Row, rows
from gensample.data.dataset import Dataset
from gensample.data.store import digest_structures, domain_of
from gensample.generators.base import Generator, PhysicsGenerator
from gensample.generators.heated import Heated
from gensample.report.page import json_ready
from gensample.stats.dynamics import magnitudes, pearson, predictability, split_variance, with_draws
from gensample.stats.intervals import NAN, Number

SEED = 1
TIMED, LONGEST = 4, 50.0
"""Configurations, replicas of each, and tau of each of those, that plain dynamics are timed on."""


def load(kept: Cache, opened: Opened) -> dict[str, Any]:
    """Number of parameters, and whether there are any that were trained."""
    model: Any = opened.sampler(kept.unit.row, kept.unit.tests(opened.settings)[0])
    trained = model is not None and (model.trained or model.has_weights)
    if not trained:
        return {"parameters": None if model is None else 0, "trained": False}
    tensors = model.parameters() if hasattr(model, "parameters") else model.state_dict().values()
    return {"parameters": sum(tensor.numel() for tensor in tensors), "trained": True}


def predict(kept: Cache, opened: Opened, test: str) -> dict[str, np.ndarray]:
    """Beside the mean of |u|, ``core_seconds`` (K,) of a field, ``known`` (K, 2, C) of the propensity, and
    ``comparisons`` (K,), each as JSON.

    Of lags that the sampler does not know all are NaN or empty.
    """
    model, judged = opened.sampler(kept.unit.row, test), Dataset(opened.store(test), opened.judged(test))
    lags = opened.lag_times(test)
    found: dict[str, np.ndarray] = {
        "propensity": np.full((len(judged), len(judged.species), len(lags)), np.nan),
        "core_seconds": np.full(len(lags), np.nan),
        "known": np.full((len(lags), 2, len(judged)), np.nan),
    }
    told = [b""] * len(lags)
    for k, lag in enumerate(lags):
        if model is None:
            found["core_seconds"][k] = time_replica(judged, lag)
            found["known"][k] = known_of_replicas(_lengths(judged, lag))
        elif any(math.isclose(lag, t, rel_tol=SAME_LAG) for t in model.reads.lags or ()):
            drawn = _drawn(kept, model, judged, test, lag)
            column = lag_columns(drawn.lag_time.tolist(), [lag])
            means = [magnitudes(drawn.fields(c)).mean(0)[column[0]] for c in range(len(drawn))]
            found["propensity"][:, :, k] = np.stack(means)
            found["known"][k] = known_of_draws(_lengths(judged, lag), _lengths(drawn, lag))
            fields = drawn.replicas.sum() * len(drawn.lag_time)
            found["core_seconds"][k] = drawn.store.attrs["core_seconds"] / fields
            how: dict[str, Any] = {"seed": opened.settings.seed, "bootstrap": opened.settings.bootstrap}
            result = compare(judged, drawn, lags=[lag], follow=0, **how)
            told[k] = json.dumps(result.metrics).encode()
    return found | {"comparisons": np.array(told)}


def _drawn(kept: Cache, model: Generator, judged: Dataset, test: str, lag: float) -> Dataset:
    """Fields at a lag, drawn by themselves where that can be, so that its core-seconds are its own."""
    name = f"sample-{slug(test)}-{digest_structures(judged.store, judged.rows)[:12]}"
    if isinstance(model, PhysicsGenerator):
        model, name = model.at(model.lag_time[lag_columns(model.lag_time, [lag])[0]]), f"{name}-{lag:g}"
    return model.sample(judged, kept.unit.row.draws, SEED, kept.folder / f"{name}.h5", force=True)


def _lengths(data: Dataset, lag: float) -> list[np.ndarray]:
    """|u| (R, n) of the particles of the first species, of each configuration."""
    (column,), of = lag_columns(data.lag_time.tolist(), [lag]), data.species == 0
    return [magnitudes(data.fields(c)[:, column, of]) for c in range(len(data))]


def known_of_draws(simulated: Sequence[np.ndarray], drawn: Sequence[np.ndarray]) -> np.ndarray:
    """How well draws tell the propensity of each configuration, and how alike they are, (2, C).

    Pearson correlation of their mean with that of simulation, and the share of the variance of a draw that
    is the same in all of them, from |u| (R, n). Particles that move together leave a correlation as it is: so
    the means over the particles of each field are taken out of that share, unlike out of the predictability.
    """
    pairs = zip(simulated, drawn, strict=True)
    return np.array([[_agreement(x, y), _alike(y)] for x, y in pairs]).T


def known_of_replicas(simulated: Sequence[np.ndarray]) -> np.ndarray:
    """The same of half of the replicas of a simulation with all of them, were these others.

    The halves are correlated with each other; that the label is longer is made up for by the formula of
    Spearman and Brown.
    """
    found = []
    for lengths in simulated:
        half, alike = len(lengths) // 2, _alike(lengths)
        agreement = _agreement(lengths[half:], lengths[:half])
        found.append([float(with_draws(agreement, alike, len(lengths) - half, len(lengths))), alike])
    return np.array(found).T


def _agreement(x: np.ndarray, y: np.ndarray) -> float:
    return pearson(x.mean(0), y.mean(0))


def _alike(lengths: np.ndarray) -> float:
    split = split_variance(lengths)
    return float(predictability(split.delta, split.noise))


def time_replica(data: Dataset, lag: float) -> float:
    """Core-seconds of a replica of molecular dynamics to a lag, measured on the first configurations.

    Of lags beyond LONGEST in proportion to a run of that.
    """
    time = min(lag, LONGEST)
    plain = Heated([time], [[[None, time]]], domain=domain_of(data.store))
    drawn = plain.sample(data[:TIMED], TIMED, SEED)
    return float(drawn.store.attrs["core_seconds"] / drawn.replicas.sum() * lag / time)


def scores_of(told: bytes) -> list[dict[str, Any]]:
    """The scored quantities of a comparison at one lag, as JSON, by species; none of an empty one.

    value, simulated, due (what it is judged by: simulation, a ceiling or a floor) and measured (`measured`)
    are value, low and high.
    """
    result = Comparison(json.loads(told or '{"lags": []}'))
    return [
        json_ready(
            {
                "quantity": row.key,
                "species": row.group,
                "value": row.generated,
                "simulated": row.simulated,
                "due": row.target,
                "measured": measured(row),
                "mark": row.verdict[1],
            }
        )
        for group in result.groups
        for row in rows(result, 0, group)
        if row.key in SCORED
    ]


def measured(row: Row) -> Number:
    """A share of the best, a multiple of the floor, or a deviation from simulation, relative or absolute.

    The interval knows that the errors of the two sides are correlated (delta method).
    """
    value, due = row.generated.value, row.target.value
    if isinstance(row.quantity.reference, float):
        return row.generated
    if row.quantity.absolute:
        return Number(value - due, *row.excess(1.0))
    if not due > 0:
        return Number(NAN)
    low, high = row.excess(value / due)
    shift = float(row.quantity.kind == "pair")
    return Number(value / due - shift, *(value / due - shift + end / due for end in (low, high)))
