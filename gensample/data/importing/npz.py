"""Safe reading of numpy archives: no pickles, sizes checked before anything is allocated, clear errors."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from gensample.data.importing.source import check_expansion
from gensample.errors import DataError
from gensample.text import printable


def is_npz(head: bytes) -> bool:
    """Whether the first bytes are those of a zip archive."""
    return head[:4] == b"PK\x03\x04"


def keys(path: Path) -> set[str]:
    """Names of the arrays in an archive; empty when it cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return set()


@contextmanager
def _opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if len(members) < len(archive.infolist()):
                raise ValueError("two arrays of one name")
            yield archive, members
    except DataError:
        raise
    except Exception as error:  # a damaged archive can raise almost anything: BadZipFile, zlib.error, ...
        reason = printable(f"{type(error).__name__}: {error}")[:200]
        raise DataError(f"{path} cannot be read as a plain npz archive ({reason})") from None


def arrays(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named arrays that the archive has.

    Raises:
        DataError: the archive is damaged, an array needs unpickling, which could run code, or its size is
            not that of its data.
    """
    with _opened(path) as (archive, members):
        return {name: _array(archive, members[name], path) for name in names if name in members}


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> np.ndarray:
    name = printable(f"{path}: {info.filename.removesuffix('.npy')}")
    check_expansion(name, info.file_size, info.compress_size)
    with archive.open(info) as member:
        shape, dtype = _header(member)
        if dtype.hasobject:
            raise DataError(f"{name} holds pickled objects, which are never loaded")
        stored = info.file_size - member.tell()
        if (nominal := math.prod(shape) * dtype.itemsize) != stored:
            raise DataError(f"{name}: an array of shape {shape} takes {nominal} bytes, the file has {stored}")
    with archive.open(info) as member:
        return np.asarray(npy.read_array(member, allow_pickle=False))


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = npy.read_magic(member)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(member)
    return tuple(shape), dtype


def require(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named arrays, all of them.

    Raises:
        DataError: one is missing, or as for ``arrays``.
    """
    names = list(names)
    found_arrays = arrays(path, names)
    missing = [name for name in names if name not in found_arrays]
    if missing:
        found = printable(", ".join(sorted(keys(path))) or "nothing")[:200]
        raise DataError(f"{path} lacks {', '.join(missing)}; it has {found}")
    return found_arrays


def shape(path: Path, name: str) -> tuple[int, ...]:
    """Shape of an array, from its header alone.

    Raises:
        DataError: the archive is damaged or lacks the array.
    """
    with _opened(path) as (archive, members), archive.open(members[name]) as member:
        return _header(member)[0]
