"""`gensample shear CONFIG --out DATA.h5`."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from gensample.ranges import PROCESSES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("config", help="yaml file, see configs/shear")
    parser.add_argument("overrides", nargs="*", help="settings as key=value, such as max_strain=0.2")
    parser.add_argument("--out", required=True, type=Path, help="dataset to write")
    parser.add_argument("--lmp", default=None, help="LAMMPS executable of your own")
    parser.add_argument("--processes", type=PROCESSES, default=None, help="LAMMPS processes side by side")
    parser.add_argument("--keep-parts", action="store_true", help="keep the folder of finished jobs")


def run(args: argparse.Namespace) -> None:
    """Shear, resuming what an earlier run of the same settings left unfinished."""
    from gensample.commands.simulate import resumable
    from gensample.simulate.shear.config import load_shear_config
    from gensample.simulate.shear.run import shear

    overrides = list(args.overrides)
    if args.processes is not None:
        overrides.append(f"processes={args.processes}")
    config = load_shear_config(args.config, overrides)
    command = shlex.join(["gensample", "shear", args.config, *args.overrides])
    with resumable():
        print(shear(config, args.out, lmp=args.lmp, command=command, keep_parts=args.keep_parts))
