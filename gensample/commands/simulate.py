"""`gensample simulate CONFIG --out DATA.h5`."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gensample.ranges import PROCESSES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("config", help="yaml file, see configs/simulate")
    parser.add_argument("overrides", nargs="*", help="settings as key=value, such as splits.train.replicas=4")
    parser.add_argument("--out", required=True, type=Path, help="dataset to write")
    parser.add_argument("--lmp", default=None, help="LAMMPS executable of your own")
    parser.add_argument("--processes", type=PROCESSES, default=None, help="LAMMPS processes side by side")
    parser.add_argument("--keep-parts", action="store_true", help="keep the folder of finished jobs")


def run(args: argparse.Namespace) -> None:
    """Simulate, resuming what an earlier run of the same settings left unfinished."""
    from gensample.simulate.isoconfigurational.config import load_config
    from gensample.simulate.run import simulate

    overrides = list(args.overrides)
    if args.processes is not None:
        overrides.append(f"processes={args.processes}")
    config = load_config(args.config, overrides)
    command = shlex.join(["gensample", "simulate", args.config, *args.overrides])
    with resumable():
        print(simulate(config, args.out, lmp=args.lmp, command=command, keep_parts=args.keep_parts))


def source_of(args: argparse.Namespace) -> Path:
    """The dataset that a command adds to, or copies to ``args.out``.

    Raises:
        DataError: there is none.
    """
    from gensample.data.catalog import resolve

    return resolve(args.data)


@contextmanager
def resumable() -> Iterator[None]:
    """Say on Ctrl-C that nothing finished is lost."""
    try:
        yield
    except KeyboardInterrupt:
        print("stopped; finished jobs are kept, the same command resumes", file=sys.stderr)
        raise
