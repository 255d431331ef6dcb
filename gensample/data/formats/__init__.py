"""Formats of other programs' files, one file each, found by `pkgutil`.

To add one, put a file here whose ``FORMAT`` is a `Format` of the name of the file, with - for _, or call
`register` from elsewhere. tests/data/test_formats.py has what all of them must keep to.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gensample.data.importing import npz, source
from gensample.data.importing.cells import check_orthogonal
from gensample.data.importing.source import Imported, Options, OutputFrame, Source, SourceStructure
from gensample.data.importing.trajectories import Run, to_structures
from gensample.errors import ConfigError, DataError
from gensample.ranges import check_choice
from gensample.text import printable


class Format:
    """How to recognise a file by its first bytes, how to read a list of files, and how to write frames.

    options: those of ``frames``, ``unwrapped``, ``averages``, ``bond_breaking``, ``timestep`` that it heeds;
    mixtures: by dimension, that of structures whose files do not state one.
    """

    name: str
    options: frozenset[str] = frozenset()
    mixtures: Mapping[int, str] = {}

    def sniff(self, path: Path, head: bytes) -> bool:
        """Whether a file, or its first bytes, is of this format."""
        raise NotImplementedError

    def read(self, files: list[Source], options: Options, notes: list[str]) -> list[SourceStructure]:
        """Structures of files, how they were taken in ``notes``; DataError for what is damaged."""
        raise NotImplementedError

    def write(self, path: Path, frames: Sequence[OutputFrame], species: np.ndarray) -> None:
        """Write frames, species (N,); ConfigError where they do not fit, or the format is only read."""
        writable = ", ".join(name for name, known in FORMATS.items() if known.writes)
        raise ConfigError(f"{self.name} files are read, not written; choose one of {writable}")

    @property
    def writes(self) -> bool:
        """Whether it writes frames, too."""
        return type(self).write is not Format.write


class FrameFormat(Format):
    """A format whose files hold frames: one configuration, several, or a trajectory of one."""

    note = "particles sorted by id"

    def read(self, files: list[Source], options: Options, notes: list[str]) -> list[SourceStructure]:
        """Structures of the frames of files (`importing.trajectories`)."""
        runs = [self.frames(source, options, notes) for source in files]
        if empty := [source for source, run in zip(files, runs, strict=True) if not run]:
            raise DataError(f"{empty[0]} has no frame")
        check_orthogonal([frame for run in runs for frame in run])
        notes += [self.note] if self.note else []
        return to_structures(runs, options, notes, lags=self.are_lags(runs))

    def frames(self, source: Source, options: Options, notes: list[str]) -> Run:
        """The frames of one file, positions (N, 3) and box (3,), perhaps tilted (`importing.cells.lay`).

        DataError for what is damaged.
        """
        raise NotImplementedError

    def are_lags(self, runs: list[Run]) -> bool:
        """Whether frames after the first are lags where the user does not say."""
        return True


FORMATS: dict[str, Format] = {}


def register(format: Format) -> None:
    """Make a format known to `import` and `export`."""
    FORMATS[format.name] = format


def format_of(name: str) -> Format:
    """The format of that name; ConfigError names the known ones."""
    check_choice("--format", name, FORMATS)
    return FORMATS[name]


def read_sources(sources: Sequence[str | Path], format: str, options: Options) -> Imported:
    """Structures of files and folders, all of one format ("auto": by content).

    Raises:
        ConfigError: an unknown format.
        DataError: nothing to read, a second format, a damaged file, or an option that the format cannot heed.
        MissingDependencyError: the format needs a package that is not installed.
    """
    chosen = None if format == "auto" else format_of(format)
    found = source.find_sources(sources)
    paths = [each.path for each in found]
    chosen = chosen or _common_format(paths)
    notes = [f"read {len(found)} {chosen.name} file{'s' if len(found) > 1 else ''}"]
    _check_options(chosen, options, notes)
    structures = chosen.read(sorted(found, key=source.natural_order), options, notes)
    return Imported(structures, paths, chosen.name, _mixture(structures, chosen, options, notes), notes)


def read_frames(path: str | Path) -> list[SourceStructure]:
    """Frames of one file as they are, tilted boxes too, of which `gensample.physics` computes.

    `SourceStructure.in_plane` and ``in_space`` are what it takes.

    Raises:
        DataError: it is damaged, or not of a format whose files hold frames.
        MissingDependencyError: the format needs a package that is not installed.
    """
    chosen = sniff(Path(path))
    if not isinstance(chosen, FrameFormat):
        raise DataError(f"{path} is a {chosen.name} file, which holds no frames; `gensample import` reads it")
    return chosen.frames(Source(Path(path)), Options(), [])


def _check_options(format: Format, options: Options, notes: list[str]) -> None:
    """What the user asks for is done or refused; a time step that is not needed does no harm."""
    default = Options()
    asked = [
        name
        for name in ("frames", "unwrapped", "averages", "bond_breaking")
        if getattr(options, name) != getattr(default, name) and name not in format.options
    ]
    if asked:
        words = ", ".join("--" + name.replace("_", "-") for name in asked)
        raise DataError(f"{words} means nothing for {format.name} files; leave it out")
    if options.timestep is not None and "timestep" not in format.options:
        notes.append(f"--timestep not needed: {format.name} files count no steps")


def _mixture(
    structures: list[SourceStructure], format: Format, options: Options, notes: list[str]
) -> str | None:
    """What the user says, else what the files state, else what the source implies."""
    stated = sorted({s.mixture for s in structures if s.mixture is not None})
    if len(stated) > 1:
        raise DataError(f"the files state several mixtures ({', '.join(stated)}); import each apart")
    if options.mixture is not None:
        if stated and stated != [options.mixture]:
            notes.append(f"--mixture {options.mixture} overrides {stated[0]}, which the files state")
        return options.mixture
    mixture = stated[0] if stated else format.mixtures.get(structures[0].positions.shape[1])
    if mixture is not None:
        notes.append(f"mixture taken to be {mixture}, the one of this source; --mixture overrides")
    return mixture


def _common_format(paths: list[Path]) -> Format:
    found = {sniff(path).name for path in paths}
    if len(found) > 1:
        raise DataError(f"the files are of several formats ({', '.join(sorted(found))}); import each apart")
    return FORMATS[found.pop()]


def sniff(path: Path) -> Format:
    """The format of a file, by its content.

    Raises:
        DataError: it is none of the known ones, or damaged at its beginning.
    """
    head = source.read_head(path)
    for format in FORMATS.values():
        if format.sniff(path, head):
            return format
    if head[:8] == b"\x89HDF\r\n\x1a\n":
        problem = f"is HDF5, perhaps a gensample dataset already: try `gensample info {path}`"
    elif not npz.is_npz(head):
        problem = f"is of no known format ({', '.join(FORMATS)}); say which with --format"
    elif found := sorted(npz.keys(path)):
        problem = f"is an npz of no known kind: it has {printable(', '.join(found))[:200]}"
    else:
        problem = "is a truncated or damaged npz archive; fetch it again"
    raise DataError(f"{path} {problem}")


for _module in pkgutil.iter_modules(__path__):
    register(importlib.import_module(f"{__name__}.{_module.name}").FORMAT)
