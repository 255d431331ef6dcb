"""Readers and writers of other programs' files; ``read_sources`` recognises a file by its content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gensample.data.formats import (
    botan,
    deepmind,
    extxyz,
    glassbench,
    gsd,
    lammps_data,
    lammps_dump,
    npz,
)
from gensample.data.formats.base import Format, Imported, Options, read_head
from gensample.errors import DataError

FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (botan, glassbench, deepmind, lammps_dump, lammps_data, extxyz, gsd)
}
_SUFFIXES = (".npz", ".pickle", ".pkl", ".dump", ".lammpstrj", ".data", ".lmp", ".xyz", ".extxyz", ".gsd")


def read_sources(sources: Sequence[str | Path], format: str, options: Options) -> Imported:
    """Structures of files and folders, all of one format ("auto": by content).

    Raises:
        DataError: nothing to read, an unknown or a second format, or a damaged file.
        MissingDependencyError: the format needs a package that is not installed.
    """
    files = _files(sources)
    chosen = FORMATS[format] if format != "auto" else _common_format(files)
    notes = [f"read {len(files)} {chosen.name} file{'s' if len(files) > 1 else ''}"]
    structures = chosen.read(files, options, notes)
    mixture = options.mixture or chosen.default_mixture(structures)
    if options.mixture is None and mixture is not None:
        notes.append(f"mixture taken to be {mixture}, the one of this source; --mixture overrides")
    return Imported(structures, chosen.name, mixture, notes)


def _files(sources: Sequence[str | Path]) -> list[Path]:
    """Files as named, and the data files below folders as named."""
    files: list[Path] = []
    for source in map(Path, sources):
        if source.is_dir():
            inside = [p for p in sorted(source.rglob("*")) if p.is_file() and _has_data_suffix(p)]
            if not inside:
                raise DataError(f"the folder {source} has no file ending in {', '.join(_SUFFIXES)}")
            files += inside
        elif source.is_file():
            files.append(source)
        else:
            raise DataError(f"there is no file or folder {source}")
    return list(dict.fromkeys(files))


def _has_data_suffix(path: Path) -> bool:
    name = path.name.removesuffix(".gz")
    return name.endswith(_SUFFIXES) and not name.startswith(".")


def _common_format(files: list[Path]) -> Format:
    found = {path: sniff(path) for path in files}
    names = sorted({format.name for format in found.values()})
    if len(names) > 1:
        raise DataError(f"the files are of several formats ({', '.join(names)}); import each apart")
    return next(iter(found.values()))


def sniff(path: Path) -> Format:
    """The format of a file, by its content.

    Raises:
        DataError: it is none of the known ones, or damaged at its beginning.
    """
    head = read_head(path)
    for format in FORMATS.values():
        if format.sniff(path, head):
            return format
    raise DataError(_unrecognised(path, head))


def _unrecognised(path: Path, head: bytes) -> str:
    if head[:8] == b"\x89HDF\r\n\x1a\n":
        return f"{path} is HDF5, perhaps a gensample dataset already: try `gensample info {path}`"
    if npz.is_npz(head):
        found = sorted(npz.keys(path))
        return f"{path} is " + (
            f"an npz of no known kind: it has {', '.join(found)}"
            if found
            else "a truncated or damaged npz archive; fetch it again"
        )
    return f"{path} is of no known format ({', '.join(FORMATS)}); say which with --format"
