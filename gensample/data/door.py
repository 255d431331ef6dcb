"""The one door for datasets: whatever reads one, and whatever has written one, comes through here."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import h5py

from gensample.data.members import DAMAGE, Members
from gensample.data.schema import check_layout
from gensample.data.values import check_values
from gensample.errors import DataError

# A file that was written so shortly ago may change without its time doing so.
SETTLED = 2.0
_sound: set[tuple[Path, int, int, int, int]] = set()


def open_members(place: Path | h5py.File) -> Members:
    """A dataset, of a file or in memory, whose layout and values are checked; a file's once in a process.

    Raises:
        DataError: what is wrong with the file.
    """
    if not isinstance(place, Path):
        members = Members(place, Path(place.filename))
        check_layout(members)
        check_values(members)
        return members
    members = Members(_open(place), place)
    try:
        check_layout(members)
        _check_values_once(members)
    except BaseException:
        members.close()
        raise
    return members


def check_dataset(path: Path) -> None:
    """Refuse a file that `open_members` would refuse.

    Raises:
        DataError: what is wrong with the file.
    """
    open_members(path).close()


def _open(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except DAMAGE as error:
        reason = str(error).splitlines()[0]
        if getattr(error, "errno", None) in (errno.EAGAIN, errno.EACCES, errno.EPERM) and "lock" in reason:
            raise DataError(
                f"another process has {path} open for writing, such as a notebook or a running command: "
                "close it there, or wait"
            ) from None
        if "already open for write" in reason:
            raise DataError(
                f"{path} is open for writing elsewhere, or its writer was killed: close it there, or "
                "make the file again"
            ) from None
        raise DataError(f"{path} is not a readable HDF5 file ({reason}); make it again") from None


def _check_values_once(members: Members) -> None:
    state = os.stat(members.path)
    key = (members.path.resolve(), state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
    if key in _sound:
        return
    check_values(members)
    if time.time() - state.st_mtime > SETTLED:
        _sound.add(key)
