"""Samplers as rows of a benchmark: what they cost, and what they draw, judged as `gensample compare` does."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from gensample.benchmark.cache import SAME_LAG, Cache, Opened, lag_columns
from gensample.benchmark.front import SCORED
from gensample.benchmark.settings import slug
from gensample.comparison.compare import compare
from gensample.comparison.result import Comparison
from gensample.comparison.rows import Row, rows
from gensample.data.dataset import Dataset
from gensample.data.store import domain_of
from gensample.generators.base import Generator, PhysicsGenerator
from gensample.generators.heated import Heated
from gensample.report.page import json_ready
from gensample.stats.dynamics import magnitudes
from gensample.stats.intervals import NAN, Number

SEED = 1
TIMED, LONGEST = 4, 50.0
"""Configurations, replicas of each, and tau of each of those, that plain dynamics are timed on."""


def load(kept: Cache, opened: Opened) -> dict[str, Any]:
    """Number of parameters, and whether they were trained."""
    model: Any = opened.sampler(kept.unit.row, kept.unit.tests(opened.settings)[0])
    parameters = model.parameters() if hasattr(model, "parameters") else ()
    return {"parameters": sum(p.numel() for p in parameters), "trained": model is not None and model.trained}


def predict(kept: Cache, opened: Opened, test: str) -> dict[str, np.ndarray]:
    """Beside the mean of |u|, ``core_seconds`` (K,) of a field, and ``comparisons`` (K,), each as JSON.

    Of lags that the sampler does not know all three are NaN or empty.
    """
    model, judged = opened.sampler(kept.unit.row, test), Dataset(opened.store(test), opened.judged(test))
    lags = opened.lag_times(test)
    found: dict[str, np.ndarray] = {
        "propensity": np.full((len(judged), len(judged.species), len(lags)), np.nan),
        "core_seconds": np.full(len(lags), np.nan),
    }
    told = [b""] * len(lags)
    for k, lag in enumerate(lags):
        if model is None:
            found["core_seconds"][k] = time_replica(judged, lag)
        elif any(math.isclose(lag, t, rel_tol=SAME_LAG) for t in model.reads.lags or ()):
            drawn = _drawn(kept, model, judged, test, lag)
            column = lag_columns(drawn.lag_time.tolist(), [lag])
            means = [magnitudes(drawn.fields(c)).mean(0)[column[0]] for c in range(len(drawn))]
            found["propensity"][:, :, k] = np.stack(means)
            fields = drawn.replicas.sum() * len(drawn.lag_time)
            found["core_seconds"][k] = drawn.store.attrs["core_seconds"] / fields
            how: dict[str, Any] = {"seed": opened.settings.seed, "bootstrap": opened.settings.bootstrap}
            result = compare(judged, drawn, lags=[lag], follow=0, **how)
            told[k] = json.dumps(result.metrics).encode()
    return found | {"comparisons": np.array(told)}


def _drawn(kept: Cache, model: Generator, judged: Dataset, test: str, lag: float) -> Dataset:
    """Fields at a lag, drawn by themselves where that can be, so that its core-seconds are its own."""
    if isinstance(model, PhysicsGenerator):
        model = model.at(model.lag_time[lag_columns(model.lag_time, [lag])[0]])
        name = f"sample-{slug(test)}-{lag:g}-{kept.mark(test)[:12]}.h5"
    else:
        name = f"sample-{slug(test)}-{kept.mark(test)[:12]}.h5"
    return model.sample(judged, kept.unit.row.draws, SEED, kept.folder / name, force=True)


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
