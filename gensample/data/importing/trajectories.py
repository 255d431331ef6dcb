"""From frames of a trajectory format (LAMMPS dump, extxyz, GSD) to structures.

A displacement is a difference of unwrapped positions of one particle. It is never guessed by the minimum
image: a particle that moved more than half a box would be put back silently. Particles are told apart by
their ids where a format has them, else by their order.
"""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np

from gensample.data.importing.source import (
    Options,
    Source,
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
_HARMONICS = (1, 2, 3)
_COARSE = 0.01  # a spacing of printed positions that hides the motion


@dataclasses.dataclass
class Frame:
    """One frame: positions (N, 3) from the corner of the box, box (3,), time in LJ units when known.

    ids: (N,) when the format has them; resolution: spacing of the printed positions.
    """

    positions: np.ndarray
    types: np.ndarray
    box: np.ndarray
    unwrapped: bool
    ids: np.ndarray | None = None
    resolution: float = 0.0
    time: float | None = None
    step: int | None = None
    mixture: str | None = None
    temperature: float | None = None
    split: str | None = None


@dataclasses.dataclass
class Run:
    """A file whose frames follow one another."""

    source: Source
    frames: list[Frame]

    @property
    def start(self) -> Frame:
        """Its first frame."""
        return self.frames[0]

    def name(self, frame: Frame) -> str:
        """A frame in words."""
        number = next(i for i, other in enumerate(self.frames, 1) if other is frame)
        step = f" (timestep {frame.step})" if frame.step is not None else ""
        return f"{self.source}, frame {number}{step}"


def to_structures(
    files: dict[Source, list[Frame]], options: Options, notes: list[str], *, lags: bool
) -> list[SourceStructure]:
    """Each file one trajectory whose later frames are lags, or each frame a configuration of its own.

    lags: what frames are where the user does not say.

    Raises:
        DataError: ids, types, boxes, lag times, temperatures or splits do not fit together.
    """
    runs = [Run(source, frames) for source, frames in files.items()]
    for run in runs:
        for frame in run.frames:
            _sort_by_id(run, frame)
    if _wants_trajectory(runs, options, lags):
        say(notes, _LAGS)
        return _ensembles(runs, options, notes)
    if any(len(run.frames) > 1 for run in runs) and options.frames == "auto":
        say(
            notes,
            "each frame taken as a configuration of its own; --frames trajectory takes them as lag times",
        )
    return [_configuration(run, frame, options) for run in runs for frame in run.frames]


def _sort_by_id(run: Run, frame: Frame) -> None:
    # The third edge of a flat cell may be zero.
    if not (np.isfinite(frame.box).all() and (frame.box[:2] > 0).all() and frame.box[2] >= 0):
        raise DataError(f"{run.name(frame)}: box edges must be positive, got {frame.box.tolist()}")
    if frame.ids is None:
        return
    values, counts = np.unique(frame.ids, return_counts=True)
    if (counts > 1).any():
        raise DataError(f"{run.name(frame)}: particle ids repeat: {_list(values[counts > 1])}")
    order = np.argsort(frame.ids, kind="stable")
    frame.ids, frame.positions = frame.ids[order], frame.positions[order]
    frame.types = frame.types[order]


def _wants_trajectory(runs: list[Run], options: Options, lags: bool) -> bool:
    several = any(len(run.frames) > 1 for run in runs)
    if options.frames == "trajectory" and not several:
        raise DataError(f"--frames trajectory: {runs[0].source} and the others hold one frame each, no lag")
    return options.frames == "trajectory" or (options.frames == "auto" and lags and several)


def _configuration(run: Run, frame: Frame, options: Options) -> SourceStructure:
    return SourceStructure(
        name=str(run.source) if len(run.frames) == 1 else run.name(frame),
        source=run.source,
        positions=frame.positions,
        types=frame.types,
        box=frame.box,
        wrapped=not frame.unwrapped,
        mixture=frame.mixture,
        split=frame.split,
        temperature=frame.temperature,
    )


def _ensembles(runs: list[Run], options: Options, notes: list[str]) -> list[SourceStructure]:
    for run in runs:
        _check_run(run, options)
    alike = groups(runs)
    notes.append(f"{len(runs)} trajectories from {len(alike)} starting configurations")
    frames = common_length(runs)
    structures = []
    for group in alike:
        _check_group(group, options)
        for same in by_temperature(complete(group, frames, notes), options, notes):
            structures.append(_isoconfigurational(same, options, notes))
    return structures


def _check_run(run: Run, options: Options) -> None:
    """Every frame has the particles, types and box of the first, and unwrapped positions."""
    first = run.start
    for frame in run.frames:
        name = run.name(frame)
        if len(run.frames) > 1 and not frame.unwrapped:
            raise DataError(
                f"{name}: displacements need unwrapped positions (xu yu zu, or x y z with ix iy iz) in every "
                "frame; a minimum image would hide long moves"
            )
        _check_particles(name, frame, first, "the first frame")
        if not np.allclose(frame.box, first.box, rtol=1e-6):
            raise DataError(f"{name}: the box changes along the trajectory; it must not")
        for quantity in ("mixture", "split", *(["temperature"] if options.temperature is None else [])):
            ours, theirs = getattr(frame, quantity), getattr(first, quantity)
            if ours != theirs:
                raise DataError(
                    f"{name}: {quantity} {ours}, the first frame has {theirs}; a trajectory has one"
                )
    if min(frame.resolution for frame in run.frames) > _COARSE:
        raise DataError(f"{run.source}: positions have too few digits to be told apart; print six")


def _check_particles(name: str, frame: Frame, other: Frame, where: str) -> None:
    """Two frames hold the same particles: ids, or their number where there are none, and their types."""
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
    first = group[0]
    for run in group[1:]:
        where = str(first.source)
        _check_particles(run.name(run.start), run.start, first.start, where)
        if options.split == "auto" and (ours := _split(run)) != (theirs := _split(first)):
            raise DataError(
                f"{run.source} is in split {ours or 'auto'}, {where} in {theirs or 'auto'}, from one start; "
                "one configuration belongs to one split, see --split"
            )


def _split(run: Run) -> str | None:
    named = run.source.split
    return run.start.split or (named[0] if named else None)


def _isoconfigurational(group: list[Run], options: Options, notes: list[str]) -> SourceStructure:
    first = group[0]
    structure = _configuration(first, first.start, options)
    structure.name = str(first.source)
    structure.times = _times(first, options, notes)
    for run in group[1:]:
        times = _times(run, options, notes)
        if not np.allclose(times, structure.times):
            raise DataError(
                f"{run.source}: its lag times {times.tolist()} differ from those of {first.source}, "
                f"{structure.times.tolist()}, a replica of the same start"
            )
    fields = [np.stack([f.positions - run.start.positions for f in run.frames[1:]]) for run in group]
    stacked = np.stack(fields)
    structure.replicas, structure.load = len(group), lambda: stacked
    return structure


def _times(run: Run, options: Options, notes: list[str]) -> np.ndarray:
    """Lag times by every clock that there is: what the user says, times and steps of the frames."""
    name = str(run.source)
    clocks: dict[str, np.ndarray] = {}
    if options.times is not None:
        lags = len(run.frames) - 1
        clocks["--time"] = given_times(options.times, lags, f"{name} has {lags} frames after the first")
    times = [frame.time for frame in run.frames if frame.time is not None]
    if len(times) == len(run.frames):
        clocks[_STATED] = checked_times(np.asarray(times[1:]) - times[0], name)
    steps = [frame.step for frame in run.frames if frame.step is not None]
    if len(steps) == len(run.frames):
        lags_in_steps = checked_times(np.asarray(steps[1:]) - steps[0], f"{name} (in steps)")
        if options.timestep is not None:
            _add_steps(clocks, lags_in_steps * options.timestep, notes)
        elif "--time" in clocks and not _agree(*(t / t[0] for t in (lags_in_steps, clocks["--time"]))):
            say(notes, f"--time is not in proportion to the steps of the frames, {lags_in_steps.tolist()}")
    return _agreed(clocks, name)


def _add_steps(clocks: dict[str, np.ndarray], times: np.ndarray, notes: list[str]) -> None:
    """Steps by --timestep; where the frames say their times, these are right and a difference is noted."""
    stated = clocks.get(_STATED)
    if stated is None or _agree(stated, times):
        clocks["steps and --timestep"] = times
        return
    say(notes, f"--timestep not used, it would give lag times {times.tolist()}: the frames state others")


def _agreed(clocks: dict[str, np.ndarray], name: str) -> np.ndarray:
    if not clocks:
        raise DataError(
            f"{name}: lag times are not known; give --time, or --timestep for the length of one step"
        )
    (first, times), *others = clocks.items()
    for other, theirs in others:
        if not _agree(times, theirs):
            raise DataError(
                f"{name}: {first} gives lag times {times.tolist()}, {other} gives {theirs.tolist()}; "
                "leave out what is wrong"
            )
    return times


def _agree(a: np.ndarray, b: np.ndarray) -> bool:
    return np.allclose(a, b, rtol=_CLOCKS, atol=0)


# Which trajectories start from one configuration, and which of them are whole.


def groups(runs: list[Run]) -> list[list[Run]]:
    """Runs by their starting configuration, to the digits that are printed.

    Raises:
        DataError: two starts are nearly the same, or the same in another order or place.
    """
    found: list[list[Run]] = []
    for run in runs:
        group = next((g for g in found if _same(g[0], run)), None)
        if group is None:
            found.append(group := [])
        group.append(run)
    return found


def _same(a: Run, b: Run) -> bool:
    x, y = a.start, b.start
    if x.positions.shape != y.positions.shape or not np.allclose(x.box, y.box, rtol=0.01):
        return False
    tolerance = max(_SAME, 2 * x.resolution, 2 * y.resolution)
    difference = nearest_image(y.positions - x.positions, x.box)
    distance = float(np.abs(difference).max())
    if distance <= tolerance and np.allclose(x.box, y.box):
        return True
    if why := _near_miss(difference, x, y, tolerance):
        raise DataError(
            f"{b.source} starts nearly where {a.source} does: {why}. Replicas start from the same positions, "
            f"to {tolerance:.1g} by the digits printed; leave one of the two out or write them alike"
        )
    return False


def _near_miss(difference: np.ndarray, x: Frame, y: Frame, tolerance: float) -> str:
    """How two starts that differ are still alike, in words; empty when they are not."""
    size = np.abs(difference).max(axis=1)
    if np.median(size) < _NEAR:
        if size.max() <= tolerance:
            return f"the boxes differ, {x.box.tolist()} and {y.box.tolist()}"
        return f"particles lie up to {size.max():.3g} apart, half of them {np.median(size):.3g}"
    moved = nearest_image(difference - difference[0], x.box)
    if np.median(np.abs(moved).max(axis=1)) < _NEAR:
        return "all particles lie in another place by one and the same vector"
    rounding = 2 * np.pi * max(_HARMONICS) * tolerance / x.box[:2].min() * 3 * np.sqrt(len(size))
    if np.abs(_waves(x) - _waves(y)).max() < rounding:
        return "the particles come in another order"
    return ""


def _waves(frame: Frame) -> np.ndarray:
    """Density waves along the edges, which know no order of the particles."""
    phase = 2j * np.pi * frame.positions[:, :2] / frame.box[:2]
    return np.stack([np.exp(m * phase).sum(axis=0) for m in _HARMONICS])


def nearest_image(difference: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Vectors by the minimum image; an edge of zero, as of a flat cell, is not periodic."""
    edge = np.where(box > 0, box, np.inf)
    return difference - np.where(box > 0, box, 0.0) * np.round(difference / edge)


def common_length(runs: list[Run]) -> int:
    """Number of frames that most runs have; the largest where several numbers are as frequent.

    Raises:
        DataError: a run has more.
    """
    frequent = Counter(len(run.frames) for run in runs)
    length = max(frequent, key=lambda frames: (frequent[frames], frames))
    for run in runs:
        if len(run.frames) > length:
            raise DataError(
                f"{run.source} has {len(run.frames)} frames, most of the others have {length}; "
                "cut it to them or import it apart"
            )
    return length


def complete(group: list[Run], length: int, notes: list[str]) -> list[Run]:
    """The runs of a group that have all frames; those that a kill cut short are left out and named.

    Raises:
        DataError: none has.
    """
    whole = [run for run in group if len(run.frames) == length]
    if not whole:
        raise DataError(
            f"{group[0].source} has {len(group[0].frames)} frames, the other starts have {length}; "
            "leave it out or import it apart"
        )
    for run in group:
        if len(run.frames) < length:
            notes.append(f"{run.source} is short, {len(run.frames)} of {length} frames: left out")
    return whole


def by_temperature(group: list[Run], options: Options, notes: list[str]) -> list[list[Run]]:
    """Runs of one start, an ensemble for each temperature that files or folders say.

    Raises:
        DataError: the user says one temperature for all, and the runs say several.
    """
    parts: dict[float | None, list[Run]] = {}
    for run in group:
        own = temperature_of(run.source, run.start.temperature, Options())
        parts.setdefault(own, []).append(run)
    stated = {t: runs[0].source for t, runs in parts.items() if t is not None}
    if len(stated) < 2 and (options.temperature is not None or len(parts) < 2):
        return [group]
    where = " and ".join(f"T = {t:g} ({source})" for t, source in stated.items())
    if options.temperature is not None:
        raise DataError(f"--temperature {options.temperature:g}: replicas of one start have {where}")
    notes.append(f"runs of one start at {where}: an ensemble at each temperature")
    return list(parts.values())
