"""`gensample probe DATA.h5`."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from gensample.ranges import PROCESSES

if TYPE_CHECKING:
    from gensample.simulate.probe import ProbeSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("data", help="dataset, or the name of an embedded one")
    parser.add_argument("--out", default=None, type=Path, help="write a copy instead of changing DATA")
    parser.add_argument(
        "--temperatures", type=float, nargs="+", required=True, metavar="T", help="of the runs, heated or not"
    )
    parser.add_argument(
        "--times", type=float, nargs="+", required=True, metavar="t", help="at which displacements count, tau"
    )
    parser.add_argument("--replicas", type=int, required=True, help="runs at each temperature")
    parser.add_argument("--thermostat", default="nose-hoover", help="nose-hoover, langevin or none")
    parser.add_argument("--seed", type=int, default=0, help="of the velocities")
    parser.add_argument("--lmp", default=None, help="LAMMPS executable of your own")
    parser.add_argument("--processes", type=PROCESSES, default=2, help="LAMMPS processes side by side")
    parser.add_argument("--again", action="store_true", help="replace probe runs the dataset has")


def run(args: argparse.Namespace) -> None:
    """Run from every inherent structure, resuming what an earlier run left unfinished."""
    from gensample.commands.simulate import resumable, source_of
    from gensample.simulate.probe import probe

    source = source_of(args)
    options = {key: getattr(args, key) for key in ("processes", "lmp", "again")}
    with resumable():
        settings = _settings(args)
        print(probe(source, args.out, settings=settings, command=_command(args), **options))


def _settings(args: argparse.Namespace) -> ProbeSettings:
    from gensample.simulate.probe import ProbeSettings

    return ProbeSettings(
        tuple(args.temperatures), tuple(args.times), args.replicas, args.thermostat, seed=args.seed
    )


def _command(args: argparse.Namespace) -> str:
    words = ["--temperatures", *args.temperatures, "--times", *args.times, "--replicas", args.replicas]
    words += ["--thermostat", args.thermostat, "--seed", args.seed]
    return shlex.join(["gensample", "probe", args.data, *map(str, words)])
