"""Foreign text on its way to a terminal, a log or a file, and signs that a terminal cannot show.

`guarded` standard streams never end the work: a reader that leaves, a full disk, a poor terminal.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

# What has neither a Greek name nor a decomposition.
PLAIN = {
    **{"−": "-", "±": "+-", "×": "x", "·": ".", "≤": "<=", "≥": ">=", "≈": "~", "∞": "inf", "→": "->"},
    **{"–": "-", "—": "-", "…": "...", "⟨": "<", "⟩": ">", "✓": "yes", "✗": "no"},
}
PLAIN_ERRORS = "gensample-plain"
LINK = re.compile(r"\s*\(\[[^]]*\]\([^)]*\)\)|\[([^]]*)\]\([^)]*\)")


def printable(text: str) -> str:
    r"""``text`` on one line: line breaks, control and formatting characters become ``\n``, ``\x1b``, ..."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def first_paragraph(card: str) -> str:
    """The first paragraph of the card of a model, without marks, on one line."""
    paragraphs = [part for part in card.split("\n\n") if part.strip() and not part.startswith("#")]
    return " ".join(LINK.sub(r"\1", paragraphs[0]).replace("`", "").split()) if paragraphs else "no card"


def harmless(text: str) -> str:
    """``text`` as `printable` has it, but on its lines."""
    return text if text.isprintable() else "\n".join(map(printable, text.split("\n")))


def in_ascii(character: str) -> str:
    """A character in ASCII: chi for χ, 4 for ₄, else its escape."""
    if character in PLAIN:
        return PLAIN[character]
    kind, _, letter = unicodedata.name(character, "").rpartition(" LETTER ")
    if kind.startswith("GREEK"):
        return letter.split()[0].lower() if "SMALL" in kind else letter.split()[0].capitalize()
    parts = unicodedata.normalize("NFKD", character)
    ascii_ = "".join(PLAIN.get(c, c) for c in parts if not unicodedata.combining(c))
    return ascii_ if ascii_.isascii() else character.encode("unicode_escape").decode()


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(in_ascii, error.object[error.start : error.end])), error.end


codecs.register_error(PLAIN_ERRORS, _replace)


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
