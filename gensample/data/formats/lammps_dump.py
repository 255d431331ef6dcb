"""LAMMPS text dumps: x, xs, xu or xsu columns, image flags, one or more frames; written with x and flags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from gensample.data.formats import FrameFormat
from gensample.data.importing import text as tables
from gensample.data.importing.cells import lay
from gensample.data.importing.source import (
    DISPLACEMENT,
    Options,
    OutputFrame,
    Source,
    SourceStructure,
    read_text,
)
from gensample.data.importing.trajectories import Run
from gensample.errors import ConfigError, DataError
from gensample.ranges import shown
from gensample.text import printable

_IMAGES = ("ix", "iy", "iz")
# Suffix of the column names, whether they are fractions of the box, whether they are unwrapped.
_STYLES = (("u", False, True), ("su", True, True), ("", False, False), ("s", True, False))
_ITEMS = ("TIMESTEP", "UNITS", "TIME", "NUMBER OF ATOMS", "BOX BOUNDS", "ATOMS")


class LammpsDump(FrameFormat):
    """Frames of dump files."""

    name = "lammps-dump"
    options = frozenset({"frames", "unwrapped", "timestep"})

    def sniff(self, path: Path, head: bytes) -> bool:
        """A text that begins with a dump item."""
        return head.startswith((b"ITEM: TIMESTEP", b"ITEM: UNITS", b"ITEM: TIME"))

    def frames(self, source: Source, options: Options, notes: list[str]) -> Run:
        """Frames of one dump.

        Raises:
            DataError: truncated, not in LJ units, missing columns, or a box that is not periodic.
        """
        lines = tables.lines_of(read_text(source.path))
        frames, position = [], 0
        while position < len(lines):
            if not lines[position].strip():
                position += 1
                continue
            items, position = _frame_items(source.path, lines, position)
            frames.append(_frame(source, items, options, notes))
        return frames

    def write(self, path: Path, frames: Sequence[OutputFrame], species: np.ndarray) -> None:
        """Write frames of one configuration, wrapped with image flags; 2D gets z = 0 and a height of 1.

        The items are those that every reader knows: steps count what the caller counts, and there is no time.

        Raises:
            ConfigError: several frames that are of several configurations.
        """
        if len(frames) > 1 and any(frame.step is None for frame in frames):
            raise ConfigError("frames of a dump are of one motion: name a --configuration, or take extxyz")
        ids = np.arange(1, len(species) + 1)
        with path.open("w", encoding="utf-8") as file:
            for frame in frames:
                columns = _scalars(frame)
                file.write(f"ITEM: TIMESTEP\n{frame.step or 0}\nITEM: NUMBER OF ATOMS\n{len(species)}\n")
                file.writelines(f"{line}\n" for line in _box_lines(frame))
                file.write(f"ITEM: ATOMS {' '.join(['id type x y z ix iy iz', *columns])}\n")
                lines = tables.rows(ids, species + 1, *frame.wrapped(), *columns.values())
                file.writelines(f"{line}\n" for line in lines)


def _scalars(frame: OutputFrame) -> dict[str, np.ndarray]:
    """Columns (N,) by name, components of vectors one by one."""
    found: dict[str, np.ndarray] = {}
    for name, column in frame.columns_in_space().items():
        vector = column.ndim == 2
        found |= (
            {f"{name}_{axis}": column[:, k] for k, axis in enumerate("xyz")} if vector else {name: column}
        )
    return found


def _box_lines(frame: OutputFrame) -> list[str]:
    """ITEM: BOX BOUNDS; of a tilted box those of the box around it, and the tilt factors."""
    cell = frame.cell
    low = np.zeros(3)
    low[frame.dimension :] = -0.5
    high = low + np.diag(cell)
    if len(frame.box) == frame.dimension:
        return ["ITEM: BOX BOUNDS pp pp pp", *tables.rows(low, high)]
    xy, xz, yz = cell[1, 0], cell[2, 0], cell[2, 1]
    low, high = low + _around(xy, xz, yz, min), high + _around(xy, xz, yz, max)
    return ["ITEM: BOX BOUNDS xy xz yz pp pp pp", *tables.rows(low, high, np.array([xy, xz, yz]))]


def _around(xy: float, xz: float, yz: float, extreme: Callable[..., float]) -> np.ndarray:
    """What LAMMPS adds to the lower (min) or upper (max) bounds of a tilted box."""
    return np.array([extreme(0.0, xy, xz, xy + xz), extreme(0.0, yz), 0.0])


def _frame_items(path: Path, lines: list[str], position: int) -> tuple[dict[str, list[str]], int]:
    """Lines of each item of a frame, headed by the rest of its own line, and where the next frame begins."""
    items: dict[str, list[str]] = {}
    count = 0
    while "ATOMS" not in items:
        name, header = _item(path, lines, position)
        length = {"BOX BOUNDS": 3, "ATOMS": count}.get(name, 1)
        body = lines[position + 1 : position + 1 + length]
        if len(body) < length:
            raise DataError(f"{path} is truncated: ITEM: {name} needs {length} lines, {len(body)} are left")
        if name in items:
            raise DataError(f"{path}, line {position + 1}: a second ITEM: {name} in one frame")
        items[name] = [header, *body]
        position += 1 + length
        if name == "NUMBER OF ATOMS":
            count = tables.count(body[0].strip(), f"{path}: {name}")
    return items, position


def _item(path: Path, lines: list[str], position: int) -> tuple[str, str]:
    line = lines[position] if position < len(lines) else "the end of the file"
    for name in _ITEMS:
        if line.startswith(f"ITEM: {name}"):
            return name, line.removeprefix(f"ITEM: {name}").strip()
    raise DataError(
        f"{path}, line {position + 1}: expected an ITEM of a dump, got {shown(line)}; "
        "is the file truncated, or the number of atoms wrong?"
    )


def _frame(
    source: Source, items: dict[str, list[str]], options: Options, notes: list[str]
) -> SourceStructure:
    path = source.path
    for name in ("TIMESTEP", "BOX BOUNDS", "NUMBER OF ATOMS"):
        if name not in items:
            raise DataError(f"{path}: a frame lacks ITEM: {name}")
    if "UNITS" in items and items["UNITS"][1].strip() != "lj":
        raise DataError(f"{path}: expected lj units, got {shown(items['UNITS'][1].strip())}")
    step = int(tables.integers([items["TIMESTEP"][1].strip()], f"{path}: TIMESTEP")[0])
    name = f"{path}, timestep {step}"
    low, cell = _bounds(name, items["BOX BOUNDS"])
    table = _table(name, items["ATOMS"][0].split(), items["ATOMS"][1:])
    positions, unwrapped, resolution = _positions(name, table, low, cell)
    types = tables.labels(table["type" if "type" in table else "element"], f"{name}: type")
    displacement = [f"{DISPLACEMENT}_{axis}" for axis in "xyz"]
    frame = SourceStructure(
        *(name, source, positions, types),
        wrapped=not (unwrapped or options.unwrapped),
        ids=tables.integers(table["id"], f"{name}: id"),
        resolution=resolution,
        time=float(tables.floats([items["TIME"][1].split()], f"{path}: TIME")[0, 0])
        if "TIME" in items
        else None,
        step=step,
        displacement=tables.floats(
            list(zip(*(table[column] for column in displacement), strict=True)), f"{name}: {DISPLACEMENT}"
        )
        if all(column in table for column in displacement)
        else None,
    )
    return lay(frame, cell, notes)


def _bounds(name: str, item: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Corner of the box, and its lattice vectors as rows."""
    words = item[0].split()
    general, tilted = words[:2] == ["abc", "origin"], words[:3] == ["xy", "xz", "yz"]
    flags = words[2 * general + 3 * tilted :]
    if any(word != "pp" for word in flags):
        raise DataError(
            f"{name}: expected a box periodic in every direction (pp pp pp), got {printable(' '.join(flags))}"
        )
    bounds = tables.floats([line.split() for line in item[1:]], f"{name}: BOX BOUNDS")
    expected = (3, 2 + tilted + 2 * general)
    if bounds.shape != expected:
        raise DataError(f"{name}: BOX BOUNDS: expected shape {expected}, got {bounds.shape}")
    if general:
        return bounds[:, 3], bounds[:, :3]
    low, high = bounds[:, 0], bounds[:, 1]
    if not tilted:
        return low, np.diag(high - low)
    xy, xz, yz = bounds[:, 2].tolist()
    low, high = low - _around(xy, xz, yz, min), high - _around(xy, xz, yz, max)
    cell = np.diag(high - low)
    cell[[1, 2, 2], [0, 0, 1]] = xy, xz, yz
    return low, cell


def _table(name: str, columns: list[str], lines: list[str]) -> dict[str, list[str]]:
    """Words of each column."""
    rows = [line.split() for line in lines]
    if any(len(row) < len(columns) for row in rows):
        raise DataError(f"{name} is truncated: a particle has fewer than {len(columns)} columns")
    if any(len(row) > len(columns) for row in rows):
        raise DataError(f"{name}: a particle has more than the {len(columns)} columns that ITEM: ATOMS names")
    if len(set(columns)) < len(columns):
        raise DataError(f"{name}: a column has the name of another: {printable(' '.join(columns))}")
    table = {column: [row[i] for row in rows] for i, column in enumerate(columns)}
    if "id" not in table or not {"type", "element"} & set(table):
        raise DataError(
            f"{name}: a dump needs the columns id and type or element, has {printable(' '.join(columns))}"
        )
    return table


def _positions(
    name: str, table: dict[str, list[str]], low: np.ndarray, cell: np.ndarray
) -> tuple[np.ndarray, bool, float]:
    """Positions (N, 3) from the corner of the box, whether they are unwrapped, and how finely printed."""
    for suffix, scaled, unwrapped in _STYLES:
        names = [axis + suffix for axis in "xyz"]
        if all(column in table for column in names):
            words = list(zip(*(table[column] for column in names), strict=True))
            x = tables.floats(words, f"{name}: {' '.join(names)}")
            resolution = tables.resolution(words, float(np.diag(cell).max()) if scaled else 1.0)
            x = x @ cell if scaled else x - low
            if not unwrapped and all(column in table for column in _IMAGES):
                images = [tables.integers(table[column], f"{name}: {column}") for column in _IMAGES]
                return x + np.stack(images, axis=1) @ cell, True, resolution
            return x, unwrapped, resolution
    raise DataError(f"{name}: a dump needs x y z (or xs, xu, xsu), it has {printable(' '.join(table))}")


FORMAT = LammpsDump()
