"""How much of the library one call enters: files, functions, depth. Run `python benchmarks/entered.py`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import gensample
from gensample.cli import main

PACKAGE = str(Path(gensample.__file__).parent)


class Entered(NamedTuple):
    """Files and functions of gensample that a call has entered, and their largest depth on the stack."""

    files: int
    functions: int
    depth: int


def entered(call: Callable[[], object]) -> Entered:
    """What ``call`` enters, imports apart."""
    seen, depth, deepest = set(), 0, 0

    def look(frame, event, _):
        nonlocal depth, deepest
        code = frame.f_code
        if not code.co_filename.startswith(PACKAGE) or code.co_name == "<module>":
            return
        if event == "call":
            depth += 1
            deepest = max(deepest, depth)
            seen.add((code.co_filename, code.co_qualname if sys.version_info >= (3, 11) else code.co_name))
        elif event == "return":
            depth -= 1

    sys.setprofile(look)
    try:
        call()
    finally:
        sys.setprofile(None)
    return Entered(len({file for file, _ in seen}), len(seen), deepest)


BENCHMARK = """
title: one row
bootstrap: 10
datasets: {mini: {dataset: ka2d-mini}}
rows: [{name: energy, inputs: [thermal], indicator: energy}]
"""


def of_commands(scratch: Path) -> dict[str, Entered]:
    """What `sample`, `compare` and `benchmark` of one configuration enter, each at its second call."""
    from gensample.data.store import Store

    indices = Store.indices
    Store.indices = lambda self, split: indices(self, split)[:1]
    found = {}
    try:
        for run in ("first", "second"):
            folder = scratch / run
            folder.mkdir()
            for name, words in _words(folder).items():
                found[name] = entered(lambda words=words: _succeed(words))
    finally:
        Store.indices = indices
    return found


def _words(folder: Path) -> dict[str, list[str]]:
    (folder / "benchmark.yaml").write_text(BENCHMARK, encoding="utf-8")
    drawn, few = str(folder / "drawn.h5"), ["--split=test", "--quench-replicas=2", "--follow=0"]
    return {
        "sample": [
            "sample",
            "ka2d-mini-flow",
            "--data=ka2d-mini",
            "--replicas=2",
            "--steps=1",
            "--out",
            drawn,
        ],
        "compare": ["compare", "ka2d-mini", drawn, *few, "--out", str(folder / "compared")],
        "benchmark": ["benchmark", str(folder / "benchmark.yaml"), "--out", str(folder / "judged")],
    }


def _succeed(words: list[str]) -> None:
    if main(words):
        raise SystemExit(f"gensample {' '.join(words)} failed")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        for name, found in of_commands(Path(scratch)).items():
            print(name, found)
