"""`gensample cage DATA.h5`."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from gensample.ranges import PROCESSES

if TYPE_CHECKING:
    from gensample.simulate.cage import CageSettings

SETTINGS = ("time", "replicas", "snapshots", "thermostat", "seed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("data", help="dataset, or the name of an embedded one")
    parser.add_argument("--out", default=None, type=Path, help="write a copy instead of changing DATA")
    parser.add_argument("--time", type=float, help="length of a run in tau; its first fifth is left out (5)")
    parser.add_argument("--replicas", type=int, help="runs from each configuration (32)")
    parser.add_argument("--snapshots", type=int, help="positions of each run that are averaged over (40)")
    parser.add_argument("--thermostat", help="nose-hoover (default), langevin or none")
    parser.add_argument("--seed", type=int, help="of the velocities (0)")
    parser.add_argument("--lmp", default=None, help="LAMMPS executable of your own")
    parser.add_argument("--processes", type=PROCESSES, default=2, help="LAMMPS processes side by side")
    parser.add_argument("--again", action="store_true", help="replace cage positions the dataset has")


def run(args: argparse.Namespace) -> None:
    """Average over short runs from every configuration, resuming what an earlier run left unfinished."""
    from gensample.commands.simulate import resumable, source_of
    from gensample.simulate.cage import cage

    source = source_of(args)
    options = {key: getattr(args, key) for key in ("processes", "lmp", "again")}
    with resumable():
        settings = _settings(args)
        print(cage(source, args.out, settings=settings, command=_command(args), **options))


def _given(args: argparse.Namespace) -> dict[str, object]:
    return {name: getattr(args, name) for name in SETTINGS if getattr(args, name) is not None}


def _settings(args: argparse.Namespace) -> CageSettings:
    from gensample.simulate.cage import CageSettings

    return CageSettings(**_given(args))  # type: ignore[arg-type]


def _command(args: argparse.Namespace) -> str:
    words = [word for name, value in _given(args).items() for word in (f"--{name}", str(value))]
    return shlex.join(["gensample", "cage", args.data, *words])
