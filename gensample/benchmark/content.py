"""What results depend on: the parts of a dataset that a row reads, its config, its weights."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gensample import zoo
from gensample.benchmark.settings import RowSettings
from gensample.data.catalog import resolve
from gensample.data.store import Store
from gensample.errors import ConfigError, DataError
from gensample.plain import read_yaml

Parts = frozenset[str]
"""Of "inherent", "cage", "probe" and "predictions": what may be added to a dataset at any time."""


def config_of(row: RowSettings) -> dict[str, Any]:
    """The config that a network is trained with; empty for other kinds of rows.

    Raises:
        ConfigError: it is none of `gensample fit`.
    """
    if row.fit is None:
        return {}
    try:
        config = read_yaml(row.fit)
        config["model"]["init_args"]
    except (DataError, KeyError, TypeError) as error:
        raise ConfigError(f"{row.fit} is no config of `gensample fit`: {error!r}") from None
    return config


def settings_of_data(row: RowSettings) -> dict[str, Any]:
    """Settings of the data module that a row brings along: of its config or its model, and its own."""
    if row.model is not None or row.generator is not None:
        return zoo.data_settings(str(row.model or row.generator)) | row.data
    config = (config_of(row).get("data") or {}).get("init_args", {})
    start = "data."
    overrides = {key.removeprefix(start): value for key, value in row.set.items() if key.startswith(start)}
    return {**config, **row.data, **overrides}


def parts_read(row: RowSettings, source: str) -> Parts:
    """Parts of a dataset that a row reads when its input is ``source``."""
    settings = settings_of_data(row)
    given = settings.get("descriptors")
    found = {"cage", "probe"} & set(given if isinstance(given, (list, tuple)) else ())
    if source == "cage":
        found.add("cage")
    # The vector to the inherent structure is kept from rows on thermal positions that are trained here.
    if source != "thermal" or settings.get("cage_vectors", not row.trained and row.indicator is None):
        found.add("inherent")
    if row.prediction is not None:
        found.add("predictions")
    return frozenset(found)


def weights_of(row: RowSettings) -> dict[str, str]:
    """Digests of the weights that a row starts from, or is.

    Raises:
        ConfigError: a model or a file of weights is not found.
    """
    found = {str(name): zoo.model_digest(name) for name in (row.model, row.generator) if name is not None}
    start = row.set.get(
        "model.init_from", config_of(row).get("model", {}).get("init_args", {}).get("init_from")
    )
    if start is not None:
        try:
            found[str(start)] = hashlib.sha256(Path(start).read_bytes()).hexdigest()
        except OSError as error:
            raise ConfigError(f"row {row.name!r} starts from weights that are not there: {error}") from None
    return found


def fingerprint(dataset: str, parts: Parts) -> str:
    """Tells whether a dataset is the same to one who reads these ``parts`` beside what every dataset has."""
    path = resolve(dataset)
    return _fingerprint(path, path.stat().st_mtime_ns, parts)


@cache
def _fingerprint(path: Path, modified: int, parts: Parts) -> str:
    with Store.open(path) as store:
        digest = hashlib.sha256(f"{store.mixture},{','.join(store.split)}".encode())
        arrays: list[np.ndarray | None]
        arrays = [store.positions, store.times, store.species, store.box, store.temperature]
        arrays += [store.propensity, store.bond_breaking]
        for array in [*arrays, *_added(store, parts)]:
            digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
        for row in range(store.num_configurations if store.has_displacements else 0):
            if store.done[row].any():
                digest.update(np.ascontiguousarray(store.displacements(row)).tobytes())
    return digest.hexdigest()


def _added(store: Store, parts: Parts) -> list[np.ndarray | None]:
    found: list[np.ndarray | None] = [store.inherent] if "inherent" in parts else []
    found += [store.cage, store.cage_spread] if "cage" in parts else []
    groups = {"probe": store.probe or {}, "predictions": store.predictions}
    for name, arrays in groups.items():
        if name in parts:
            found += [np.frombuffer(key.encode(), np.uint8) for key in sorted(arrays)]
            found += [arrays[key] for key in sorted(arrays)]
    return found
