"""The domain of a model: what its training data were, and whether other data are like them."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gensample.errors import ConfigError

if TYPE_CHECKING:
    from gensample.data.store import Store

log = logging.getLogger(__name__)

# Relative: of a density that sources round, and of a temperature at the ends of those trained on.
DENSITY, TEMPERATURE, LAG = 2e-3, 1e-3, 1e-4


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


def check_domain(
    model: str, domain: Mapping[str, Any] | None, data: str, served: Mapping[str, Any], *, force: bool
) -> str:
    """Refuse data outside the domain of a model; with ``force`` say so and return how they differ.

    Where the model does not know its domain, that is said; what ``served`` leaves out is not compared.

    Raises:
        ConfigError: the data lie outside.
    """
    if not domain:
        log.warning("%s does not record its domain: whether %s is within was not checked", model, data)
        return "unknown"
    found = "; ".join(differences(domain, served))
    if found and not force:
        raise ConfigError(f"{data}: outside the domain of {model}: {found}; choose another model, or --force")
    if found:
        log.warning("%s: outside the domain of %s: %s", data, model, found)
    return found


def differences(domain: Mapping[str, Any], served: Mapping[str, Any]) -> list[str]:
    """How data differ from a domain, in words; empty where they are within, or where it says nothing."""
    both = domain.keys() & served.keys()
    found = [
        f"{name} {served[name]}, trained on {domain[name]}"
        for name in ("mixture", "truncation")
        if name in both and served[name] != domain[name]
    ]
    if "density" in both and not math.isclose(served["density"], domain["density"], rel_tol=DENSITY):
        found.append(f"density {served['density']:g}, trained on {domain['density']:g}")
    if "temperatures" in both:
        found += _temperatures(domain["temperatures"], served["temperatures"])
    return found


def _temperatures(trained: list[float], served: list[float]) -> list[str]:
    low, high = min(trained) * (1 - TEMPERATURE), max(trained) * (1 + TEMPERATURE)
    outside = [t for t in served if not low <= t <= high]
    if not outside:
        return []
    known = f"{min(trained):g}" if min(trained) == max(trained) else f"{min(trained):g} to {max(trained):g}"
    return [f"temperature {', '.join(f'{t:g}' for t in outside)}, trained on {known}"]


def read_domain(given: Any) -> dict[str, Any]:
    """The same as one setting of a model, empty for None.

    Raises:
        ConfigError: it is not what `domain_of` gives, or a part of that.
    """
    found = {} if given is None else given
    if not isinstance(found, Mapping) or not all(_is_kind(name, value) for name, value in found.items()):
        raise ConfigError(f"model.domain must be what `gensample fit` records, got {given!r:.100}")
    return dict(found)


def _is_kind(name: str, value: Any) -> bool:
    if name in ("mixture", "truncation"):
        return isinstance(value, str)
    if name == "density":
        return _is_number(value)
    lists = {"temperatures": 1, "lag_times": 0}
    if name not in lists or not isinstance(value, list) or len(value) < lists[name]:
        return False
    return all(map(_is_number, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def check_lags(trained: Iterable[float] | None, served: Iterable[float], what: str) -> None:
    """Refuse lag times that are not, one by one, those that the outputs of a model belong to.

    Raises:
        ConfigError: names both.
    """
    ours, theirs = list(trained or ()), list(served)
    if ours and (len(ours) != len(theirs) or not np.allclose(ours, theirs, rtol=LAG, atol=0)):
        raise ConfigError(
            f"{what} was trained at lag times {ours}, the data serve {theirs}; set data.lags to {ours}"
        )
