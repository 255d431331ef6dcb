"""Safe reading of numpy archives: no pickles, clear errors, shapes without loading."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from gensample.errors import DataError


def is_npz(head: bytes) -> bool:
    """Whether the first bytes are those of a zip archive."""
    return head[:4] == b"PK\x03\x04"


def keys(path: Path) -> set[str]:
    """Names of the arrays in an archive; empty when it cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        return set()


def load(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named arrays that the archive has.

    Raises:
        DataError: the archive is damaged, or an array needs unpickling, which could run code.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in names if name in archive.files}
    except Exception as error:  # a damaged archive can raise almost anything: BadZipFile, zlib.error, ...
        raise DataError(f"{path} cannot be read as a plain npz archive ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    if "allow_pickle" in str(error):
        return "it holds pickled objects, which are never loaded"
    return f"{type(error).__name__}: {error}".splitlines()[0]


def require(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """The named arrays, all of them.

    Raises:
        DataError: one is missing, or as for ``load``.
    """
    names = list(names)
    arrays = load(path, names)
    missing = [name for name in names if name not in arrays]
    if missing:
        raise DataError(
            f"{path} lacks {', '.join(missing)}; it has {', '.join(sorted(keys(path))) or 'nothing'}"
        )
    return arrays


def shape(path: Path, name: str) -> tuple[int, ...]:
    """Shape of an array, from its header alone.

    Raises:
        DataError: the archive is damaged or lacks the array.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
            version = npy.read_magic(member)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            return tuple(read(member)[0])
    except Exception as error:
        raise DataError(f"{path}: {name} cannot be read ({_reason(error)})") from None
