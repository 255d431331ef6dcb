"""Words of text formats as numbers: nothing is rounded, cut or guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from gensample.data.importing.source import as_floats
from gensample.errors import DataError
from gensample.ranges import shown

_NUMBER = re.compile(
    r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE
)
_WHOLE = re.compile(r"([-+]?\d{1,18})(\.0*)?", re.ASCII)
_SAMPLE = 100  # rows that show how many digits a program prints


def lines_of(text: str) -> list[str]:
    """Lines that end in a newline, or in a carriage return and one."""
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def floats(rows: Sequence[Sequence[str]], name: str) -> np.ndarray:
    """A finite table of numbers from rows of words, all of one length.

    Raises:
        DataError: a word is not a number, rows differ in length, or a value is not finite.
    """
    words = list(chain.from_iterable(rows))
    joined = "".join(words)
    try:
        # Python would read 1_0 as ten, and digits of other scripts.
        if "_" in joined or not joined.isascii():
            raise ValueError
        values = np.array([float(word) for word in words])
    except ValueError:
        bad = next(word for word in words if not _NUMBER.fullmatch(word))
        raise DataError(f"{name}: expected a number such as 1.5e-3, got {shown(bad)}") from None
    if len({len(row) for row in rows}) > 1:
        raise DataError(f"{name}: lines differ in their number of columns; is the file truncated?")
    return as_floats(values.reshape(len(rows), -1), name)


def integers(words: Sequence[str], name: str) -> np.ndarray:
    """Whole numbers (n,) of up to 18 digits.

    Raises:
        DataError: a word is anything else.
    """
    matches = [_WHOLE.fullmatch(word) for word in words]
    if None in matches:
        bad = words[matches.index(None)]
        raise DataError(f"{name}: expected a whole number of at most 18 digits, got {shown(bad)}")
    return np.array([int(match.group(1)) for match in matches if match], np.int64)


def count(word: str, name: str) -> int:
    """A number of particles, rows or types, at least one.

    Raises:
        DataError: it is none.
    """
    value = int(integers([word], name)[0])
    if value < 1:
        raise DataError(f"{name}: expected a number of at least 1, got {value}")
    return value


def labels(words: Sequence[str], name: str) -> np.ndarray:
    """Particle types (n,): whole numbers, or else names.

    Raises:
        DataError: a number that is not whole.
    """
    if any(_NUMBER.fullmatch(word) and not _WHOLE.fullmatch(word) for word in set(words)):
        integers(words, name)
    return integers(words, name) if all(map(_WHOLE.fullmatch, set(words))) else np.array(words)


def resolution(words: Sequence[Sequence[str]], scale: float = 1.0) -> float:
    """Spacing of printed numbers, times ``scale``, by the most digits that any of them has."""
    sample = list(chain.from_iterable(words[:_SAMPLE]))
    digits = max((_digits(word) for word in sample), default=0)
    largest = max((abs(float(word)) for word in chain.from_iterable(words)), default=0.0)
    if largest == 0:
        return 0.0
    return float(scale * 10.0 ** (np.floor(np.log10(largest)) + 1 - digits))


def rows(*columns: np.ndarray) -> Iterator[str]:
    """Lines of columns (N,) or (N, M), each number with the digits that bring back its bits."""
    words = [c.astype(str).reshape(len(c), -1) for c in columns]
    return map(" ".join, np.concatenate(words, axis=1).tolist())


def _digits(word: str) -> int:
    return len(re.split("[eE]", word)[0].lstrip("+-").replace(".", "").lstrip("0"))
