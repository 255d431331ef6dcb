"""DeepMind's glassy-dynamics pickles, read without ever running what a pickle asks to run.

Source: Bapst et al., Nature Physics 16, 448 (2020); github.com/google-deepmind/deepmind-research,
glassy_dynamics. ``trajectory_target_positions[level][replica]`` are unwrapped positions at
``time[time_indices[level]]``; ``targets[level]`` are the mean displacements of all trajectories.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gensample.data.formats.base import (
    Format,
    Options,
    Structure,
    as_floats,
    as_positions,
    as_types,
    checked_times,
    known_temperature,
    natural_order,
    split_of,
)
from gensample.errors import DataError


class _ArrayClass:
    """Stands for numpy.ndarray in the stream: never called, so a pickle cannot allocate at will."""


def _reconstruct(kind: object, shape: object, code: object) -> np.ndarray:
    if kind is not _ArrayClass:
        raise pickle.UnpicklingError("an array of an unknown class")
    return np.empty(0)


def _dtype(code: object, *flags: object) -> np.dtype[Any]:
    dtype = np.dtype(code) if isinstance(code, str) else np.dtype("O")
    if dtype.kind not in "biufSU":
        raise pickle.UnpicklingError(f"an array of {code!r}")
    return dtype


def _encode(text: str, encoding: str = "latin1") -> bytes:
    return text.encode("latin1")


def _scalar(dtype: np.dtype[Any], raw: bytes) -> Any:
    return np.frombuffer(raw, dtype, 1)[0]


# Every global that the stream may name, and the harmless function that answers to it.
_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _ArrayClass,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
}


class RestrictedUnpickler(pickle.Unpickler):
    """Reads containers, numbers, strings and numpy arrays; refuses every other global by name."""

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for an allowed global.

        Raises:
            pickle.UnpicklingError: the global is not on the list.
        """
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not allowed") from None


def load_pickle(path: Path) -> Any:
    """Content of a pickle of plain containers and arrays.

    Raises:
        DataError: the pickle names anything else, or is damaged; nothing of it has been run.
    """
    try:
        with path.open("rb") as file:
            return RestrictedUnpickler(file, encoding="latin1").load()
    except Exception as error:  # a damaged stream can raise almost anything
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise DataError(f"{path} is not a pickle of plain arrays, nothing was run ({reason})") from None


def sniff(path: Path, head: bytes) -> bool:
    """A pickle of protocol 2 or later."""
    return len(head) > 1 and head[0] == 0x80 and head[1] in (2, 3, 4, 5)


def read(files: list[Path], options: Options, notes: list[str]) -> list[Structure]:
    """Structures of DeepMind pickles: levels that have trajectories, or with ``averages`` all targets."""
    notes.append("pickle read by a restricted unpickler (arrays, numbers, strings and containers only)")
    if not options.averages:
        notes.append("replica positions come unwrapped: displacements are plain differences from positions")
    structures = []
    for path in sorted(files, key=natural_order):
        structures.append(_structure(path, options, notes))
    return structures


def _structure(path: Path, options: Options, notes: list[str]) -> Structure:
    data = load_pickle(path)
    _require(data, path)
    positions = as_positions(data["positions"], f"{path}: positions")
    metadata = data.get("metadata")
    found = metadata.get("temperature") if isinstance(metadata, dict) else None
    structure = Structure(
        name=str(path),
        positions=positions,
        types=as_types(data["types"], f"{path}: types", len(positions)),
        box=as_floats(data["box"], f"{path}: box", (positions.shape[1],)),
        wrapped=True,
        split=split_of(path),
        temperature=known_temperature(float(found) if isinstance(found, int | float) else None, options),
    )
    levels = _level_times(data, path)
    if options.averages:
        _add_averages(structure, data, levels, path)
    else:
        _add_trajectories(structure, data, levels, path, notes)
    return structure


def _require(data: object, path: Path) -> None:
    needed = ("positions", "types", "box", "time", "time_indices")
    if not isinstance(data, dict):
        raise DataError(f"{path}: expected a pickled dictionary, got {type(data).__name__}")
    if missing := [name for name in needed if name not in data]:
        raise DataError(f"{path} lacks {', '.join(missing)}; it has {', '.join(map(str, data))}")


def _level_times(data: dict[str, Any], path: Path) -> np.ndarray:
    time = as_floats(data["time"], f"{path}: time", (None,))
    index = as_floats(data["time_indices"], f"{path}: time_indices", (None,)).astype(np.int64)
    if index.size == 0 or index.min() < 0 or index.max() >= time.size:
        raise DataError(f"{path}: time_indices point outside the {time.size} times")
    return time[index]


def _add_averages(structure: Structure, data: dict[str, Any], levels: np.ndarray, path: Path) -> None:
    particles = len(structure.positions)
    targets = as_floats(data.get("targets"), f"{path}: targets", (levels.size, particles))
    order = np.argsort(levels)
    structure.propensity = targets[order]
    structure.times = checked_times(levels[order], f"{path}: time")


def _add_trajectories(
    structure: Structure, data: dict[str, Any], levels: np.ndarray, path: Path, notes: list[str]
) -> None:
    trajectories = data.get("trajectory_target_positions")
    if not isinstance(trajectories, list) or not 0 < len(trajectories) <= levels.size:
        raise DataError(f"{path} has no trajectory_target_positions; take the averages with --averages")
    if not all(isinstance(level, list | np.ndarray) and len(level) > 0 for level in trajectories):
        raise DataError(f"{path}: each level of trajectory_target_positions must list its replicas")
    replicas = len(trajectories[0])
    order = np.argsort(levels[: len(trajectories)])
    structure.times = checked_times(levels[: len(trajectories)][order], f"{path}: time")
    structure.replicas = replicas
    structure.load = partial(_displacements, path, structure.positions, order, replicas)
    if len(trajectories) < levels.size:
        note = (
            f"only {len(trajectories)} of {levels.size} lags have trajectories; the others are averages, "
            "which --averages imports instead"
        )
        if note not in notes:
            notes.append(note)


def _displacements(path: Path, initial: np.ndarray, order: np.ndarray, replicas: int) -> np.ndarray:
    trajectories: list[object] = load_pickle(path)["trajectory_target_positions"]
    name = f"{path}: trajectory_target_positions"
    levels = [as_floats(trajectories[level], name, (replicas, *initial.shape)) for level in order]
    fields: np.ndarray = np.stack(levels, axis=1) - initial[None, None]
    return fields


# The pressure in the files (2.93) is that of the energy-shifted potential; the force shift would add 1.
FORMAT = Format("deepmind", sniff, read, lambda structures: "ka3d")
