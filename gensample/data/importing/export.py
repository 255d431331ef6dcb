"""Frames of a dataset, written for other programs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from gensample.data import formats
from gensample.data.importing.source import DISPLACEMENT, OutputFrame
from gensample.data.store import Store
from gensample.errors import ConfigError, DataError
from gensample.physics.strain import shear_direction, shear_gradient, sheared_box
from gensample.stats.dynamics import propensity
from gensample.text import printable
from gensample.work import atomic

ALL = "all"
"""In place of the number of a replica: a frame of each."""


def frames_of(
    store: Store,
    *,
    configuration: int | None = None,
    inherent: bool = False,
    replica: int | str | None = None,
    lag: int | None = None,
) -> list[OutputFrame]:
    """Frames to write, with what is known of each particle.

    Without ``replica`` configurations, with ``lag`` their propensities and predictions at it. With a replica
    its start and its unwrapped positions at all lags, or at one; with "all" those of every complete replica
    at one lag. These have the columns disp, propensity, predictions, and hop where that is stored.

    Raises:
        ConfigError: the choices exclude each other, or fields that were drawn one by one are no trajectory.
        DataError: the dataset does not have what is asked for.
    """
    if replica is not None and (inherent or configuration is None):
        raise ConfigError("--replica needs --configuration and starts from thermal positions (no --inherent)")
    count, times = store.num_configurations, store.times
    if configuration is not None and not 0 <= configuration < count:
        raise DataError(f"{store.path} has configurations 0 to {count - 1}, not {configuration}")
    if lag is not None and not 0 <= lag < len(times):
        raise DataError(f"{store.path} has lags 0 to {len(times) - 1} (times {times.tolist()}), not {lag}")
    rows = range(count) if configuration is None else [configuration]
    if replica is not None:
        return list(_displaced(store, rows[0], replica, lag))
    positions = store.inherent if inherent else store.positions
    if positions is None:
        raise DataError(f"{store.path} has no inherent structures; add them with `gensample quench`")
    kind = {"inherent": "T"} if inherent else {}
    kind |= {} if lag is None else {"lag_time": repr(float(times[lag]))}
    columns = [{} if lag is None else _averages(store, c, lag) for c in rows]
    if lag is not None and not columns[0]:
        raise DataError(f"{store.path} has neither displacements, propensities nor predictions at its lags")
    return [
        OutputFrame(positions[c], store.box[c], {**_info(store, c), **kind}, own)
        for c, own in zip(rows, columns, strict=True)
    ]


def _info(store: Store, c: int) -> dict[str, object]:
    return {
        "configuration": c,
        "mixture": _label(store.mixture),
        "temperature": repr(float(store.temperature[c])),
        "split": _label(store.split[c]),
    }


def _label(text: str) -> str:
    """What ends neither a quoted value nor a line of a text file."""
    return printable(str(text)).replace('"', "'")


def _averages(store: Store, c: int, lag: int) -> dict[str, np.ndarray]:
    """What is predicted or averaged of each particle at a lag, (N,) each, by the name of its column."""
    found: dict[str, np.ndarray] = {}
    stored = store.row("propensity", c)
    if stored is not None:
        found["propensity"] = stored[lag]
    elif store.has_displacements and _complete(store, c):
        found["propensity"] = propensity(store.displacements(c)[:, lag])
    for name, prediction in store.predictions.items():
        found[f"prediction_{re.sub(r'[^A-Za-z0-9]+', '_', name)}"] = prediction[c, lag]
    return found


def _complete(store: Store, c: int) -> list[int]:
    return [int(r) for r in np.flatnonzero(store.done[c])]


def _displaced(store: Store, c: int, replica: int | str, lag: int | None) -> Iterator[OutputFrame]:
    """One trajectory, one frame of it, or a frame of each replica."""
    if not store.has_displacements:
        raise DataError(f"{store.path} has averages only, no displacements")
    complete, lags = _complete(store, c), len(store.times)
    if replica != ALL and replica not in complete:
        raise DataError(f"configuration {c} has complete replicas {complete}, not {replica}")
    if lags > 1 and lag is None:
        _check_motion(store, replica)
    whole = replica != ALL and lag is None
    chosen = complete if replica == ALL else [int(replica)]
    of_store = _Motions(store, c)
    for r in chosen:
        if whole:
            yield of_store.start(r)
        for k in range(lags) if lag is None else [lag]:
            yield of_store.frame(r, k, complete.index(r), whole)


def _check_motion(store: Store, replica: int | str) -> None:
    """ConfigError for what is not one motion at several lags."""
    if replica == ALL:
        raise ConfigError(
            "a file holds the trajectory of one replica: give its number, or a --lag for a frame of each"
        )
    if not store.is_trajectory:
        raise ConfigError(
            f"{store.path}: fields at {len(store.times)} lag times were drawn one by one and are no "
            "trajectory; choose one with --lag, or draw one: `gensample sample MODEL --data DATA --lag T "
            "--chain STEPS`"
        )


class _Motions:
    """What the replicas of one configuration do; those of a sheared glass are directions, lags strains."""

    def __init__(self, store: Store, c: int) -> None:
        self.info, self.box, self.times = _info(store, c), store.box[c], store.times
        self.origin = np.asarray(store.inherent[c] if store.is_sheared else store.positions[c])  # type: ignore[index]
        self.u = store.displacements(c)
        self.h = store.inherent_displacements(c) if store.has_inherent_displacements else None
        self.averages = [_averages(store, c, k) for k in range(len(self.times))]
        self.directions = store.group("shear")["direction"] if store.is_sheared else None
        self.steps = np.arange(1, 1 + len(self.times)) if store.is_sheared else steps_of(self.times)[0]

    def start(self, replica: int) -> OutputFrame:
        """The frame before anything has moved."""
        size = len(self.origin)
        columns: dict[str, np.ndarray] = {DISPLACEMENT: np.zeros(self.u.shape[-2:], np.float32)}
        columns |= {name: np.zeros(size) for name in ([] if self.h is None else ["hop"])}
        columns |= {name: np.zeros(size) for name in self.averages[0]}
        said = {**self.info, **self._said(replica, 0.0, True)}
        return OutputFrame(self.origin, self._frame_of(replica, 0.0)[1], said, columns, 0)

    def frame(self, replica: int, k: int, place: int, whole: bool) -> OutputFrame:
        """Of the replica that is at ``place`` among the complete ones, at lag k; ``whole``: of a motion."""
        columns: dict[str, np.ndarray] = {DISPLACEMENT: self.u[place, k]}
        if self.h is not None:
            columns["hop"] = np.linalg.norm(self.h[place, k], axis=-1)
        time = float(self.times[k])
        carried, box = self._frame_of(replica, time)
        said = {**self.info, **self._said(replica, time, whole)}
        step = int(self.steps[k]) if whole else replica
        return OutputFrame(carried + self.u[place, k], box, said, {**columns, **self.averages[k]}, step)

    def _said(self, replica: int, time: float, whole: bool) -> dict[str, object]:
        if self.directions is not None:
            return {"replica": replica, "direction": self.directions[replica].decode(), "strain": repr(time)}
        return {"replica": replica, "unwrapped": "T", "time" if whole else "lag_time": repr(time)}

    def _frame_of(self, replica: int, strain: float) -> tuple[np.ndarray, np.ndarray]:
        """Positions carried along by the shear, and the box that it makes; both as they are without."""
        if self.directions is None:
            return self.origin, self.box
        name, d = self.directions[replica].decode(), len(self.box)
        direction = shear_direction(name, d)
        gradient = shear_gradient(direction, strain, d).numpy()
        box = sheared_box(torch.from_numpy(self.box), direction, strain).numpy()
        return self.origin + self.origin @ gradient.T, box


def steps_of(times: np.ndarray) -> tuple[np.ndarray, float]:
    """Lag times (K,) as whole numbers of steps, and the longest step of which all are multiples."""
    exact = [Fraction(f"{t:.9g}") for t in times.tolist()]
    common = math.lcm(*(t.denominator for t in exact))
    whole = [int(t * common) for t in exact]
    unit = math.gcd(*whole)
    return np.array(whole) // unit, unit / common


def write_frames(out: str | Path, format: str, frames: list[OutputFrame], species: np.ndarray) -> None:
    """Write frames; nothing appears under ``out`` when it fails.

    Raises:
        ConfigError: several frames for a format that holds one, or one that is only read.
        MissingDependencyError: GSD without the package.
    """
    chosen = formats.format_of(format)
    with atomic(out) as temporary:
        chosen.write(temporary, frames, species)
