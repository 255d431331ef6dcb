"""Whether a dataset can serve what a data module is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gensample.data.schema import SPLITS
from gensample.data.store import Store
from gensample.errors import ConfigError
from gensample.ranges import check_choice

if TYPE_CHECKING:
    from gensample.data.datamodule import KADataModule


def check_settings(data: KADataModule, store: Store) -> None:
    """Refuse settings of ``data`` that its dataset cannot serve.

    Raises:
        ConfigError: names the setting, and what the dataset has.
    """
    _check_input(data, store)
    _check_cutoff(data, store)
    _check_target(data, store)
    _check_rows(data, store)
    _check_base(data, store)
    lag_rows(store.times, data.lags)


def lag_rows(times: np.ndarray, lags: Sequence[float] | None) -> np.ndarray:
    """Rows of the lag times ``lags`` among ``times``, ascending; all of them for None.

    Raises:
        ConfigError: one of them is not there.
    """
    if lags is None:
        return np.argsort(times, kind="stable")
    found = [np.flatnonzero(np.isclose(times, lag, rtol=1e-4)) for lag in sorted(set(lags))]
    if not found or any(len(rows) != 1 for rows in found):
        raise ConfigError(f"data.lags asks for {list(lags)}; the dataset has lag times {times.tolist()}")
    return np.concatenate(found)


def _check_input(data: KADataModule, store: Store) -> None:
    """Inherent structures that are absent are found on the way; cage positions take simulations."""
    if data.input == "cage" and store.cage is None:
        raise ConfigError(
            f"{data.dataset} has no cage positions; add them with `gensample cage {data.dataset}`, "
            "or set data.input to inherent or thermal"
        )
    if data.target == "configuration" and data.input != "thermal":
        raise ConfigError("configurations are generated as thermal ones: set data.input to thermal")


def _check_cutoff(data: KADataModule, store: Store) -> None:
    """Before any graph is made: only the nearest image of a particle is seen."""
    half = float(store.box.min()) / 2
    if data.target != "configuration" and data.cutoff > half:
        raise ConfigError(f"data.cutoff {data.cutoff:g} is more than half the shortest box edge, {half:g}")


def _check_target(data: KADataModule, store: Store) -> None:
    averages = store.has_displacements or store.propensity is not None
    enough = {"displacement": store.has_displacements, "propensity": averages}
    if not enough.get(data.target, True):
        raise ConfigError(f"{data.dataset} has no displacements, which data.target={data.target} needs")


def _check_rows(data: KADataModule, store: Store) -> None:
    wrong = [c for c in data.validation or [] if not 0 <= c < store.num_configurations]
    if wrong:
        raise ConfigError(f"data.validation names rows {wrong} of {store.num_configurations} configurations")
    if data.validation is not None and len(set(data.validation)) != max(1, len(data.validation)):
        raise ConfigError(f"data.validation must name rows, each once, got {data.validation}")
    check_choice("data.predict_split", data.predict_split, (*SPLITS, "all"))
    known = store.temperature
    absent = [t for t in data.temperatures or [] if not np.isclose(known, t, rtol=1e-6).any()]
    if absent:
        raise ConfigError(f"data.temperatures asks for {absent}; the dataset has {np.unique(known).tolist()}")


def _check_base(data: KADataModule, store: Store) -> None:
    if data.heating and data.base is None:
        raise ConfigError(f"data.heating needs data.base, whose temperature to heat to; got {data.heating}")
    if data.base is not None:
        data.base.check_liquid(store.mixture, store.truncation)
        if data.target != "configuration":
            raise ConfigError(f"data.base needs data.target=configuration, got {data.target}")
