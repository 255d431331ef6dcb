"""`gensample sample MODEL --data DATA.h5 --replicas R --seed S --out GEN.h5`."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", help="name of a released model, its folder, or a checkpoint")
    parser.add_argument("--data", required=True, help="dataset with the initial configurations, file or name")
    parser.add_argument("--out", required=True, type=Path, help="dataset to write")
    parser.add_argument("--split", default="test", help="configurations to sample: train, val, test or all")
    parser.add_argument("--replicas", type=int, default=32, help="fields per configuration and lag")
    parser.add_argument("--seed", type=int, default=0, help="of the ensemble")
    parser.add_argument("--method", default="midpoint", help="euler, midpoint, heun2, rk4, dopri5, or sde")
    parser.add_argument(
        "--steps", type=int, default=4, help="solver steps of each stage (fixed-step methods)"
    )
    parser.add_argument("--tolerance", type=float, default=1e-5, help="of adaptive methods")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ...")
    parser.add_argument(
        "--shard", default="0/1", help="i/n: do share i of n; the last to finish writes --out"
    )


def run(args: argparse.Namespace) -> None:
    """Sample, resuming what an earlier run of the same settings left unfinished."""
    from gensample.commands.sample_ensemble import Request, sample_ensemble

    request = Request(
        model=args.model,
        data=args.data,
        split=args.split,
        replicas=args.replicas,
        seed=args.seed,
        method=args.method,
        steps=args.steps,
        tolerance=args.tolerance,
    )
    print(sample_ensemble(request, args.out, shard=args.shard, device=args.device))
