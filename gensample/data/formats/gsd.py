"""GSD trajectories of HOOMD-blue, read when the optional package ``gsd`` is installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gensample.data.formats.base import (
    SPECIES_LETTERS,
    Format,
    Options,
    Structure,
    as_positions,
    natural_order,
)
from gensample.data.formats.trajectories import Frame, to_structures, wants_trajectory
from gensample.errors import DataError, MissingDependencyError

_MAGIC = bytes.fromhex("df65df65df65df65")


class WritableFrame(Protocol):
    """What ``write`` needs of a frame: positions (N, d) and box (d,)."""

    positions: np.ndarray
    box: np.ndarray


def sniff(path: Path, head: bytes) -> bool:
    """The eight bytes that begin a GSD file."""
    return head[:8] in (_MAGIC, _MAGIC[::-1])


def read(files: list[Path], options: Options, notes: list[str]) -> list[Structure]:
    """Structures of GSD files; positions are unwrapped by their image flags.

    Raises:
        MissingDependencyError: gsd is not installed.
    """
    frames = {path: _frames(path) for path in sorted(files, key=natural_order)}
    notes.append("positions unwrapped by the image flags of the file")
    return to_structures(frames, options, notes, trajectory=wants_trajectory(frames, options, True))


def _library() -> Any:
    try:
        import gsd.hoomd
    except ImportError:
        raise MissingDependencyError("GSD files need the package gsd: pip install 'gensample[io]'") from None
    return gsd.hoomd


def _frames(path: Path) -> list[Frame]:
    library = _library()
    try:
        with library.open(str(path), "r") as trajectory:
            return [_frame(path, snapshot) for snapshot in trajectory]
    except DataError:
        raise
    except Exception as error:  # a damaged file raises OSError, RuntimeError or KeyError, by where it is cut
        raise DataError(f"{path} is not a readable GSD file ({type(error).__name__}: {error})") from None


def _frame(path: Path, snapshot: Any) -> Frame:
    length = np.asarray(snapshot.configuration.box[:3], np.float64)
    if np.abs(snapshot.configuration.box[3:]).max() > 0:
        raise DataError(f"{path}: tilted boxes cannot be imported")
    if snapshot.configuration.dimensions == 2:
        length[2] = 1.0
    positions = as_positions(snapshot.particles.position, f"{path}: positions")
    image = np.asarray(snapshot.particles.image, np.float64)
    return Frame(
        positions=positions + length / 2 + image * length,
        types=np.asarray(snapshot.particles.typeid, np.int64),
        box=length,
        unwrapped=True,
        step=int(snapshot.configuration.step),
    )


def write(path: Path, frames: Sequence[WritableFrame], species: np.ndarray) -> None:
    """Write frames with wrapped positions and image flags.

    Raises:
        MissingDependencyError: gsd is not installed.
    """
    library = _library()
    with library.open(str(path), "w") as trajectory:
        for number, frame in enumerate(frames):
            trajectory.append(_snapshot(library, frame, species, number))


def _snapshot(library: Any, frame: WritableFrame, species: np.ndarray, number: int) -> Any:
    dimension = frame.positions.shape[1]
    snapshot = library.Frame()
    snapshot.configuration.step = number
    snapshot.configuration.dimensions = dimension
    snapshot.configuration.box = [*frame.box, *[1.0] * (3 - dimension), 0, 0, 0]
    image = np.floor(frame.positions / frame.box).astype(np.int32)
    flat = np.zeros((len(species), 3 - dimension))
    snapshot.particles.N = len(species)
    snapshot.particles.types = [SPECIES_LETTERS[i] for i in range(int(species.max()) + 1)]
    snapshot.particles.typeid = species.astype(np.uint32)
    snapshot.particles.position = np.hstack([frame.positions - image * frame.box - frame.box / 2, flat])
    snapshot.particles.image = np.hstack([image, flat.astype(np.int32)])
    return snapshot


FORMAT = Format("gsd", sniff, read)
