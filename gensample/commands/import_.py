"""`gensample import SOURCE ... --out DATA.h5`."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from gensample.errors import ConfigError
from gensample.ranges import NUMBER, POSITIVE, SEED, shown
from gensample.text import printable

if TYPE_CHECKING:
    from gensample.data.importing.base import Options

FORMATS = ("auto", "botan", "glassbench", "deepmind", "lammps-dump", "lammps-data", "extxyz", "gsd")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="files or folders; folders train, val, test, at or below those given, name the split",
    )
    add("--out", required=True, help="dataset to write")
    add("--format", choices=FORMATS, default="auto", help="auto recognises files by their content")
    add(
        "--mixture", help="a name such as ka2d, a yaml file, or unknown; needed where the source implies none"
    )
    add("--temperature", type=POSITIVE, help="where the source does not say it")
    add("--time", type=POSITIVE, nargs="+", metavar="T", help="lag times in LJ units, in ascending order")
    add("--timestep", type=POSITIVE, help="LJ time of one simulation step, for dumps that count steps")
    add("--box", type=POSITIVE, nargs="+", metavar="L", help="edge length, or one for each direction")
    add("--density", type=POSITIVE, help="where it is not that of the mixture")
    add("--species", nargs="+", metavar="TYPE=N", help="species number of each type, such as 1=0 2=1")
    add(
        "--split",
        choices=("auto", "train", "val", "test"),
        default="auto",
        help="split of all configurations",
    )
    add(
        "--val-count",
        type=NUMBER,
        default=0,
        metavar="N",
        help="move N random training configurations to val",
    )
    add("--seed", type=SEED, default=0, help="chooses the validation configurations")
    add("--frames", choices=("auto", "trajectory", "configurations"), default="auto", help="what frames are")
    add("--unwrapped", action="store_true", help="positions are unwrapped though the file does not say so")
    add(
        "--bond-breaking",
        choices=("auto", "kept", "lost"),
        default="auto",
        help="what bb_prop counts, where the file does not tell (GlassBench)",
    )
    add("--averages", action="store_true", help="take propensities where a source has both (DeepMind)")


def run(args: argparse.Namespace) -> None:
    """Read, check and write; say what was done."""
    from gensample.data.importing.importer import import_dataset

    chosen = {name: getattr(args, name) for name in ("format", "seed", "val_count")}
    imported = import_dataset(args.sources, args.out, _options(args), command=command_line(args), **chosen)
    print("\n".join(f"- {printable(note)}" for note in imported.notes))
    structures = imported.structures
    print(
        f"{args.out}: {len(structures)} configurations, {sum(s.replicas for s in structures)} replicas, "
        f"{len(structures[0].times)} lag times"
    )


def _options(args: argparse.Namespace) -> Options:
    from gensample.data.importing.base import Options

    return Options(
        mixture=args.mixture,
        temperature=args.temperature,
        times=tuple(args.time) if args.time else None,
        timestep=args.timestep,
        box=tuple(args.box) if args.box else None,
        density=args.density,
        split=args.split,
        species=_species(args.species),
        frames=args.frames,
        unwrapped=args.unwrapped,
        averages=args.averages,
        bond_breaking=args.bond_breaking,
    )


def _species(pairs: list[str] | None) -> dict[str, int] | None:
    if pairs is None:
        return None
    mapping = {}
    for pair in pairs:
        label, _, number = pair.rpartition("=")
        if not label or not re.fullmatch("[0-9]", number):
            raise ConfigError(f"--species takes TYPE=N with N from 0, such as 1=0 2=1, got {shown(pair)}")
        if label in mapping:
            raise ConfigError(f"--species names type {shown(label)} twice")
        mapping[label] = int(number)
    return mapping


def command_line(args: argparse.Namespace) -> str:
    """The command line of these arguments, as a dataset records it."""
    import shlex

    words = ["gensample", "import", *args.sources]
    defaults = {
        "val_count": 0,
        "seed": 0,
        **dict.fromkeys(("format", "split", "frames", "bond_breaking"), "auto"),
    }
    for name, value in vars(args).items():
        if name == "sources" or value in (None, False) or defaults.get(name) == value:
            continue
        words.append("--" + name.replace("_", "-"))
        words += [] if value is True else map(str, value if isinstance(value, list) else [value])
    return shlex.join(words)
