"""The files of a job: LAMMPS text files, data in and dump out, and the arrays that are kept in the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from gensample.errors import GensampleError
from gensample.physics.box import wrap


def write_data(
    path: Path,
    positions: np.ndarray,
    species: np.ndarray,
    masses: Sequence[float],
    box: np.ndarray,
    velocities: np.ndarray | None = None,
) -> None:
    """LAMMPS data file (atom style ``atomic``) of species of these masses; 2D lies in the plane z = 0."""
    edges = [(0.0, float(length)) for length in box] + ([(-0.5, 0.5)] if len(box) == 2 else [])
    lines = ["gensample", "", f"{len(species)} atoms", f"{len(masses)} atom types", ""]
    lines += [
        f"{low:.17g} {high:.17g} {axis}lo {axis}hi" for (low, high), axis in zip(edges, "xyz", strict=True)
    ]
    lines += [
        "",
        "Masses",
        "",
        *[f"{kind} {mass}" for kind, mass in enumerate(masses, 1)],
        "",
        "Atoms # atomic",
        "",
    ]
    lines += [
        f"{i + 1} {kind + 1} {_row(x)}" for i, (kind, x) in enumerate(zip(species, positions, strict=True))
    ]
    if velocities is not None:
        lines += ["", "Velocities", "", *[f"{i + 1} {_row(v)}" for i, v in enumerate(velocities)]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _row(vector: np.ndarray) -> str:
    return " ".join(f"{value:.17g}" for value in (*vector, *([0.0] * (3 - len(vector)))))


def read_dump(path: Path, columns: int) -> np.ndarray:
    """Frames of a dump sorted by id, (T, N, columns), without the leading id column.

    Raises:
        GensampleError: the file ends within a frame.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    count = int(lines[3]) if len(lines) > 3 else 0
    height = count + 9
    if not lines or len(lines) % height:
        raise GensampleError(f"{path} ends within a frame; is the disk full?")
    body = [line for start in range(0, len(lines), height) for line in lines[start + 9 : start + height]]
    table = np.array([line.split() for line in body], dtype=np.float64)
    frames = table.reshape(-1, count, table.shape[1])
    assert (frames[:, :, 0] == np.arange(1, count + 1)).all(), "dump must be sorted by id"
    return frames[:, :, 1 : columns + 1]


def keep(folder: Path, *names: str) -> None:
    """Remove all other files of a folder."""
    for path in folder.iterdir():
        if path.name not in names:
            path.unlink()


def load(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an npz file."""
    with np.load(path) as stored:
        return dict(stored)


def wrapped(positions: Sequence[np.ndarray] | np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Positions (C, N, d) in their boxes (C, d)."""
    x = torch.from_numpy(np.stack(list(positions)))
    return np.asarray(wrap(x, torch.from_numpy(boxes)[:, None]).numpy())
