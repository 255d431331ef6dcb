"""Extended XYZ, read and written: orthogonal periodic boxes, species names or numbers, one or more frames."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gensample.data.formats.base import (
    SPECIES_LETTERS,
    Format,
    Options,
    Structure,
    as_floats,
    natural_order,
    read_text,
)
from gensample.data.formats.trajectories import Frame, to_structures, wants_trajectory
from gensample.errors import DataError


def sniff(path: Path, head: bytes) -> bool:
    """A particle count, then a comment line with a lattice."""
    return re.match(rb"\s*\d+\s*\n[^\n]*Lattice=", head) is not None


def read(files: list[Path], options: Options, notes: list[str]) -> list[Structure]:
    """Configurations, or trajectories where every frame has a time and says unwrapped=T."""
    frames = {path: parse(path, read_text(path), options) for path in sorted(files, key=natural_order)}
    timed = all(f.time is not None and f.unwrapped for file in frames.values() for f in file)
    return to_structures(frames, options, notes, trajectory=wants_trajectory(frames, options, timed))


def parse(path: Path, text: str, options: Options) -> list[Frame]:
    """Frames of one file.

    Raises:
        DataError: truncated, no orthogonal lattice, or no species or positions among the properties.
    """
    lines = text.splitlines()
    frames, start = [], 0
    while start < len(lines) and lines[start].strip():
        if not lines[start].strip().isdigit():
            raise DataError(
                f"{path}, line {start + 1}: expected a number of particles, got {lines[start][:40]!r}"
            )
        count = int(lines[start])
        body = lines[start + 2 : start + 2 + count]
        if len(body) < count or count == 0:
            raise DataError(f"{path} is truncated: a frame of {count} particles has {len(body)} lines")
        frames.append(_frame(path, lines[start + 1], body, options))
        start += 2 + count
    if not frames:
        raise DataError(f"{path} has no frame")
    return frames


def _info(path: Path, comment: str) -> dict[str, str]:
    try:
        words = shlex.split(comment)
    except ValueError as error:
        raise DataError(f"{path}: the comment line cannot be read ({error})") from None
    return {key: value for key, _, value in (word.partition("=") for word in words)}


def _frame(path: Path, comment: str, body: list[str], options: Options) -> Frame:
    info = _info(path, comment)
    box = _box(path, info.get("Lattice", ""))
    columns = _columns(path, info.get("Properties", "species:S:1:pos:R:3"))
    rows = [line.split() for line in body]
    if any(len(row) < columns["width"] for row in rows):
        raise DataError(f"{path} is truncated: a particle has fewer than {columns['width']} columns")
    start = columns["pos"]
    positions = as_floats([row[start : start + 3] for row in rows], f"{path}: pos", (len(rows), 3))
    _check_periodic(path, info.get("pbc", "T T T").split(), positions)
    labels = np.array([row[columns["species"]] for row in rows])
    return Frame(
        positions=positions,
        types=labels.astype(np.int64) if all(label.isdigit() for label in labels) else labels,
        box=box,
        unwrapped=options.unwrapped or info.get("unwrapped", "F").upper() in ("T", "TRUE"),
        time=_optional_float(path, info, "time"),
        temperature=_optional_float(path, info, "temperature"),
        split=info.get("split"),
    )


def _check_periodic(path: Path, flags: list[str], positions: np.ndarray) -> None:
    open_axes = [axis for axis, flag in enumerate(flags) if flag.upper() not in ("T", "TRUE", "1")]
    flat = np.ptp(positions[:, 2]) == 0
    if open_axes and not (open_axes == [2] and flat):
        raise DataError(f"{path}: expected a box periodic in every direction, got pbc {' '.join(flags)}")


def _optional_float(path: Path, info: Mapping[str, str], key: str) -> float | None:
    if key not in info:
        return None
    return float(as_floats(info[key], f"{path}: {key}"))


def _box(path: Path, lattice: str) -> np.ndarray:
    cell = as_floats(lattice.split(), f"{path}: Lattice", (9,)).reshape(3, 3)
    if np.abs(cell - np.diag(np.diag(cell))).max() > 1e-9 * np.abs(cell).max():
        raise DataError(f"{path}: tilted boxes cannot be imported")
    return np.diag(cell).copy()


def _columns(path: Path, properties: str) -> dict[str, int]:
    """First column of species (or type) and pos, and the number of columns."""
    words = properties.split(":")
    try:
        widths = [int(w) for w in words[2::3]]
    except ValueError:
        raise DataError(f"{path}: Properties={properties} cannot be read") from None
    first = dict(zip(words[0::3], np.cumsum([0, *widths]).tolist(), strict=False))
    species = next((first[name] for name in ("species", "type", "types") if name in first), None)
    if species is None or "pos" not in first:
        raise DataError(f"{path}: Properties must name species (or type) and pos, got {properties}")
    return {"species": species, "pos": first["pos"], "width": sum(widths)}


def text_of(positions: np.ndarray, species: np.ndarray, box: np.ndarray, info: Mapping[str, object]) -> str:
    """One frame. positions: (N, d), species: (N,) from 0, box: (d,); 2D gets z = 0 and a height of 1."""
    dimension = positions.shape[1]
    edges = [*(float(edge) for edge in box), *[1.0] * (3 - dimension)]
    lattice = " ".join(f"{edges[i] if i == j else 0.0:.17g}" for i in range(3) for j in range(3))
    periodic = " ".join("T" if axis < dimension else "F" for axis in range(3))
    fields = "".join(f' {key}="{value}"' for key, value in info.items())
    comment = f'Lattice="{lattice}" Properties=species:S:1:pos:R:3 pbc="{periodic}"{fields}'
    padded = np.hstack([positions, np.zeros((len(positions), 3 - dimension))])
    rows = (
        f"{SPECIES_LETTERS[s]} {x:.17g} {y:.17g} {z:.17g}"
        for s, (x, y, z) in zip(species.tolist(), padded.tolist(), strict=True)
    )
    return "\n".join((str(len(positions)), comment, *rows)) + "\n"


FORMAT = Format("extxyz", sniff, read)
