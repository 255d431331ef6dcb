"""From frames of a trajectory format (LAMMPS dump, extxyz, GSD) to structures.

A displacement is a difference of unwrapped positions. It is never guessed by the minimum image: a particle
that moved more than half a box would be put back silently.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from gensample.data.formats.base import (
    Options,
    Structure,
    checked_times,
    known_temperature,
    split_of,
    temperature_of,
)
from gensample.errors import DataError


@dataclasses.dataclass
class Frame:
    """One frame: positions (N, 3) from the corner of the box, box (3,), time in LJ units when known."""

    positions: np.ndarray
    types: np.ndarray
    box: np.ndarray
    unwrapped: bool
    time: float | None = None
    step: int | None = None
    temperature: float | None = None
    split: str | None = None


def to_structures(
    frames: dict[Path, list[Frame]], options: Options, notes: list[str], *, trajectory: bool
) -> list[Structure]:
    """Each file one trajectory whose later frames are lags, or each frame a configuration of its own."""
    if not trajectory:
        return [
            _configuration(str(path) if len(file) == 1 else f"{path}, frame {i}", path, frame, options)
            for path, file in frames.items()
            for i, frame in enumerate(file)
        ]
    notes.append(
        "frames after the first are lag times; files that start from the same positions are replicas"
    )
    groups: list[list[tuple[Path, list[Frame]]]] = []
    for path, file in frames.items():
        group = next((g for g in groups if _same_start(g[0][1][0], file[0])), None)
        if group is None:
            groups.append(group := [])
        group.append((path, file))
    notes.append(f"{len(frames)} trajectories from {len(groups)} starting configurations")
    return [_isoconfigurational(group, options) for group in groups]


def _same_start(a: Frame, b: Frame) -> bool:
    if a.positions.shape != b.positions.shape or not np.allclose(a.box, b.box):
        return False
    difference = a.positions - b.positions
    difference -= a.box * np.round(difference / a.box)
    return bool(np.abs(difference).max() < 1e-5)


def _configuration(name: str, path: Path, frame: Frame, options: Options) -> Structure:
    return Structure(
        name=name,
        positions=frame.positions,
        types=frame.types,
        box=frame.box,
        wrapped=not frame.unwrapped,
        split=frame.split or split_of(path),
        temperature=known_temperature(
            frame.temperature if frame.temperature is not None else temperature_of(path), options
        ),
    )


def _isoconfigurational(group: list[tuple[Path, list[Frame]]], options: Options) -> Structure:
    path, first = group[0]
    structure = _configuration(str(path), path, first[0], options)
    structure.times = _times(path, first, options)
    for other, frames in group:
        _check_trajectory(other, frames, first)
        if not np.allclose(_times(other, frames, options), structure.times):
            raise DataError(
                f"{other}: its lag times differ from those of {path}, a replica of the same start"
            )
    fields = [np.stack([f.positions - frames[0].positions for f in frames[1:]]) for _, frames in group]
    stacked = np.stack(fields)
    structure.replicas, structure.load = len(group), lambda: stacked
    return structure


def _check_trajectory(path: Path, frames: list[Frame], first: list[Frame]) -> None:
    if len(frames) != len(first):
        raise DataError(f"{path} has {len(frames)} frames, the other replicas have {len(first)}")
    for frame in frames:
        if not frame.unwrapped:
            raise DataError(
                f"{path}: displacements need unwrapped positions (xu yu zu, or x y z with ix iy iz) in every "
                "frame; a minimum image would hide long moves"
            )
        if not np.allclose(frame.box, frames[0].box, rtol=1e-6):
            raise DataError(
                f"{path}: the box changes along the trajectory; only constant volume is supported"
            )
        if not np.array_equal(frame.types, first[0].types):
            raise DataError(f"{path}: particle types change between frames or replicas")


def _times(path: Path, frames: list[Frame], options: Options) -> np.ndarray:
    lags = len(frames) - 1
    if options.times is not None:
        if len(options.times) != lags:
            raise DataError(f"{path} has {lags} frames after the first, --time gives {len(options.times)}")
        return checked_times(options.times, str(path))
    clock = [frame.time for frame in frames]
    known = [t for t in clock if t is not None]
    if len(known) == len(frames):
        return checked_times(np.diff(known, prepend=known[0]).cumsum()[1:], str(path))
    steps = [frame.step for frame in frames if frame.step is not None]
    if options.timestep is None or len(steps) != len(frames):
        raise DataError(
            f"{path}: lag times are not known; give --time, or --timestep for the length of one step"
        )
    return checked_times((np.asarray(steps[1:]) - steps[0]) * options.timestep, str(path))


def wants_trajectory(frames: dict[Path, list[Frame]], options: Options, default: bool) -> bool:
    """Whether frames are lags: what the user says, else the format's default when files have several."""
    if options.frames != "auto":
        return options.frames == "trajectory" and all(len(file) > 1 for file in frames.values())
    return default and all(len(file) > 1 for file in frames.values())
