"""Commands that do what no command may: every one of these cases must be reported, or the fuzzer is blind."""

import os
import sys
import time
from pathlib import Path

import bases
from harness import MARKER, SECRET, Case

import gensample.commands.listing
from gensample.errors import DataError


def _bug(args) -> None:
    raise ValueError("a bug")


def _accepts(args) -> None:
    print("valid")


def _allocates(args) -> None:
    held = b"x" * (1200 << 20)
    raise DataError(f"{len(held)} bytes")


def _runs(args) -> None:
    Path(MARKER).write_text("")


def _leaves(args) -> None:
    Path(".half").write_text("")
    raise DataError("half-written")


def _changes(args) -> None:
    Path("full.h5").write_text("")


def _escapes(args) -> None:
    os.write(1, b"\x1b[31m")


def _shows(args) -> None:
    print(SECRET)


def _says_nothing(args) -> None:
    sys.exit(2)


def _crashes(args) -> None:
    os.abort()


def _waits(args) -> None:
    time.sleep(1000)


# The last two take long.
FAULTS = (
    *(_bug, _accepts, _runs, _leaves, _changes, _escapes, _shows, _says_nothing, _crashes),
    *(_allocates, _waits),
)


def make(number: int) -> Case:
    """Case ``number``: `gensample info` with one of the faults."""
    fault = FAULTS[number]
    gensample.commands.listing.Info.run = fault  # in this process alone
    bases.copy("full.h5")
    return Case(fault.__name__, ["info", "full.h5"], "refuse" if fault is _accepts else "any")
