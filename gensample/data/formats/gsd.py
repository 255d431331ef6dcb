"""GSD trajectories of HOOMD-blue, read when the optional package ``gsd`` is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gensample.data.formats.base import Format, Options, Structure, as_positions, natural_order
from gensample.data.formats.trajectories import Frame, to_structures, wants_trajectory
from gensample.errors import DataError, MissingDependencyError

_MAGIC = bytes.fromhex("df65df65df65df65")


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


def _frames(path: Path) -> list[Frame]:
    try:
        import gsd.hoomd
    except ImportError:
        raise MissingDependencyError("reading GSD needs the package gsd: pip install 'gensample[io]'") from None
    try:
        with gsd.hoomd.open(str(path), "r") as trajectory:
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


FORMAT = Format("gsd", sniff, read)
