"""Run as a script: `gensample simulate` killed at one moment after another, then run to its end.

usage: killed.py CONFIG OUT SIGNAL MOMENT [MOMENT ...]

A fresh child is forked for each moment, so that the heavy imports happen once. A moment is the name of a
finished job, "scratch" (LAMMPS at work), "assembly" (the dataset half-written), or seconds. Prints one line
for each child: its exit status, and how many LAMMPS processes were at work before and after.
"""

import os
import signal
import sys
import time
from pathlib import Path

from gensample.cli import main
from gensample.simulate import run  # noqa: F401  imported before the fork
from gensample.simulate.isoconfigurational import config, jobs  # noqa: F401

# Seconds within which LAMMPS must have ended with its parent, on a busy machine.
PATIENCE = 10.0


def lammps_in(folder):
    found = []
    for link in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if (
                str(link.readlink()).startswith(str(folder))
                and (link.parent / "exe").readlink().name == "lmp"
            ):
                found.append(int(link.parent.name))
        except OSError:
            continue
    return found


def reached(moment, parts, out, started):
    if moment == "scratch":
        return bool(lammps_in(parts))
    if moment == "assembly":
        return out.with_name(f".{out.name}.tmp.h5").exists()
    if moment.replace(".", "").isdigit():
        return time.monotonic() - started > float(moment)
    return (parts / moment).is_dir()


def fork_simulation(arguments):
    child = os.fork()
    if child == 0:
        # A shell's background jobs ignore it, and their children inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os._exit(main(arguments))
    return child


def ended(child):
    done, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if done else None


def interrupt(child, number, moment, parts, out):
    """Exit status of the child, sent the signal when the moment has come."""
    started = time.monotonic()
    while not reached(moment, parts, out, started):
        status = ended(child)
        if status is not None:
            return status, 0
        time.sleep(0.003)
    at_work = len(lammps_in(parts))
    os.kill(child, number)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), at_work


def inodes(parts):
    """The finished jobs; a job done twice would have another inode or time."""
    folders = [path for path in parts.glob("*-*") if path.is_dir() and not path.name.startswith("scratch")]
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folders}


def run_all(config_file, out, number, moments):
    parts = out.with_name(f"{out.name}.parts")
    arguments = ["simulate", config_file, "--out", str(out), "--keep-parts"]
    finished = {}
    for moment in moments:
        status, before = interrupt(fork_simulation(arguments), number, moment, parts, out)
        alive = time.monotonic()
        while lammps_in(parts) and time.monotonic() - alive < PATIENCE:
            time.sleep(0.01)
        after = inodes(parts)
        assert finished.items() <= after.items(), "a finished job was done again or lost"
        finished = after
        print(moment, status, before, len(lammps_in(parts)), len(finished), flush=True)
    assert main(arguments) == 0
    assert finished.items() <= inodes(parts).items(), "a finished job was done again or lost"


if __name__ == "__main__":
    run_all(sys.argv[1], Path(sys.argv[2]).resolve(), getattr(signal, sys.argv[3]), sys.argv[4:])
