"""Extended XYZ, read and written: periodic boxes, species names or numbers, one or more frames.

Written are chemical symbols, without which ase reads no file, and beside them our numbers as `SPECIES`, which
are taken first when a file has them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gensample.data.formats import FrameFormat
from gensample.data.importing import text as tables
from gensample.data.importing.cells import lay
from gensample.data.importing.source import (
    DISPLACEMENT,
    SPECIES,
    Options,
    OutputFrame,
    Source,
    SourceStructure,
    in_space,
    read_text,
    say,
)
from gensample.data.importing.trajectories import Run
from gensample.errors import DataError
from gensample.ranges import shown

_TRUE = ("T", "TRUE", "1")
_SPECIES, _IDS = (SPECIES, "species", "type", "types"), ("id", "ids")
ELEMENTS = (  # noqa: SIM905
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb "
    "Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu "
    "Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm"
).split()


class ExtXyz(FrameFormat):
    """Configurations, or trajectories where every frame has a time and says unwrapped=T."""

    name = "extxyz"
    options = frozenset({"frames", "unwrapped"})
    note = ""

    def sniff(self, path: Path, head: bytes) -> bool:
        """A particle count, then a comment line with a lattice."""
        return re.match(rb"\s*\d+\s*\n[^\n]*Lattice=", head) is not None

    def are_lags(self, runs: list[Run]) -> bool:
        """Whether every frame has a time and says unwrapped=T."""
        return all(frame.time is not None and not frame.wrapped for run in runs for frame in run)

    def frames(self, source: Source, options: Options, notes: list[str]) -> Run:
        """Frames of one file, with or without empty lines between them.

        Raises:
            DataError: truncated, no lattice, or no species or positions among the properties.
        """
        lines = tables.lines_of(read_text(source.path))
        frames, start = [], 0
        while start < len(lines):
            if not lines[start].strip():
                start += 1
                continue
            name = f"{source}, line {start + 1}"
            if not re.fullmatch(r"[0-9]{1,18}", lines[start].strip()):
                raise DataError(f"{name}: expected a number of particles, got {shown(lines[start][:40])}")
            count = tables.count(lines[start].strip(), f"{name}: number of particles")
            body = lines[start + 2 : start + 2 + count]
            if len(body) < count:
                raise DataError(f"{name}: truncated: a frame of {count} particles has {len(body)} lines")
            info = _info(name, lines[start + 1])
            if info.get("inherent", "F").upper() in _TRUE:
                say(notes, "the files say that these are inherent structures, not thermal positions")
            frame = _frame(name, source, info, body, options)
            frames.append(lay(frame, _cell(name, info.get("Lattice", "")), notes))
            start += 2 + count
        return frames

    def write(self, path: Path, frames: Sequence[OutputFrame], species: np.ndarray) -> None:
        """Write frames; species 0 is element 1, as ase wants symbols; 2D gets z = 0 and a height of 1."""
        symbols = np.array(ELEMENTS)[species]
        with path.open("w", encoding="utf-8") as file:
            for frame in frames:
                columns = {SPECIES: species, **frame.columns_in_space()}
                lattice = " ".join(frame.cell.ravel().astype(str))
                periodic = " ".join("TTT"[: frame.dimension] + "F" * (3 - frame.dimension))
                said = "".join(f' {key}="{value}"' for key, value in frame.info.items())
                properties = "".join(f":{name}:{_kind(column)}" for name, column in columns.items())
                file.write(f'{len(species)}\nLattice="{lattice}" Properties=species:S:1:pos:R:3{properties}')
                file.write(f' pbc="{periodic}"{said}\n')
                lines = tables.rows(symbols, in_space(frame.positions), *columns.values())
                file.writelines(f"{line}\n" for line in lines)


def _kind(column: np.ndarray) -> str:
    """Type and width of a column, as Properties say them."""
    width = 1 if column.ndim == 1 else column.shape[1]
    return f"{'R' if column.dtype.kind == 'f' else 'I'}:{width}"


def _info(name: str, comment: str) -> dict[str, str]:
    try:
        pairs = [word.partition("=") for word in shlex.split(comment)]
    except ValueError as error:
        raise DataError(f"{name}: the comment line cannot be read ({error})") from None
    info = {key: value for key, _, value in pairs}
    if len(info) < len(pairs):
        raise DataError(f"{name}: the comment line gives a key twice")
    return info


def _frame(
    name: str, source: Source, info: Mapping[str, str], body: list[str], options: Options
) -> SourceStructure:
    columns = _columns(name, info.get("Properties", "species:S:1:pos:R:3"))
    rows = [line.split() for line in body]
    for number, row in enumerate(rows, 1):
        if len(row) != columns["width"]:
            raise DataError(
                f"{name}: the file is truncated or mixed up: particle {number} has {len(row)} columns, "
                f"Properties give {columns['width']}"
            )
    start = columns["pos"]
    words = [row[start : start + 3] for row in rows]
    positions = tables.floats(words, f"{name}: pos")
    _check_periodic(name, info.get("pbc", "T T T").split(), positions)
    types = tables.labels([row[columns["species"]] for row in rows], f"{name}: species")
    return SourceStructure(
        *(name, source, positions, types),
        wrapped=not (options.unwrapped or info.get("unwrapped", "F").upper() in _TRUE),
        ids=tables.integers([row[columns["id"]] for row in rows], f"{name}: id") if "id" in columns else None,
        resolution=tables.resolution(words),
        time=_optional_float(name, info, "time"),
        mixture=info.get("mixture"),
        temperature=_optional_float(name, info, "temperature"),
        split=info.get("split"),
        displacement=_vectors(name, rows, columns, DISPLACEMENT),
    )


def _vectors(name: str, rows: list[list[str]], columns: Mapping[str, int], key: str) -> np.ndarray | None:
    if key not in columns:
        return None
    return tables.floats([row[columns[key] : columns[key] + 3] for row in rows], f"{name}: {key}")


def _check_periodic(name: str, flags: list[str], positions: np.ndarray) -> None:
    open_axes = [axis for axis, flag in enumerate(flags) if flag.upper() not in _TRUE]
    flat = np.ptp(positions[:, 2]) == 0
    if len(flags) != 3 or (open_axes and not (open_axes == [2] and flat)):
        raise DataError(
            f"{name}: expected a box periodic in every direction, got pbc {shown(' '.join(flags))}"
        )


def _optional_float(name: str, info: Mapping[str, str], key: str) -> float | None:
    return float(tables.floats([[info[key]]], f"{name}: {key}")[0, 0]) if key in info else None


def _cell(name: str, lattice: str) -> np.ndarray:
    """Lattice vectors as rows."""
    cell = tables.floats([lattice.split()], f"{name}: Lattice")
    if cell.size != 9:
        raise DataError(f"{name}: Lattice: expected nine numbers, got {cell.size}")
    return cell.reshape(3, 3)


def _columns(name: str, properties: str) -> dict[str, int]:
    """First column of species (or type), pos and, where they are there, id and displacement; their number."""
    words = properties.split(":")
    if len(words) % 3 or not all(re.fullmatch("[1-9][0-9]{0,2}", width) for width in words[2::3]):
        raise DataError(f"{name}: Properties={shown(properties)} cannot be read")
    keys, widths = words[0::3], [int(width) for width in words[2::3]]
    first = dict(zip(keys, np.cumsum([0, *widths]).tolist(), strict=False))
    width = dict(zip(keys, widths, strict=True))
    species = next((key for key in _SPECIES if width.get(key) == 1), None)
    if species is None or width.get("pos") != 3 or len(first) < len(keys):
        raise DataError(
            f"{name}: Properties must name species (or type) and three columns pos, got {shown(properties)}"
        )
    found = {"species": first[species], "pos": first["pos"], "width": sum(widths)}
    ids = [("id", first[key]) for key in _IDS if width.get(key) == 1]
    vectors = [(key, first[key]) for key in (DISPLACEMENT,) if width.get(key) == 3]
    return {**found, **dict(ids), **dict(vectors)}


FORMAT = ExtXyz()
