"""LAMMPS data files, read (one configuration each) and written (atom style atomic)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from gensample.data.formats.base import Format, Options, Structure, as_floats, natural_order, read_text
from gensample.data.formats.trajectories import Frame, to_structures
from gensample.errors import DataError

# Columns of the Atoms section before x, for the styles that a Lennard-Jones mixture can have.
_TYPE_AND_X = {"atomic": (1, 2), "charge": (1, 3), "bond": (2, 3), "molecular": (2, 3), "full": (2, 4)}


def sniff(path: Path, head: bytes) -> bool:
    """A text whose header counts atoms and gives box bounds."""
    return bool(re.search(rb"^\s*\d+\s+atoms\b", head, re.M) and re.search(rb"\bxlo\s+xhi\b", head))


def read(files: list[Path], options: Options, notes: list[str]) -> list[Structure]:
    """One configuration per data file, without displacements."""
    frames = {path: [parse(path, read_text(path))] for path in sorted(files, key=natural_order)}
    notes.append("particles sorted by id; a data file holds one configuration and no displacements")
    return to_structures(frames, options, notes, trajectory=False)


def parse(path: Path, text: str) -> Frame:
    """The configuration of a data file.

    Raises:
        DataError: truncated, a tilted box, or an Atoms section that cannot be read.
    """
    count = _header(path, text, r"^\s*(\d+)\s+atoms\b")
    low, box = _bounds(path, text)
    section = re.search(r"^\s*Atoms[ \t]*(?:#[ \t]*(\w+))?[^\n]*\n\s*\n", text, re.M)
    if section is None:
        raise DataError(f"{path} has no Atoms section")
    rows = [line.split("#")[0].split() for line in text[section.end() :].split("\n")[: int(count)]]
    if len(rows) < int(count) or not all(rows):
        raise DataError(f"{path} is truncated: the Atoms section needs {int(count)} lines")
    if len({len(row) for row in rows}) != 1:
        raise DataError(f"{path} is truncated: lines of the Atoms section differ in length")
    return _frame(path, rows, section.group(1) or "atomic", low, box)


def _header(path: Path, text: str, pattern: str) -> float:
    match = re.search(pattern, text, re.M)
    if match is None:
        raise DataError(f"{path}: the header lacks {pattern}")
    return float(match.group(1))


def _bounds(path: Path, text: str) -> tuple[np.ndarray, np.ndarray]:
    low, high = [], []
    for axis in "xyz":
        match = re.search(rf"^\s*(\S+)\s+(\S+)\s+{axis}lo\s+{axis}hi", text, re.M)
        if match is None:
            raise DataError(f"{path}: the header lacks {axis}lo {axis}hi")
        low.append(match.group(1))
        high.append(match.group(2))
    tilt = re.search(r"^\s*(\S+)\s+(\S+)\s+(\S+)\s+xy\s+xz\s+yz", text, re.M)
    if tilt and as_floats(tilt.groups(), f"{path}: tilt").any():
        raise DataError(f"{path}: tilted boxes cannot be imported")
    bottom, top = as_floats(low, f"{path}: box"), as_floats(high, f"{path}: box")
    return bottom, top - bottom


def _frame(path: Path, rows: list[list[str]], style: str, low: np.ndarray, box: np.ndarray) -> Frame:
    if style not in _TYPE_AND_X:
        raise DataError(f"{path}: atom style {style} is not supported, only {', '.join(_TYPE_AND_X)}")
    kind, first = _TYPE_AND_X[style]
    table = as_floats(rows, f"{path}: Atoms section", (len(rows), None))
    columns = table.shape[1]
    if columns not in (first + 3, first + 6):
        raise DataError(f"{path}: style {style} has {first + 3} or {first + 6} columns, got {columns}")
    table = table[np.argsort(table[:, 0], kind="stable")]
    positions = table[:, first : first + 3] - low
    images = columns == first + 6
    if images:
        positions = positions + box * table[:, first + 3 :]
    return Frame(positions, table[:, kind].astype(np.int64), box, unwrapped=images)


def text_of(positions: np.ndarray, species: np.ndarray, box: np.ndarray, comment: str) -> str:
    """A data file of one configuration (atom style atomic, types from 1, masses 1).

    positions: (N, d), species: (N,) from 0, box: (d,). Two dimensions get z = 0 and bounds -0.5 to 0.5.
    """
    dimension = positions.shape[1]
    types = int(species.max()) + 1
    lines = [f"LAMMPS data file: {comment}", "", f"{len(positions)} atoms", f"{types} atom types", ""]
    bounds = [(0.0, float(edge)) for edge in box] + [(-0.5, 0.5)] * (3 - dimension)
    lines += [f"{lo:.17g} {hi:.17g} {axis}lo {axis}hi" for (lo, hi), axis in zip(bounds, "xyz", strict=True)]
    lines += ["", "Masses", "", *(f"{i} 1" for i in range(1, types + 1)), "", "Atoms # atomic", ""]
    padded = np.hstack([positions, np.zeros((len(positions), 3 - dimension))])
    lines += [
        f"{i} {s + 1} {x:.17g} {y:.17g} {z:.17g}"
        for i, (s, (x, y, z)) in enumerate(zip(species, padded, strict=True), 1)
    ]
    return "\n".join(lines) + "\n"


FORMAT = Format("lammps-data", sniff, read)
