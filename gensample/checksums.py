"""SHA-256 of files, and the list beside files that are handed on, which ``sha256sum -c SHA256SUMS`` reads.

They tell damage, half an upload and files of different versions; who can write the files can write the list.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from gensample.errors import DataError

SUMS = "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64})  ([\w.-]+)")


def sha256(file: Path) -> str:
    """Digest of a file, taken once for each of its states."""
    state = file.stat()
    return _sha256(file.resolve(), state.st_size, state.st_mtime_ns)


@lru_cache
def _sha256(file: Path, size: int, modified: int) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def sums_of(folder: Path) -> dict[str, str]:
    """Digests by the name of the file, as the list in a folder says; empty without one.

    Raises:
        DataError: it is no such list.
    """
    file = folder / SUMS
    if not file.is_file():
        return {}
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    found = [LINE.fullmatch(line) for line in lines]
    if not all(found):
        raise DataError(f"{file} is damaged: a line must be a sha256, two spaces and the name of a file")
    return {match[2]: match[1] for match in found if match}


def write_sums(folder: Path, names: Iterable[str]) -> None:
    """Write the list of those of the files that are there."""
    lines = [f"{sha256(folder / name)}  {name}\n" for name in sorted(names) if (folder / name).is_file()]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def check_sums(folder: Path, names: Iterable[str]) -> None:
    """Refuse the files of these names if one is not what the list beside them says.

    Raises:
        DataError: names the file.
    """
    known = sums_of(folder)
    for name in sorted({*names} | known.keys()):
        file = folder / name
        if name in known and not file.is_file():
            raise DataError(f"{folder} lacks {name}, which its {SUMS} names: get it again")
        if file.is_file() and known.get(name) != sha256(file):
            raise DataError(
                f"{file} is not the file that {SUMS} beside it names: get the folder again; if you have "
                f"changed it yourself, remove {SUMS}"
            )
