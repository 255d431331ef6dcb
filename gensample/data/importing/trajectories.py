"""From frames of a trajectory format (LAMMPS dump, extxyz, GSD), structures each, to ensembles of them.

A displacement is a difference of unwrapped positions of one particle. It is never guessed by the minimum
image: a particle that moved more than half a box would be put back silently. Particles are told apart by
their ids where a format has them, else by their order.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from gensample.data.door import DRIFT_TOLERANCE
from gensample.data.importing.checks import density_waves, rounding_of_waves
from gensample.data.importing.source import (
    DISPLACEMENT,
    Options,
    SourceStructure,
    checked_times,
    given_times,
    say,
    temperature_of,
)
from gensample.errors import DataError
from gensample.ranges import shown

# Two clocks of one file agree to the digits that people type.
_CLOCKS = 1e-3
_LAGS = "frames after the first are lag times; files that start from the same positions are replicas"
_STATED = "the time of the frames"
_SAME = 1e-5  # the least distance that tells two starts apart, in units of sigma
_NEAR = 0.015  # vibrations alone take most particles farther than this from where they were
_COARSE = 0.01  # a spacing of printed positions that hides the motion


Run = list[SourceStructure]
"""The frames of a file, which follow one another."""


def to_structures(
    runs: list[Run], options: Options, notes: list[str], *, lags: bool
) -> list[SourceStructure]:
    """Each file one trajectory whose later frames are lags, or each frame a configuration of its own.

    lags: what frames are where the user does not say.

    Raises:
        DataError: ids, types, boxes, lag times, temperatures or splits do not fit together.
    """
    for run in runs:
        for number, frame in enumerate(run, 1):
            step = f" (timestep {frame.step})" if frame.step is not None else ""
            frame.name = f"{frame.source}, frame {number}{step}"
            _sort_by_id(frame)
    several = any(len(run) > 1 for run in runs)
    if options.frames == "trajectory" and not several:
        raise DataError(
            f"--frames trajectory: {runs[0][0].source} and the others hold one frame each, no lag"
        )
    if options.frames == "trajectory" or (options.frames == "auto" and lags and several):
        say(notes, _LAGS)
        return _ensembles(runs, options, notes)
    if several and options.frames == "auto":
        say(
            notes,
            "each frame taken as a configuration of its own; --frames trajectory takes them as lag times",
        )
    for run in runs:
        run[0].name = str(run[0].source) if len(run) == 1 else run[0].name
    return [frame for run in runs for frame in run]


def _sort_by_id(frame: SourceStructure) -> None:
    assert frame.box is not None
    # The third edge of a flat cell may be zero.
    if not (np.isfinite(frame.box).all() and (frame.box[:2] > 0).all() and frame.box[2] >= 0):
        raise DataError(f"{frame.name}: box edges must be positive, got {frame.box.tolist()}")
    if frame.ids is None:
        return
    values, counts = np.unique(frame.ids, return_counts=True)
    if (counts > 1).any():
        raise DataError(f"{frame.name}: particle ids repeat: {_list(values[counts > 1])}")
    order = np.argsort(frame.ids, kind="stable")
    frame.ids, frame.positions, frame.types = frame.ids[order], frame.positions[order], frame.types[order]
    if frame.displacement is not None:
        frame.displacement = frame.displacement[order]


def _ensembles(runs: list[Run], options: Options, notes: list[str]) -> list[SourceStructure]:
    for run in runs:
        _check_run(run, options)
    alike = _groups(runs)
    notes.append(f"{len(runs)} trajectories from {len(alike)} starting configurations")
    length = _common_length(runs)
    structures = []
    for group in alike:
        _check_group(group, options)
        for same in _by_temperature(_complete(group, length, notes), options, notes):
            structures.append(_isoconfigurational(same, options, notes))
    return structures


def _check_run(run: Run, options: Options) -> None:
    """Every frame has the particles, types and box of the first, and unwrapped positions."""
    first = run[0]
    for frame in run:
        if len(run) > 1 and frame.wrapped:
            raise DataError(
                f"{frame.name}: displacements need unwrapped positions (xu yu zu, or x y z with ix iy iz) in "
                "every frame; a minimum image would hide long moves"
            )
        _check_particles(frame, first, "the first frame")
        if not np.allclose(frame.box, first.box, rtol=1e-6):  # type: ignore[arg-type]
            raise DataError(f"{frame.name}: the box changes along the trajectory; it must not")
        for quantity in ("mixture", "split", *(["temperature"] if options.temperature is None else [])):
            ours, theirs = getattr(frame, quantity), getattr(first, quantity)
            if ours != theirs:
                raise DataError(
                    f"{frame.name}: {quantity} {ours}, the first frame has {theirs}; a trajectory has one"
                )
    if min(frame.resolution for frame in run) > _COARSE:
        raise DataError(f"{first.source}: positions have too few digits to be told apart; print six")


def _check_particles(frame: SourceStructure, other: SourceStructure, where: str) -> None:
    """Two frames hold the same particles: ids, or their number where there are none, and their types."""
    name = frame.name
    if (frame.ids is None) != (other.ids is None):
        raise DataError(f"{name}: one frame has particle ids and {where} has none, or the other way round")
    if frame.ids is not None and other.ids is not None and not np.array_equal(frame.ids, other.ids):
        new, gone = np.setdiff1d(frame.ids, other.ids), np.setdiff1d(other.ids, frame.ids)
        words = [f"{_list(ids)} {what}" for ids, what in ((gone, "is gone"), (new, "is new")) if ids.size]
        raise DataError(f"{name}: the set of particle ids differs from that of {where}: {', '.join(words)}")
    if len(frame.positions) != len(other.positions):
        raise DataError(f"{name} has {len(frame.positions)} particles, {where} has {len(other.positions)}")
    changed = np.flatnonzero(frame.types.astype(str) != other.types.astype(str))
    if changed.size:
        i = int(changed[0])
        particle = f"id {frame.ids[i]}" if frame.ids is not None else f"number {i + 1} of the file"
        raise DataError(
            f"{name}: the particle of {particle} has type {shown(str(frame.types[i]))}, "
            f"{shown(str(other.types[i]))} in {where} ({changed.size} such particles)"
        )


def _list(ids: np.ndarray) -> str:
    return ", ".join(map(str, ids[:5].tolist())) + (f" and {ids.size - 5} more" if ids.size > 5 else "")


def _check_group(group: list[Run], options: Options) -> None:
    """Replicas hold the same particles and belong to one split."""
    first, *others = [run[0] for run in group]
    for start in others:
        where = str(first.source)
        _check_particles(start, first, where)
        if options.split == "auto" and (ours := _split(start)) != (theirs := _split(first)):
            raise DataError(
                f"{start.source} is in split {ours or 'auto'}, {where} in {theirs or 'auto'}, from one "
                "start; one configuration belongs to one split, see --split"
            )


def _split(start: SourceStructure) -> str | None:
    named = start.source.split
    return start.split or (named[0] if named else None)


def _isoconfigurational(group: list[Run], options: Options, notes: list[str]) -> SourceStructure:
    first = group[0][0]
    times = _times(group[0], options, notes)
    for run in group[1:]:
        if not np.allclose(theirs := _times(run, options, notes), times):
            raise DataError(
                f"{run[0].source}: its lag times {theirs.tolist()} differ from those of {first.source}, "
                f"{times.tolist()}, a replica of the same start"
            )
    stated = [_stated(run) for run in group]
    known = [field for field in stated if field is not None]
    drift_free = len(known) == len(group)
    if drift_free:
        say(notes, f"displacements are those of the column {DISPLACEMENT}")
    u = np.stack(known if drift_free else [np.stack(list(_differences(run))) for run in group])
    how: dict[str, Any] = {"times": times, "replicas": len(group), "drift_free": drift_free}
    return dataclasses.replace(first, name=str(first.source), load=lambda: u, **how)


def _differences(run: Run) -> Iterator[np.ndarray]:
    """Displacements (N, d) of each frame after the first."""
    return (frame.positions - run[0].positions for frame in run[1:])


def _stated(run: Run) -> np.ndarray | None:
    """Displacements (K, N, d) of a column of that name, where it is what ours is: exact, without drift.

    Raises:
        DataError: it says that the first frame is no start.
    """
    start, *later = (frame.displacement for frame in run)
    if start is None or any(u is None for u in later):
        return None
    if start.any():
        raise DataError(
            f"{run[0].name} is no start: its column {DISPLACEMENT} is not zero. One frame a replica is no "
            "trajectory; --frames configurations takes each as a configuration"
        )
    found = np.stack([np.asarray(u) for u in later])
    apart = np.stack(list(_differences(run))) - found
    printed = 1e-6 + 2 * max(frame.resolution for frame in run)
    fits = np.abs(apart).max() < printed and np.abs(found.mean(axis=1)).max() < DRIFT_TOLERANCE
    return found if fits else None


def _times(run: Run, options: Options, notes: list[str]) -> np.ndarray:
    """Lag times by every clock that there is: what the user says, times and steps of the frames."""
    name = str(run[0].source)
    clocks: dict[str, np.ndarray] = {}
    if options.times is not None:
        lags = len(run) - 1
        clocks["--time"] = given_times(options.times, lags, f"{name} has {lags} frames after the first")
    if len(times := [frame.time for frame in run if frame.time is not None]) == len(run):
        clocks[_STATED] = checked_times(np.asarray(times[1:]) - times[0], name)
    if len(steps := [frame.step for frame in run if frame.step is not None]) == len(run):
        lags_in_steps = checked_times(np.asarray(steps[1:]) - steps[0], f"{name} (in steps)")
        if options.timestep is not None:
            _add_steps(clocks, lags_in_steps * options.timestep, notes)
        elif "--time" in clocks and not _agree(*(t / t[0] for t in (lags_in_steps, clocks["--time"]))):
            say(notes, f"--time is not in proportion to the steps of the frames, {lags_in_steps.tolist()}")
    if not clocks:
        raise DataError(
            f"{name}: lag times are not known; give --time, or --timestep for the length of one step"
        )
    (first, found), *others = clocks.items()
    for other, theirs in others:
        if not _agree(found, theirs):
            raise DataError(
                f"{name}: {first} gives lag times {found.tolist()}, {other} gives {theirs.tolist()}; "
                "leave out what is wrong"
            )
    return found


def _add_steps(clocks: dict[str, np.ndarray], times: np.ndarray, notes: list[str]) -> None:
    """Steps by --timestep; where the frames say their times, these are right and a difference is noted."""
    stated = clocks.get(_STATED)
    if stated is None or _agree(stated, times):
        clocks["steps and --timestep"] = times
        return
    say(notes, f"--timestep not used, it would give lag times {times.tolist()}: the frames state others")


def _agree(a: np.ndarray, b: np.ndarray) -> bool:
    return np.allclose(a, b, rtol=_CLOCKS, atol=0)


# Which trajectories start from one configuration, and which of them are whole.


def _groups(runs: list[Run]) -> list[list[Run]]:
    """Runs by their starting configuration, to the digits that are printed.

    Raises:
        DataError: two starts are nearly the same, or the same in another order or place.
    """
    found: list[list[Run]] = []
    for run in runs:
        group = next((g for g in found if _same(g[0][0], run[0])), None)
        if group is None:
            found.append(group := [])
        group.append(run)
    return found


def _same(x: SourceStructure, y: SourceStructure) -> bool:
    assert x.box is not None
    assert y.box is not None
    if x.positions.shape != y.positions.shape or not np.allclose(x.box, y.box, rtol=0.01):
        return False
    tolerance = max(_SAME, 2 * x.resolution, 2 * y.resolution)
    difference = _nearest_image(y.positions - x.positions, x.box)
    distance = float(np.abs(difference).max())
    if distance <= tolerance and np.allclose(x.box, y.box):
        return True
    if why := _near_miss(difference, x, y, tolerance):
        raise DataError(
            f"{y.source} starts nearly where {x.source} does: {why}. Replicas start from the same positions, "
            f"to {tolerance:.1g} by the digits printed; leave one of the two out or write them alike"
        )
    return False


def _near_miss(difference: np.ndarray, x: SourceStructure, y: SourceStructure, tolerance: float) -> str:
    """How two starts that differ are still alike, in words; empty when they are not."""
    assert x.box is not None
    assert y.box is not None
    size = np.abs(difference).max(axis=1)
    if np.median(size) < _NEAR:
        if size.max() <= tolerance:
            return f"the boxes differ, {x.box.tolist()} and {y.box.tolist()}"
        return f"particles lie up to {size.max():.3g} apart, half of them {np.median(size):.3g}"
    moved = _nearest_image(difference - difference[0], x.box)
    if np.median(np.abs(moved).max(axis=1)) < _NEAR:
        return "all particles lie in another place by one and the same vector"
    # A cell may be flat: along its third edge there is nothing to compare.
    waves = [density_waves(frame.positions[:, :2], frame.box[:2]) for frame in (x, y)]  # type: ignore[index]
    if np.abs(waves[1] - waves[0]).max() < rounding_of_waves(tolerance, x.box[:2], len(size)):
        return "the particles come in another order"
    return ""


def _nearest_image(difference: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Vectors by the minimum image; an edge of zero, as of a flat cell, is not periodic."""
    edge = np.where(box > 0, box, np.inf)
    return difference - np.where(box > 0, box, 0.0) * np.round(difference / edge)


def _common_length(runs: list[Run]) -> int:
    """Number of frames that most runs have; the largest where several numbers are as frequent.

    Raises:
        DataError: a run has more.
    """
    frequent = Counter(len(run) for run in runs)
    length = max(frequent, key=lambda frames: (frequent[frames], frames))
    for run in runs:
        if len(run) > length:
            raise DataError(
                f"{run[0].source} has {len(run)} frames, most of the others have {length}; "
                "cut it to them or import it apart"
            )
    return length


def _complete(group: list[Run], length: int, notes: list[str]) -> list[Run]:
    """The runs of a group that have all frames; those that a kill cut short are left out and named.

    Raises:
        DataError: none has.
    """
    whole = [run for run in group if len(run) == length]
    if not whole:
        raise DataError(
            f"{group[0][0].source} has {len(group[0])} frames, the other starts have {length}; "
            "leave it out or import it apart"
        )
    for run in group:
        if len(run) < length:
            notes.append(f"{run[0].source} is short, {len(run)} of {length} frames: left out")
    return whole


def _by_temperature(group: list[Run], options: Options, notes: list[str]) -> list[list[Run]]:
    """Runs of one start, an ensemble for each temperature that files or folders say.

    Raises:
        DataError: the user says one temperature for all, and the runs say several.
    """
    parts: dict[float | None, list[Run]] = {}
    for run in group:
        own = temperature_of(run[0].source, run[0].temperature, Options())
        parts.setdefault(own, []).append(run)
    stated = {t: runs[0][0].source for t, runs in parts.items() if t is not None}
    if len(stated) < 2 and (options.temperature is not None or len(parts) < 2):
        return [group]
    where = " and ".join(f"T = {t:g} ({source})" for t, source in stated.items())
    if options.temperature is not None:
        raise DataError(f"--temperature {options.temperature:g}: replicas of one start have {where}")
    notes.append(f"runs of one start at {where}: an ensemble at each temperature")
    return list(parts.values())
