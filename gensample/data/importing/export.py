"""Frames of a dataset, written for other programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gensample.data import formats
from gensample.data.importing.source import OutputFrame
from gensample.data.store import Store
from gensample.errors import ConfigError, DataError
from gensample.text import printable
from gensample.work import atomic


def frames_of(
    store: Store,
    *,
    configuration: int | None = None,
    inherent: bool = False,
    replica: int | None = None,
    lag: int | None = None,
) -> list[OutputFrame]:
    """Frames to write: configurations, or with ``replica`` the unwrapped positions at its lags, start first.

    Raises:
        ConfigError: the choices exclude each other, or fields that were drawn one by one are no trajectory.
        DataError: the dataset does not have what is asked for.
    """
    if replica is None and lag is not None:
        raise ConfigError("--lag needs --replica: it names a lag of one replica")
    if replica is not None and (inherent or configuration is None):
        raise ConfigError("--replica needs --configuration and starts from thermal positions (no --inherent)")
    rows = range(store.num_configurations) if configuration is None else [configuration]
    if configuration is not None and not 0 <= configuration < store.num_configurations:
        raise DataError(
            f"{store.path} has configurations 0 to {store.num_configurations - 1}, not {configuration}"
        )
    if replica is not None and configuration is not None:
        return _trajectory(store, configuration, replica, lag)
    positions = store.inherent if inherent else store.positions
    if positions is None:
        raise DataError(f"{store.path} has no inherent structures; add them with `gensample quench`")
    kind = {"inherent": "T"} if inherent else {}
    return [OutputFrame(positions[c], store.box[c], {**_info(store, c), **kind}) for c in rows]


def _info(store: Store, c: int) -> dict[str, object]:
    return {
        "configuration": c,
        "mixture": _label(store.mixture),
        "temperature": f"{store.temperature[c]:g}",
        "split": _label(store.split[c]),
    }


def _label(text: str) -> str:
    """What ends neither a quoted value nor a line of a text file."""
    return printable(str(text)).replace('"', "'")


def _trajectory(store: Store, c: int, replica: int, lag: int | None) -> list[OutputFrame]:
    if not store.has_displacements:
        raise DataError(f"{store.path} has averages only, no displacements")
    complete = np.flatnonzero(store.done[c])
    if replica not in complete:
        raise DataError(f"configuration {c} has complete replicas {complete.tolist()}, not {replica}")
    u = store.displacements(c)[int(np.searchsorted(complete, replica))]
    if lag is not None and not 0 <= lag < len(u):
        raise DataError(f"{store.path} has lags 0 to {len(u) - 1} (times {store.times.tolist()}), not {lag}")
    if lag is None and len(u) > 1 and not store.is_trajectory:
        raise ConfigError(
            f"{store.path}: fields at {len(u)} lag times were drawn one by one and are no trajectory; choose "
            "one with --lag, or draw one: `gensample sample MODEL --data DATA --lag T --chain STEPS`"
        )
    start, info = store.positions[c], {**_info(store, c), "replica": replica, "unwrapped": "T"}
    later = [
        OutputFrame(start + field, store.box[c], {**info, "time": f"{t:.17g}"})
        for field, t in zip(u, store.times, strict=True)
    ]
    return (
        [later[lag]] if lag is not None else [OutputFrame(start, store.box[c], {**info, "time": 0}), *later]
    )


def write_frames(out: str | Path, format: str, frames: list[OutputFrame], species: np.ndarray) -> None:
    """Write frames; nothing appears under ``out`` when it fails.

    Raises:
        ConfigError: several frames for a format that holds one, or one that is only read.
        MissingDependencyError: GSD without the package.
    """
    chosen = formats.format_of(format)
    with atomic(out) as temporary:
        chosen.write(temporary, frames, species)
