"""Cells in the convention of LAMMPS: a along x, b in the plane of x and y, right-handed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from gensample.data.importing.source import SourceStructure, say
from gensample.errors import DataError
from gensample.physics.box import flip, wrap

# In units of the longest lattice vector: what is smaller is rounding.
_ROUNDING = 1e-9
_TURNED = (
    "cells that do not lie along the axes are turned to the convention of LAMMPS (a along x, b in the plane "
    "of x and y, right-handed), positions and displacements with them"
)
_REDUCED = "boxes tilted by whole edges are orthogonal ones of the same lattice"


def lay(frame: SourceStructure, cell: np.ndarray, notes: list[str]) -> SourceStructure:
    """The frame with its box, positions (N, 3) from the corner of a cell (3, 3) whose rows are its vectors.

    Of a tilted box ``tilt`` has the factors, within half an edge; particles are turned with the cell.

    Raises:
        DataError: the lattice vectors lie in one plane.
    """
    size = _ROUNDING * np.abs(cell).max()
    if (np.abs(np.triu(cell, 1)) > size).any():
        cell, rotation = _turned(frame.name, cell)
        frame.positions = frame.positions @ rotation
        if frame.displacement is not None:
            frame.displacement = frame.displacement @ rotation
        say(notes, _TURNED)
    frame.box = np.diag(cell).copy()
    tilt = cell[[1, 2, 2], [0, 0, 1]]
    if (np.abs(tilt) <= size).all() or not (frame.box > 0).all():
        return frame
    box = flip(torch.from_numpy(np.concatenate([frame.box, tilt])), 3)
    tilt = box[3:].numpy()
    if (np.abs(tilt) > size).any():
        frame.tilt = tilt
        return frame
    say(notes, _REDUCED)
    if frame.wrapped:
        frame.positions = wrap(torch.from_numpy(frame.positions), box[:3]).numpy()
    return frame


def _turned(name: str, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A lower triangular cell of the same lattice, and the rotation R, x' = x R, that takes vectors there.

    A left-handed one is made right-handed by other vectors of the lattice, never by a mirror.
    """
    vectors = cell.copy()
    flat = not cell[2].any()
    if flat:  # as ase has it in 2D
        vectors[2] = 0.0, 0.0, 1.0
    elif cell[2, 2] < 0:
        vectors[2] *= -1
    volume = np.linalg.det(vectors)
    if abs(volume) <= _ROUNDING * np.prod(np.linalg.norm(vectors, axis=1)):
        raise DataError(f"{name}: the lattice vectors {cell.tolist()} lie in one plane")
    if volume < 0:
        vectors[[0, 1]] = vectors[[1, 0]]
    rotation, upper = np.linalg.qr(vectors.T)
    signs = np.sign(np.diag(upper))
    lower = np.tril((upper * signs[:, None]).T)
    if flat:
        lower[2] = 0.0
    return lower, rotation * signs


def check_orthogonal(frames: Sequence[SourceStructure]) -> None:
    """DataError with the cure for a box that no dataset can hold."""
    for frame in frames:
        if frame.tilt is not None:
            xy, xz, yz = frame.tilt.tolist()
            raise DataError(
                f"{frame.name}: the box is tilted (xy {xy:.6g}, xz {xz:.6g}, yz {yz:.6g}), datasets hold "
                "orthogonal ones. Import the configuration from before the shear, `gensample shear` shears "
                "it; in Python `gensample.data.formats.read_frames` reads it for `gensample.physics`"
            )
