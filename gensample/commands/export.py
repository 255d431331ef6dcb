"""`gensample export DATA.h5 --format extxyz|lammps-data --out FILE`."""

from __future__ import annotations

import argparse

from gensample.ranges import NUMBER


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("data", help="dataset, by file or by the name of an embedded one")
    add("--format", choices=("extxyz", "lammps-data", "gsd"), required=True)
    add("--out", required=True, help="file to write")
    add(
        "--configuration",
        type=NUMBER,
        metavar="I",
        help="one configuration, from 0; extxyz and gsd take all without it",
    )
    add("--inherent", action="store_true", help="inherent instead of thermal positions")
    add("--replica", type=NUMBER, metavar="R", help="displaced positions of this complete replica, from 0")
    add(
        "--lag",
        type=NUMBER,
        metavar="K",
        help="only this lag of the replica, from 0; all without it, start first",
    )


def run(args: argparse.Namespace) -> None:
    """Write configurations, or a trajectory of one replica, for other programs."""
    from gensample.data.formats.export import frames_of, write_frames
    from gensample.data.store import Store
    from gensample.work import check_output

    with Store.open(args.data) as store:
        check_output(args.out, [store.path])
        frames = frames_of(
            store,
            configuration=args.configuration,
            inherent=args.inherent,
            replica=args.replica,
            lag=args.lag,
        )
        write_frames(args.out, args.format, frames, store.species)
    print(f"{args.out}: {len(frames)} frame{'s' if len(frames) > 1 else ''}")
