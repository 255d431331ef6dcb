"""LAMMPS data files, read as LAMMPS reads them (one configuration each) and written (atom style atomic)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gensample.data.formats import FrameFormat
from gensample.data.importing import text as tables
from gensample.data.importing.cells import lay
from gensample.data.importing.source import (
    Options,
    OutputFrame,
    Source,
    SourceStructure,
    in_space,
    read_text,
)
from gensample.data.importing.trajectories import Run
from gensample.errors import ConfigError, DataError
from gensample.ranges import shown
from gensample.text import printable

# Columns of the Atoms section before x, for the styles that a Lennard-Jones mixture can have.
_TYPE_AND_X = {"atomic": (1, 2), "charge": (1, 3), "bond": (2, 3), "molecular": (2, 3), "full": (2, 4)}
_ATOMS, _LABELS = "Atoms", "Atom Type Labels"
_GENERAL = ("avec", "bvec", "cvec", "abc origin")


class LammpsData(FrameFormat):
    """One configuration per data file, without displacements."""

    name = "lammps-data"
    options = frozenset({"frames"})
    note = "particles sorted by id; a data file holds one configuration and no displacements"

    def sniff(self, path: Path, head: bytes) -> bool:
        """A text whose header, from its second line on, counts atoms and gives box bounds."""
        header = head.partition(b"\n")[2]
        return bool(re.search(rb"^\s*\S+\s+atoms\b", header, re.M) and re.search(rb"\bxlo\s+xhi\b", header))

    def are_lags(self, runs: list[Run]) -> bool:
        """No: a file has one frame."""
        return False

    def frames(self, source: Source, options: Options, notes: list[str]) -> Run:
        """The configuration of a data file.

        Raises:
            DataError: truncated, counts that differ from the rows, or an Atoms section that cannot be read.
        """
        path, lines = source.path, tables.lines_of(read_text(source.path))
        header, sections = _split(path, lines[1:])  # line 1 is a title, which LAMMPS never reads
        if _ATOMS not in sections:
            raise DataError(f"{path} has no Atoms section")
        style, rows = sections[_ATOMS]
        expected = tables.count(_value(path, header, "atoms")[0], f"{path}: atoms")
        if len(rows) != expected:
            kind = "is truncated: it" if len(rows) < expected else "does not fit: the header"
            raise DataError(f"{path} {kind} counts {expected} atoms, the Atoms section has {len(rows)} lines")
        low, cell = _bounds(path, header)
        frame = lay(_frame(source, rows, style or "atomic", low, cell), cell, notes)
        if _LABELS in sections:
            frame.types = _named(path, frame.types, sections[_LABELS][1])
        return [frame]

    def write(self, path: Path, frames: Sequence[OutputFrame], species: np.ndarray) -> None:
        """Write one frame, atom style atomic, types from 1, masses 1; 2D gets z = 0 and bounds -0.5 to 0.5.

        Raises:
            ConfigError: several frames.
        """
        if len(frames) != 1:
            raise ConfigError("a LAMMPS data file holds one frame: give --configuration (and --lag)")
        frame, types = frames[0], int(species.max()) + 1
        comment = ", ".join(f"{key} {value}" for key, value in frame.info.items())
        lines = [f"LAMMPS data file: {comment}", "", f"{len(species)} atoms", f"{types} atom types", ""]
        low = np.where(np.arange(3) < frame.dimension, 0.0, -0.5)
        names = np.array([f"{axis}lo {axis}hi" for axis in "xyz"])
        lines += tables.rows(low, low + np.diag(frame.cell), names)
        if len(frame.box) > frame.dimension:
            lines += [*tables.rows(frame.cell[[1, 2, 2], [0, 0, 1]][None], np.array(["xy xz yz"]))]
        lines += ["", "Masses", "", *(f"{i} 1" for i in range(1, types + 1)), "", "Atoms # atomic", ""]
        ids = np.arange(1, len(species) + 1)
        lines += tables.rows(ids, species + 1, in_space(frame.positions))
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _split(
    path: Path, lines: list[str]
) -> tuple[dict[str, list[str]], dict[str, tuple[str, list[list[str]]]]]:
    """Words before each keyword of the header; style and rows of each section by its name."""
    header: dict[str, list[str]] = {}
    sections: dict[str, tuple[str, list[list[str]]]] = {}
    number = 0
    while number < len(lines):
        content, _, comment = (part.strip() for part in lines[number].partition("#"))
        number += 1
        if not content:
            continue
        if content[0].isalpha():
            rows, number = _rows(path, lines, number, content)
            if content in sections:
                raise DataError(f"{path}: a second section {shown(content)}")
            sections[content] = (comment, rows)
        elif sections:
            raise DataError(f"{path}, line {number + 1}: a row outside any section: {shown(content)}")
        else:
            words = content.split()
            values = [word for word in words if not word[0].isalpha()]
            keyword = " ".join(words[len(values) :])
            if not keyword or keyword in header:
                raise DataError(
                    f"{path}, line {number + 1}: expected numbers and a keyword, got {shown(content)}"
                )
            header[keyword] = values
    return header, sections


def _rows(path: Path, lines: list[str], number: int, section: str) -> tuple[list[list[str]], int]:
    """Rows of a section: LAMMPS skips one line after the keyword and reads on to the next empty one."""
    if number < len(lines) and lines[number].partition("#")[0].strip():
        raise DataError(f"{path}, line {number + 2}: expected an empty line after {shown(section)}")
    rows, number = [], number + 1
    while number < len(lines) and (words := lines[number].partition("#")[0].split()):
        rows.append(words)
        number += 1
    return rows, number


def _value(path: Path, header: dict[str, list[str]], keyword: str) -> list[str]:
    if not header.get(keyword):
        raise DataError(f"{path}: the header lacks {keyword}")
    return header[keyword]


def _bounds(path: Path, header: dict[str, list[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Corner of the box, and its lattice vectors as rows."""
    if any(keyword in header for keyword in _GENERAL):
        rows = [_value(path, header, keyword) for keyword in _GENERAL]
        cell = tables.floats(rows, f"{path}: {', '.join(_GENERAL)}")
        if cell.shape != (4, 3):
            raise DataError(f"{path}: {', '.join(_GENERAL)}: expected three numbers of each")
        return cell[3], cell[:3]
    rows = [_value(path, header, f"{axis}lo {axis}hi") for axis in "xyz"]
    bounds = tables.floats(rows, f"{path}: box")
    if bounds.shape != (3, 2):
        raise DataError(f"{path}: box: expected two bounds of each edge, got {bounds.shape[1]}")
    cell = np.diag(bounds[:, 1] - bounds[:, 0])
    if "xy xz yz" in header:
        tilt = tables.floats([header["xy xz yz"]], f"{path}: xy xz yz")
        if tilt.shape != (1, 3):
            raise DataError(f"{path}: xy xz yz: expected three tilt factors, got {tilt.size}")
        cell[[1, 2, 2], [0, 0, 1]] = tilt[0]
    return bounds[:, 0], cell


def _frame(
    source: Source, rows: list[list[str]], style: str, low: np.ndarray, cell: np.ndarray
) -> SourceStructure:
    path = source.path
    if style not in _TYPE_AND_X:
        raise DataError(
            f"{path}: atom style {printable(style)} is not supported, only {', '.join(_TYPE_AND_X)}"
        )
    kind, first = _TYPE_AND_X[style]
    name, widths = f"{path}: Atoms section", {len(row) for row in rows}
    if len(widths) != 1:
        raise DataError(f"{path} is truncated: lines of the Atoms section differ in length")
    if (columns := widths.pop()) not in (first + 3, first + 6):
        raise DataError(
            f"{path}: style {style} has {first + 3} or {first + 6} columns, got {columns}; "
            "name another style in the line of the section, as in `Atoms # charge`"
        )
    words = [row[first : first + 3] for row in rows]
    positions = tables.floats(words, name) - low
    images = columns == first + 6
    if images:
        flags = [tables.integers([row[i] for row in rows], f"{name}: image flags") for i in range(-3, 0)]
        positions = positions + np.stack(flags, axis=1) @ cell
    return SourceStructure(
        *(name, source, positions, tables.labels([row[kind] for row in rows], f"{name}: types")),
        wrapped=not images,
        ids=tables.integers([row[0] for row in rows], f"{name}: ids"),
        resolution=tables.resolution(words),
    )


def _named(path: Path, types: np.ndarray, rows: list[list[str]]) -> np.ndarray:
    """Types by the labels of their section, where the atoms may have either."""
    if any(len(row) != 2 for row in rows):
        raise DataError(f"{path}: each line of {_LABELS} holds a number and a label")
    names = {number: label for number, label in rows}
    found = types.astype(str).tolist()
    if unknown := sorted({t for t in found if t not in names and t not in names.values()}):
        raise DataError(f"{path}: {_LABELS} do not name type {shown(', '.join(unknown))}")
    return np.array([names.get(t, t) for t in found])


FORMAT = LammpsData()
