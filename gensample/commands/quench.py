"""`gensample quench DATA`: a dataset, or a file that `gensample import` reads."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gensample.ranges import PROCESSES, RESIDUAL_FORCE, ROUNDING, TEMPERATURE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("data", help="dataset, name of an embedded one, or file to import (with --out)")
    parser.add_argument("--out", default=None, type=Path, help="write a copy instead of changing DATA")
    parser.add_argument("--mixture", help="of a file to import")
    parser.add_argument("--temperature", type=TEMPERATURE, help="of a file to import")
    parser.add_argument(
        "--engine", choices=("lammps", "torch"), default=None, help="default: lammps if installed, else torch"
    )
    parser.add_argument("--device", default="cpu", help="torch alone: cpu, cuda, cuda:1, ...")
    parser.add_argument(
        "--tolerance",
        type=RESIDUAL_FORCE,
        default=None,
        help="largest force at the end (1e-7 of LAMMPS, 1e-6 of torch, 3e-4 of --futures)",
    )
    parser.add_argument("--lmp", default=None, help="LAMMPS executable of your own")
    parser.add_argument("--processes", type=PROCESSES, default=2, help="LAMMPS processes side by side")
    parser.add_argument("--again", action="store_true", help="replace what the dataset has")
    parser.add_argument(
        "--futures",
        action="store_true",
        help="quench x + u for every displacement field u: inherent displacements, which show what hopped",
    )
    parser.add_argument(
        "--precision", type=ROUNDING, default=None, help="of --futures: multiples they are rounded to (2^-13)"
    )


def run(args: argparse.Namespace) -> None:
    """Minimise every configuration, resuming what an earlier run left unfinished."""
    import h5py

    from gensample.commands.simulate import resumable, source_of
    from gensample.errors import ConfigError
    from gensample.simulate.future_jobs import quench_futures
    from gensample.simulate.minimisers import choose
    from gensample.simulate.quench import quench

    data, out = source_of(args), args.out
    options: dict[str, Any] = {
        key: getattr(args, key) for key in ("engine", "device", "tolerance", "processes", "lmp")
    }
    choose(**options)  # before anything is imported: options that do not go together leave nothing
    if args.precision is not None and not args.futures:
        raise ConfigError("--precision is of inherent displacements: give --futures, or leave it out")
    if not (args.futures or h5py.is_hdf5(data) or data.suffix == ".h5"):
        data, out = _imported(args), None
    elif args.mixture is not None or args.temperature is not None:
        raise ConfigError("a dataset says its own mixture and temperature: drop --mixture and --temperature")
    if args.precision is not None:
        options["precision"] = args.precision
    with resumable():
        print((quench_futures if args.futures else quench)(data, out, again=args.again, **options))


def _imported(args: argparse.Namespace) -> Path:
    """The dataset ``--out`` of a configuration file, imported unless an earlier run did."""
    from gensample.commands.import_ import Import
    from gensample.data.store import Store
    from gensample.errors import ConfigError

    if args.out is None:
        raise ConfigError(f"{args.data} is no dataset: give --out DATA.h5 for one that is made of it")
    asked = Import((args.data,), out=str(args.out), mixture=args.mixture, temperature=args.temperature)
    if not args.out.exists():
        asked.run()
    with Store.open(args.out) as store:
        if store.attrs["command"] != asked.line():
            raise ConfigError(f"{args.out} exists and is another dataset; remove it or choose another --out")
    out: Path = args.out
    return out
