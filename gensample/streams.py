"""Standard output and error that never end the work: a reader that leaves, a full disk, a poor terminal."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from gensample.text import PLAIN_ERRORS, harmless


class Output:
    """A text stream whose first failure is kept in ``error``; what follows it is lost.

    ``escape``: control characters do not reach it, line breaks do.
    """

    def __init__(self, stream: TextIO | None, escape: bool = False) -> None:
        self.error: OSError | None = None
        self._closed = stream is None
        self._stream: TextIO = open(os.devnull, "w", encoding="utf-8") if stream is None else stream  # noqa: SIM115
        self._escape = escape
        if isinstance(self._stream, io.TextIOWrapper):
            self._stream.reconfigure(errors=PLAIN_ERRORS)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, unless that has failed before."""
        if self._closed and text:
            self._fail(OSError("it is closed"))
        try:
            return self._stream.write(harmless(text) if self._escape else text)
        except OSError as error:
            self._fail(error)
            return len(text)

    def writelines(self, lines: Any) -> None:
        """Write one after the other."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand on what is buffered."""
        try:
            self._stream.flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.error = self.error or error
        if self._closed:
            return
        # What is still buffered, and what others write to the descriptor, goes nowhere.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())
        os.close(null)


@contextmanager
def guarded(escape: bool = True) -> Iterator[Output]:
    """Put `Output` in the place of both standard streams, and yield that of standard output."""
    _occupy_standard_descriptors()
    before = sys.stdout, sys.stderr
    out, err = Output(sys.stdout, escape), Output(sys.stderr)
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def _occupy_standard_descriptors() -> None:
    """A file opened while one of them is closed would take its number, and get what libraries print."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
