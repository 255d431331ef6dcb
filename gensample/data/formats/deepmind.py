"""DeepMind's glassy-dynamics pickles, read without ever running what a pickle asks to run.

Source: Bapst et al., Nature Physics 16, 448 (2020); github.com/google-deepmind/deepmind-research,
glassy_dynamics. ``trajectory_target_positions[level][replica]`` are unwrapped positions at
``time[time_indices[level]]``; ``targets[level]`` are the mean displacements of all trajectories.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gensample.data.formats import Format
from gensample.data.importing.pickles import load_pickle
from gensample.data.importing.source import (
    Options,
    Source,
    SourceStructure,
    as_floats,
    as_positions,
    as_types,
    check_expansion,
    checked_times,
    given_times,
    say,
)
from gensample.errors import DataError
from gensample.ranges import shown


class DeepMind(Format):
    """Structures of pickles: levels that have trajectories, or with ``averages`` all targets."""

    name = "deepmind"
    options = frozenset({"averages"})
    # The pressure in the files (2.93) is that of the energy-shifted potential; the force shift would add 1.
    mixtures: Mapping[int, str] = {3: "ka3d"}

    def sniff(self, path: Path, head: bytes) -> bool:
        """A pickle of protocol 2 or later."""
        return len(head) > 1 and head[0] == 0x80 and head[1] in (2, 3, 4, 5)

    def read(self, files: list[Source], options: Options, notes: list[str]) -> list[SourceStructure]:
        """Structures of a list of pickles; DataError where one is not what it should be."""
        notes.append("pickle read by a restricted reader (arrays, numbers, strings and containers only)")
        if not options.averages:
            notes.append(
                "replica positions come unwrapped: displacements are plain differences from positions"
            )
        return [_structure(source, options, notes) for source in files]


def _structure(source: Source, options: Options, notes: list[str]) -> SourceStructure:
    data = load_pickle(source.path)
    _require(data, source)
    positions = as_positions(data["positions"], f"{source}: positions")
    metadata = data.get("metadata")
    found = metadata.get("temperature") if isinstance(metadata, dict) else None
    structure = SourceStructure(
        name=str(source),
        source=source,
        positions=positions,
        types=as_types(data["types"], f"{source}: types", len(positions)),
        box=as_floats(data["box"], f"{source}: box", (positions.shape[1],)),
        wrapped=True,
        temperature=None if found is None else float(as_floats(found, f"{source}: temperature", ())),
    )
    levels = _level_times(data, source)
    if options.averages:
        _add_averages(structure, data, levels)
    else:
        _add_trajectories(structure, data, levels, notes)
    if options.times is not None:
        count = structure.times.size
        given = given_times(options.times, count, f"{source} has {count} lag times")
        if not np.allclose(given, structure.times, rtol=1e-3):
            raise DataError(
                f"{source}: --time gives {given.tolist()}, the file has {structure.times.tolist()}"
            )
    return structure


def _require(data: object, source: Source) -> None:
    needed = ("positions", "types", "box", "time", "time_indices")
    if not isinstance(data, dict):
        raise DataError(f"{source}: expected a pickled dictionary, got {type(data).__name__}")
    if missing := [name for name in needed if name not in data]:
        raise DataError(f"{source} lacks {', '.join(missing)}; it has {shown(', '.join(map(str, data)))}")


def _level_times(data: dict[str, Any], source: Source) -> np.ndarray:
    time = as_floats(data["time"], f"{source}: time", (None,))
    index = as_floats(data["time_indices"], f"{source}: time_indices", (None,))
    if index.size == 0 or index.min() < 0 or index.max() >= time.size or (index % 1).any():
        raise DataError(f"{source}: time_indices are not whole or point outside the {time.size} times")
    return time[index.astype(np.int64)]


def _add_averages(structure: SourceStructure, data: dict[str, Any], levels: np.ndarray) -> None:
    particles, name = len(structure.positions), structure.name
    targets = as_floats(data.get("targets"), f"{name}: targets", (levels.size, particles))
    if (targets < 0).any():
        raise DataError(f"{name}: targets hold negative mean displacements")
    order = np.argsort(levels)
    structure.propensity = targets[order]
    structure.times = checked_times(levels[order], f"{name}: time")


def _add_trajectories(
    structure: SourceStructure, data: dict[str, Any], levels: np.ndarray, notes: list[str]
) -> None:
    trajectories, name = data.get("trajectory_target_positions"), structure.name
    if not isinstance(trajectories, list) or not 0 < len(trajectories) <= levels.size:
        raise DataError(f"{name} has no trajectory_target_positions; take the averages with --averages")
    sizes = [len(level) if hasattr(level, "__len__") else 0 for level in trajectories]
    if 0 in sizes:
        raise DataError(f"{name}: each level of trajectory_target_positions must list its replicas")
    order = np.argsort(levels[: len(trajectories)])
    structure.times = checked_times(levels[: len(trajectories)][order], f"{name}: time")
    structure.replicas = sizes[0]
    structure.load = partial(_displacements, structure.source.path, structure.positions, order, sizes[0])
    if len(trajectories) < levels.size:
        say(
            notes,
            f"only {len(trajectories)} of {levels.size} lags have trajectories; the others are averages, "
            "which --averages imports instead",
        )


def _displacements(path: Path, initial: np.ndarray, order: np.ndarray, replicas: int) -> np.ndarray:
    trajectories: list[object] = load_pickle(path)["trajectory_target_positions"]
    name = f"{path}: trajectory_target_positions"
    check_expansion(name, 4 * len(order) * replicas * initial.size, path.stat().st_size)
    levels = [as_floats(trajectories[level], name, (replicas, *initial.shape)) for level in order]
    fields: np.ndarray = np.stack(levels, axis=1) - initial[None, None]
    return fields


FORMAT = DeepMind()
