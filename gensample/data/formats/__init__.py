"""Readers and writers of other programs' files; ``read_sources`` recognises a file by its content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gensample.data.formats import botan, deepmind, extxyz, glassbench, gsd, lammps_data, lammps_dump
from gensample.data.importing import npz
from gensample.data.importing import source as files
from gensample.data.importing.base import Format, Imported, Options, Structure
from gensample.errors import DataError
from gensample.text import printable

FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (botan, glassbench, deepmind, lammps_dump, lammps_data, extxyz, gsd)
}


def read_sources(sources: Sequence[str | Path], format: str, options: Options) -> Imported:
    """Structures of files and folders, all of one format ("auto": by content).

    Raises:
        DataError: nothing to read, an unknown or a second format, a damaged file, or an option that the
            format cannot heed.
        MissingDependencyError: the format needs a package that is not installed.
    """
    found = files.find(sources)
    paths = [source.path for source in found]
    chosen = FORMATS[format] if format != "auto" else _common_format(paths)
    notes = [f"read {len(found)} {chosen.name} file{'s' if len(found) > 1 else ''}"]
    _check_options(chosen, options, notes)
    structures = chosen.read(sorted(found, key=files.natural_order), options, notes)
    return Imported(structures, paths, chosen.name, _mixture(structures, chosen, options, notes), notes)


def _check_options(format: Format, options: Options, notes: list[str]) -> None:
    """What the user asks for is done or refused; a time step that is not needed does no harm."""
    asked = {
        "frames": options.frames != "auto",
        "unwrapped": options.unwrapped,
        "averages": options.averages,
        "bond_breaking": options.bond_breaking != "auto",
    }
    if ignored := [name for name, given in asked.items() if given and name not in format.options]:
        words = ", ".join("--" + name.replace("_", "-") for name in ignored)
        raise DataError(f"{words} means nothing for {format.name} files; leave it out")
    if options.timestep is not None and "timestep" not in format.options:
        notes.append(f"--timestep not needed: {format.name} files count no steps")


def _mixture(structures: list[Structure], format: Format, options: Options, notes: list[str]) -> str | None:
    """What the user says, else what the files state, else what the source implies."""
    stated = sorted({s.mixture for s in structures if s.mixture is not None})
    if len(stated) > 1:
        raise DataError(f"the files state several mixtures ({', '.join(stated)}); import each apart")
    if options.mixture is not None:
        if stated and stated != [options.mixture]:
            notes.append(f"--mixture {options.mixture} overrides {stated[0]}, which the files state")
        return options.mixture
    mixture = stated[0] if stated else format.default_mixture(structures)
    if mixture is not None:
        notes.append(f"mixture taken to be {mixture}, the one of this source; --mixture overrides")
    return mixture


def _common_format(paths: list[Path]) -> Format:
    found = {path: sniff(path) for path in paths}
    names = sorted({format.name for format in found.values()})
    if len(names) > 1:
        raise DataError(f"the files are of several formats ({', '.join(names)}); import each apart")
    return next(iter(found.values()))


def sniff(path: Path) -> Format:
    """The format of a file, by its content.

    Raises:
        DataError: it is none of the known ones, or damaged at its beginning.
    """
    head = files.read_head(path)
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
            f"an npz of no known kind: it has {printable(', '.join(found))[:200]}"
            if found
            else "a truncated or damaged npz archive; fetch it again"
        )
    return f"{path} is of no known format ({', '.join(FORMATS)}); say which with --format"
