"""The domain of a model: what its training data were. `gensample.reads` compares other data with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gensample.data.store import Store


def domain_of(
    store: Store, temperatures: Iterable[float] | None = None, lags: Iterable[float] = ()
) -> dict[str, Any]:
    """The domain of a dataset, as plain values: mixture, truncation, density, temperatures, lag times."""
    served = store.temperature if temperatures is None else list(temperatures)
    return {
        "mixture": store.mixture,
        "truncation": store.truncation,
        "density": store.density,
        "temperatures": [float(t) for t in np.unique(served)],
        "lag_times": [float(t) for t in lags],
    }
