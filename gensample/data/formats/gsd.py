"""GSD trajectories of HOOMD-blue, read when the optional package ``gsd`` is installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np

from gensample.data.formats import Format
from gensample.data.importing.source import (
    Options,
    OutputFrame,
    Source,
    SourceStructure,
    as_floats,
    as_positions,
    as_types,
    check_expansion,
)
from gensample.data.importing.trajectories import Frame, to_structures
from gensample.errors import DataError, MissingDependencyError
from gensample.ranges import shown
from gensample.text import printable

_MAGIC = bytes.fromhex("df65df65df65df65")


def sniff(path: Path, head: bytes) -> bool:
    """The eight bytes that begin a GSD file."""
    return head[:8] in (_MAGIC, _MAGIC[::-1])


def read(files: list[Source], options: Options, notes: list[str]) -> list[SourceStructure]:
    """Structures of GSD files; positions are unwrapped by their image flags.

    Raises:
        MissingDependencyError: gsd is not installed.
    """
    frames = {source: _frames(source.path) for source in files}
    notes.append("positions unwrapped by the image flags of the file")
    return to_structures(frames, options, notes, lags=True)


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
            size = path.stat().st_size
            frames = []
            for number in range(len(trajectory)):
                _check_size(path, trajectory.file, number, size)
                frames.append(_frame(f"{path}, frame {number + 1}", trajectory[number]))
    except DataError:
        raise
    except Exception as error:  # a damaged file raises OSError, RuntimeError or KeyError, by where it is cut
        reason = printable(f"{type(error).__name__}: {error}")[:200]
        raise DataError(f"{path} is not a readable GSD file ({reason})") from None
    if not frames:
        raise DataError(f"{path} has no frame")
    return frames


def _check_size(path: Path, file: Any, frame: int, size: int) -> None:
    """The particles that a frame counts fit into the file: what it leaves out is filled with defaults."""
    for number in {0, frame}:
        if file.chunk_exists(frame=number, name="particles/N"):
            particles = int(file.read_chunk(frame=number, name="particles/N")[0])
            check_expansion(f"{path}: {particles} particles", 64 * particles, size)


def _frame(name: str, snapshot: Any) -> Frame:
    length = np.asarray(snapshot.configuration.box[:3], np.float64)
    if np.any(snapshot.configuration.box[3:]):
        raise DataError(f"{name}: tilted boxes cannot be imported")
    if snapshot.configuration.dimensions == 2:
        length[2] = 1.0
    count = int(snapshot.particles.N)
    positions = as_positions(snapshot.particles.position, f"{name}: positions", count)
    image = as_floats(snapshot.particles.image, f"{name}: image flags", (count, 3))
    return Frame(
        positions=positions + length / 2 + image * length,
        types=_types(name, snapshot.particles, count),
        box=length,
        unwrapped=True,
        resolution=float(np.spacing(np.float32(np.abs(positions).max()))),
        step=int(snapshot.configuration.step),
    )


def _types(name: str, particles: Any, count: int) -> np.ndarray:
    """Names of the types (N,), whatever their order in the file."""
    number = as_types(particles.typeid, f"{name}: typeid", count).astype(np.int64)
    names = list(particles.types)
    if number.max() >= len(names) or len(set(names)) < len(names):
        raise DataError(
            f"{name}: types {number.min()} to {number.max()}, with names {shown(', '.join(names))}"
        )
    return np.array(names)[number]


def write(path: Path, frames: Sequence[OutputFrame], species: np.ndarray) -> None:
    """Write frames with wrapped positions and image flags.

    Raises:
        MissingDependencyError: gsd is not installed.
    """
    library = _library()
    with library.open(str(path), "w") as trajectory:
        for number, frame in enumerate(frames):
            missing = 3 - len(frame.box)
            snapshot = library.Frame()
            snapshot.configuration.step = number
            snapshot.configuration.dimensions = len(frame.box)
            snapshot.configuration.box = [*frame.box, *[1.0] * missing, 0, 0, 0]
            image = np.floor(frame.positions / frame.box).astype(np.int32)
            wrapped = frame.positions - image * frame.box - frame.box / 2
            snapshot.particles.N = len(species)
            snapshot.particles.types = list(ascii_uppercase[: int(species.max()) + 1])
            snapshot.particles.typeid = species.astype(np.uint32)
            snapshot.particles.position = np.pad(wrapped, ((0, 0), (0, missing)))
            snapshot.particles.image = np.pad(image, ((0, 0), (0, missing)))
            trajectory.append(snapshot)


FORMAT = Format("gsd", sniff, read, frozenset({"frames", "timestep"}), write=write)
