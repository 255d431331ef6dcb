"""LAMMPS text dumps: x, xs, xu or xsu columns, image flags, one or more frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gensample.data.formats.base import Format, Options, Structure, as_floats, natural_order, read_text
from gensample.data.formats.trajectories import Frame, to_structures, wants_trajectory
from gensample.errors import DataError

_IMAGES = ("ix", "iy", "iz")
# Suffix of the column names, whether they are fractions of the box, whether they are unwrapped.
_STYLES = (("u", False, True), ("su", True, True), ("", False, False), ("s", True, False))


def sniff(path: Path, head: bytes) -> bool:
    """A text that begins with a dump item."""
    return head.startswith((b"ITEM: TIMESTEP", b"ITEM: UNITS", b"ITEM: TIME"))


def read(files: list[Path], options: Options, notes: list[str]) -> list[Structure]:
    """Structures of dump files; particles are sorted by id."""
    frames = {path: parse(path, read_text(path), options) for path in sorted(files, key=natural_order)}
    notes.append("particles sorted by id")
    return to_structures(frames, options, notes, trajectory=wants_trajectory(frames, options, True))


def parse(path: Path, text: str, options: Options) -> list[Frame]:
    """Frames of one dump.

    Raises:
        DataError: truncated, not in LJ units, a box that is not orthogonal and periodic, or missing columns.
    """
    lines = text.splitlines()
    frames, position = [], 0
    while position < len(lines):
        items, position = _frame_items(path, lines, position)
        frames.append(_frame(path, items, options))
    if not frames:
        raise DataError(f"{path} has no frame")
    return frames


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
        items[name] = [header, *body]
        position += 1 + length
        if name == "NUMBER OF ATOMS":
            count = int(_numbers(path, body, 1)[0, 0])
    return items, position


def _item(path: Path, lines: list[str], position: int) -> tuple[str, str]:
    line = lines[position] if position < len(lines) else "the end of the file"
    for name in ("TIMESTEP", "UNITS", "TIME", "NUMBER OF ATOMS", "BOX BOUNDS", "ATOMS"):
        if line.startswith(f"ITEM: {name}"):
            return name, line.removeprefix(f"ITEM: {name}").strip()
    raise DataError(
        f"{path}, line {position + 1}: expected an ITEM of a dump, got {line[:60]!r}; is it truncated?"
    )


def _numbers(path: Path, lines: list[str], columns: int | None = None) -> np.ndarray:
    try:
        table = np.array([[float(word) for word in line.split()[:columns]] for line in lines])
    except ValueError as error:
        raise DataError(
            f"{path}: a line of a frame is truncated or not numeric ({error})".splitlines()[0]
        ) from None
    return as_floats(table, str(path), (len(lines), columns))


def _frame(path: Path, items: dict[str, list[str]], options: Options) -> Frame:
    for name in ("TIMESTEP", "BOX BOUNDS", "NUMBER OF ATOMS"):
        if name not in items:
            raise DataError(f"{path}: a frame lacks ITEM: {name}")
    if "UNITS" in items and items["UNITS"][1].strip() != "lj":
        raise DataError(f"{path}: expected lj units, got {items['UNITS'][1].strip()}")
    low, box = _bounds(path, items["BOX BOUNDS"])
    columns = items["ATOMS"][0].split()
    rows = [line.split() for line in items["ATOMS"][1:]]
    if not rows or any(len(row) < len(columns) for row in rows):
        raise DataError(
            f"{path} is truncated: a particle has fewer than {len(columns)} columns, or there is none"
        )
    table = _table(path, columns, rows)
    positions, unwrapped = _positions(path, table, low, box)
    return Frame(
        positions=positions,
        types=table["type"].astype(np.int64),
        box=box,
        unwrapped=unwrapped or options.unwrapped,
        time=float(_numbers(path, items["TIME"][1:], 1)[0, 0]) if "TIME" in items else None,
        step=int(_numbers(path, items["TIMESTEP"][1:], 1)[0, 0]),
    )


def _bounds(path: Path, item: list[str]) -> tuple[np.ndarray, np.ndarray]:
    if "xy" in item[0] and np.abs(_numbers(path, item[1:], 3)[:, 2]).max() > 0:
        raise DataError(f"{path}: tilted boxes cannot be imported")
    flags = [word for word in item[0].split() if word not in ("xy", "xz", "yz")]
    if any(word != "pp" for word in flags):
        raise DataError(
            f"{path}: expected a box periodic in every direction (pp pp pp), got {' '.join(flags)}"
        )
    bounds = _numbers(path, item[1:], 2)
    return bounds[:, 0], bounds[:, 1] - bounds[:, 0]


def _table(path: Path, columns: list[str], rows: list[list[str]]) -> dict[str, np.ndarray]:
    """The columns that matter, sorted by particle id."""
    if "id" not in columns or "type" not in columns:
        raise DataError(f"{path}: a dump needs the columns id and type, it has {' '.join(columns)}")
    wanted = {"id", "type", *_IMAGES} | {axis + suffix for axis in "xyz" for suffix, _, _ in _STYLES}
    keep = [i for i, name in enumerate(columns) if name in wanted]
    values = _numbers(path, [" ".join(row[i] for i in keep) for row in rows])
    table = {columns[i]: values[:, k] for k, i in enumerate(keep)}
    order = np.argsort(table["id"], kind="stable")
    if np.unique(table["id"]).size != len(rows):
        raise DataError(f"{path}: particle ids repeat")
    return {name: column[order] for name, column in table.items()}


def _positions(
    path: Path, table: dict[str, np.ndarray], low: np.ndarray, box: np.ndarray
) -> tuple[np.ndarray, bool]:
    for suffix, scaled, unwrapped in _STYLES:
        names = [axis + suffix for axis in "xyz"]
        if all(name in table for name in names):
            x = np.stack([table[name] for name in names], axis=1)
            x = x * box if scaled else x - low
            if not unwrapped and all(name in table for name in _IMAGES):
                return x + box * np.stack([table[name] for name in _IMAGES], axis=1), True
            return x, unwrapped
    raise DataError(f"{path}: a dump needs x y z (or xs, xu, xsu), it has {' '.join(table)}")


FORMAT = Format("lammps-dump", sniff, read)
