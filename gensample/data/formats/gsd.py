"""GSD trajectories of HOOMD-blue, read when the optional package ``gsd`` is installed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np

from gensample.data.formats import FrameFormat
from gensample.data.importing.cells import lay
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
from gensample.data.importing.trajectories import Run
from gensample.errors import DataError, MissingDependencyError
from gensample.ranges import shown
from gensample.text import printable

_MAGIC = bytes.fromhex("df65df65df65df65")


class Gsd(FrameFormat):
    """Frames of GSD files; MissingDependencyError without the package."""

    name = "gsd"
    options = frozenset({"frames", "timestep"})
    note = "positions unwrapped by the image flags of the file"

    def sniff(self, path: Path, head: bytes) -> bool:
        """The eight bytes that begin a GSD file."""
        return head[:8] in (_MAGIC, _MAGIC[::-1])

    def frames(self, source: Source, options: Options, notes: list[str]) -> Run:
        """Frames of one file; DataError where it is damaged."""
        path, library, frames = source.path, _library(), []
        try:
            with library.open(str(path), "r") as trajectory:
                for number in range(len(trajectory)):
                    _check_size(path, trajectory.file, number)
                    frames.append(_frame(f"{path}, frame {number + 1}", source, trajectory[number], notes))
        except DataError:
            raise
        except Exception as error:  # a damaged file raises OSError, RuntimeError or KeyError, by its cut
            reason = printable(f"{type(error).__name__}: {error}")[:200]
            raise DataError(f"{path} is not a readable GSD file ({reason})") from None
        return frames

    def write(self, path: Path, frames: Sequence[OutputFrame], species: np.ndarray) -> None:
        """Write frames with wrapped positions and image flags; columns are logged quantities.

        Raises:
            MissingDependencyError: gsd is not installed.
        """
        library = _library()
        with library.open(str(path), "w") as trajectory:
            for number, frame in enumerate(frames):
                cell = frame.cell
                inside, images = frame.wrapped()
                snapshot = library.Frame()
                snapshot.configuration.step = number if frame.step is None else frame.step
                snapshot.configuration.dimensions = frame.dimension
                # Tilts of HOOMD are in units of the edges along which the box leans.
                tilts = cell[[1, 2, 2], [0, 0, 1]] / np.diag(cell)[[1, 2, 2]]
                snapshot.configuration.box = [*np.diag(cell), *tilts]
                snapshot.particles.N = len(species)
                snapshot.particles.types = list(ascii_uppercase[: int(species.max()) + 1])
                snapshot.particles.typeid = species.astype(np.uint32)
                center = np.where(np.arange(3) < frame.dimension, cell.sum(axis=0) / 2, 0.0)
                snapshot.particles.position = inside - center
                snapshot.particles.image = images
                snapshot.log = {f"particles/{name}": c for name, c in frame.columns_in_space().items()}
                trajectory.append(snapshot)


def _library() -> Any:
    try:
        import gsd.hoomd
    except ImportError:
        raise MissingDependencyError("GSD files need the package gsd: pip install 'gensample[io]'") from None
    return gsd.hoomd


def _check_size(path: Path, file: Any, frame: int) -> None:
    """The particles that a frame counts fit into the file: what it leaves out is filled with defaults."""
    for number in {0, frame}:
        if file.chunk_exists(frame=number, name="particles/N"):
            particles = int(file.read_chunk(frame=number, name="particles/N")[0])
            check_expansion(f"{path}: {particles} particles", 64 * particles, path.stat().st_size)


def _frame(name: str, source: Source, snapshot: Any, notes: list[str]) -> SourceStructure:
    cell = _cell(snapshot.configuration)
    count = int(snapshot.particles.N)
    positions = as_positions(snapshot.particles.position, f"{name}: positions", count)
    image = as_floats(snapshot.particles.image, f"{name}: image flags", (count, 3))
    unwrapped = positions + cell.sum(axis=0) / 2 + image @ cell
    frame = SourceStructure(
        *(name, source, unwrapped, _types(name, snapshot.particles, count)),
        resolution=float(np.spacing(np.float32(np.abs(positions).max()))),
        step=int(snapshot.configuration.step),
    )
    return lay(frame, cell, notes)


def _cell(configuration: Any) -> np.ndarray:
    """Lattice vectors as rows; HOOMD's tilts are in units of the edges along which the box leans."""
    box = np.asarray(configuration.box, np.float64)
    length = box[:3].copy()
    if configuration.dimensions == 2:
        length[2] = 1.0
    cell = np.diag(length)
    cell[[1, 2, 2], [0, 0, 1]] = box[3:] * length[[1, 2, 2]]
    return cell


def _types(name: str, particles: Any, count: int) -> np.ndarray:
    """Names of the types (N,), whatever their order in the file."""
    number = as_types(particles.typeid, f"{name}: typeid", count).astype(np.int64)
    names = list(particles.types)
    if number.max() >= len(names) or len(set(names)) < len(names):
        raise DataError(
            f"{name}: types {number.min()} to {number.max()}, with names {shown(', '.join(names))}"
        )
    return np.array(names)[number]


FORMAT = Gsd()
