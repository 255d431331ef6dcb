"""Files of an import: what their folders say, and their bytes, unpacked within bounds."""

from __future__ import annotations

import dataclasses
import gzip
import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

from gensample.errors import DataError

SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
SUFFIXES = (".npz", ".pickle", ".pkl", ".dump", ".lammpstrj", ".data", ".lmp", ".xyz", ".extxyz", ".gsd")
_GZIP = b"\x1f\x8b"
# Numbers in text pack to a fifth, small constant arrays to a thousandth: beyond both bounds it is a bomb.
_SMALL = 64 * 2**20
_EXPANSION = 16


@dataclasses.dataclass(frozen=True)
class Source:
    """One file; ``folders``: names from the folder that the user gave down to the file, none above it."""

    path: Path
    folders: tuple[str, ...] = ()

    def __str__(self) -> str:
        return str(self.path)

    @property
    def split(self) -> tuple[str, str] | None:
        """The split that the nearest folder called train, val or test names, and that folder."""
        for folder in reversed(self.folders):
            if folder.lower() in SPLIT_FOLDERS:
                return SPLIT_FOLDERS[folder.lower()], f"the folder name {folder}"
        return None

    @property
    def temperature(self) -> tuple[float, str] | None:
        """Temperature of a name such as ``N4096T0.44_1`` or a folder such as ``T0.44``, and which of them.

        Raises:
            DataError: the two differ.
        """
        file = re.search(r"N\d+T(\d{1,3}\.\d{1,9})", self.path.name)
        folders = [re.fullmatch(r"T(\d{1,3}\.\d{1,9})", folder) for folder in self.folders]
        folder = next((match for match in reversed(folders) if match), None)
        if file and folder and float(file.group(1)) != float(folder.group(1)):
            raise DataError(f"{self}: its name says T = {file.group(1)}, its folder T = {folder.group(1)}")
        if file:
            return float(file.group(1)), "file names"
        return (float(folder.group(1)), f"the folder name {folder.group()}") if folder else None


def find(sources: Sequence[str | Path]) -> list[Source]:
    """Files as named, and the data files below folders as named; each once, however it is called.

    Raises:
        DataError: there is no such file or folder, or nothing to read in it.
    """
    found: dict[str, Source] = {}
    for given in map(Path, sources):
        for source in _below(given):
            found.setdefault(os.path.realpath(source.path), source)
    return list(found.values())


def _below(given: Path) -> list[Source]:
    if given.is_file():
        return [Source(given)]
    if not given.is_dir():
        raise DataError(f"there is no file or folder {given}")
    top = os.path.basename(os.path.abspath(given))
    inside = [path for path in sorted(given.rglob("*")) if path.is_file() and _has_data_suffix(path)]
    if not inside:
        raise DataError(f"the folder {given} has no file ending in {', '.join(SUFFIXES)}")
    return [Source(path, (top, *path.relative_to(given).parts[:-1])) for path in inside]


def _has_data_suffix(path: Path) -> bool:
    return path.name.removesuffix(".gz").endswith(SUFFIXES) and not path.name.startswith(".")


def natural_order(source: Source) -> list[tuple[int, str]]:
    """Sorting key that puts file 2 before file 10."""
    parts = re.split(r"([0-9]+)", str(source))
    return [(int(p[:18]), p) if p.isdecimal() else (-1, p) for p in parts]


def check_expansion(name: str, unpacked: int, packed: int) -> None:
    """Sizes in bytes of what a file promises and of what it has are those of data, not of a bomb.

    Raises:
        DataError: they are not.
    """
    if unpacked > max(_SMALL, _EXPANSION * packed):
        raise DataError(
            f"{name} would grow from {packed} to at least {unpacked} bytes, more than {_EXPANSION} times; "
            "data do not, so it is damaged or made to fill the memory"
        )


def read_head(path: Path, size: int = 4096) -> bytes:
    """First bytes of a file, unpacked when it is gzip.

    Raises:
        DataError: empty, or it cannot be read.
    """
    head = _read(path, size)
    if not head:
        raise DataError(f"{path} is empty; fetch or make it again")
    return head


def read_text(path: Path) -> str:
    """Whole text file, unpacked when it is gzip.

    Raises:
        DataError: not text, or cut within its last line, where a shortened number would still look right.
    """
    try:
        text = _read(path).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a readable text file ({error})") from None
    if not text.endswith("\n"):
        raise DataError(f"{path} is truncated: it ends within a line; if it is whole, end it with a newline")
    return text


def _read(path: Path, size: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(size)
        return _unpack(path, size) if raw[:2] == _GZIP else raw
    except (OSError, EOFError, zlib.error, MemoryError) as error:
        raise DataError(f"{path} cannot be read, it is damaged ({type(error).__name__}: {error})") from None


def _unpack(path: Path, size: int) -> bytes:
    parts, packed, unpacked = [], path.stat().st_size, 0
    with gzip.open(path, "rb") as file:
        while size < 0 or unpacked < size:
            part = file.read(2**20 if size < 0 else size - unpacked)
            if not part:
                break
            unpacked += len(part)
            check_expansion(str(path), unpacked, packed)
            parts.append(part)
    return b"".join(parts)
