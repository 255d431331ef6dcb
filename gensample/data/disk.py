"""The file below an HDF5 file that is written: a full disk is an error, not the end of the process."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any


class Disk(io.RawIOBase):
    """A file for `h5py.File`, which crashes when the program ends if it could not write all that it holds.

    Failures are therefore hidden from it, and raised by ``check``.
    """

    def __init__(self, path: str | Path, mode: str) -> None:
        self._file = io.FileIO(path, mode)
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the first failure, such as a full disk."""
        if self._error is not None:
            raise self._error

    def write(self, data: Any) -> int:
        """Write all of it, or remember why not."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            self._error = self._error or error
        return size

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, with zeros beyond the end of the file, as HDF5's own drivers do."""
        view = memoryview(buffer).cast("B")
        found = self._file.readinto(view) or 0
        view[found:] = bytes(len(view) - found)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Change the size of the file, or remember why not."""
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size or 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The position."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file; failures to do so count as those of writing."""
        try:
            self._file.close()
        except OSError as error:
            self._error = self._error or error
        super().close()
