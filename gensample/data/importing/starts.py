"""Which trajectories start from one configuration, and which of them are whole."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from gensample.data.importing.base import Options, temperature_of
from gensample.errors import DataError

if TYPE_CHECKING:
    from gensample.data.importing.trajectories import Frame, Run

_SAME = 1e-5  # the least distance that tells two starts apart, in units of sigma
_NEAR = 0.015  # vibrations alone take most particles farther than this from where they were
_HARMONICS = (1, 2, 3)


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
