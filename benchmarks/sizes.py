"""What a command costs as the box grows: python benchmarks/sizes.py [M ...]

A test configuration of ka2d-mini, repeated M x M times in a periodic box, so that N = 500 M^2 and all sizes
have the same minimum and the same predictions. Core-seconds (user and system, of the command and what it
starts) and the memory of its largest process.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from gensample.data.store import Contents, Store, StoreWriter

COMMANDS = {
    "predict": ["predict", "ka2d-mini-botan", "--force"],
    "quench": ["quench", "--processes", "1"],
    "sample": ["sample", "ka2d-mini-heated", "--lag", "10", "--replicas", "1", "--processes", "1", "--force"],
}


def write_repeated(path: Path, times: int) -> int:
    """A dataset of one configuration; N."""
    with Store.open("ka2d-mini") as store:
        row = int(store.indices("test")[0])
        box = store.box[row]
        shifts = np.stack(np.meshgrid(*[np.arange(times)] * 2, indexing="ij"), -1).reshape(-1, 1, 2) * box
        contents = replace(
            Contents.of(store, [row]),
            species=np.tile(store.species, times**2),
            positions=(store.positions[row] + shifts).reshape(1, -1, 2),
            box=times * box,
        )
        StoreWriter.create(path, contents).close()
    return len(contents.species)


def cost(words: list[str]) -> tuple[float, float, float]:
    """Seconds of cores and of the clock, and GB, of one command."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "gensample", *words], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"gensample {' '.join(words)} failed")
    return used.ru_utime + used.ru_stime, time.monotonic() - began, used.ru_maxrss / 1e6


def main() -> None:
    """Print a row for each command and size."""
    print("| command | N | core-seconds | ms a particle | seconds | GB |\n|---|---|---|---|---|---|")
    for times in map(int, sys.argv[1:] or ("1", "5", "15", "45")):
        with tempfile.TemporaryDirectory() as name:
            data = Path(name) / "data.h5"
            particles = write_repeated(data, times)
            for command, words in COMMANDS.items():
                source = (
                    [words[0], str(data), *words[1:]]
                    if command == "quench"
                    else [*words, "--data", str(data)]
                )
                cores, clock, memory = cost([*source, "--out", f"{name}/{command}.h5"])
                each = f"{1000 * cores / particles:.2f} | {clock:.0f} | {memory:.1f}"
                print(f"| {command} | {particles:,} | {cores:.1f} | {each} |", flush=True)


if __name__ == "__main__":
    main()
