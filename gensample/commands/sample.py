"""`gensample sample MODEL`: displacement ensembles of given configurations, or new configurations."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from gensample.errors import ConfigError
from gensample.ranges import PROCESSES

DISPLACEMENT_STEPS, CONFIGURATION_STEPS = 4, 12
# Defaults of the options that only one of the two kinds of sample has.
OF_FIELDS = {
    **{"split": "test", "replicas": 32, "shard": "0/1"},
    **{"engine": None, "lmp": None, "processes": None},
}
# What solves the equation of a trained model; of displacement fields, see `sample_ensemble`.
SOLVER = {"method": "midpoint", "steps": CONFIGURATION_STEPS, "tolerance": 1e-5}
OF_CONFIGURATIONS = {
    "num": 1000,
    "particles": None,
    "base": None,
    "base_split": "test",
    "grid": "uniform",
    "likelihood": "none",
    "probes": 8,
    "sweeps": 0,
    "correction": "metropolis",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.set_defaults(**OF_FIELDS, **OF_CONFIGURATIONS)
    parser.add_argument(
        "model",
        help="name of a released model, its folder, or a checkpoint; harmonic or heated: physics without "
        "training, for the liquid of --data",
    )
    parser.add_argument("--out", required=True, type=Path, help="dataset to write")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--method", help="euler, midpoint (default), heun2, rk4, dopri5, or sde")
    parser.add_argument(
        "--steps",
        type=int,
        default=None,
        help=f"solver steps of fixed-step methods (default {DISPLACEMENT_STEPS} of each stage for "
        f"displacements, {CONFIGURATION_STEPS} for configurations)",
    )
    parser.add_argument("--tolerance", type=float, help="of adaptive methods (1e-5)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ...")
    parser.add_argument(
        "--force",
        action="store_true",
        help="also outside the domain of the model, the data it was trained on; the dataset says so",
    )
    fields = parser.add_argument_group("displacement fields")
    fields.add_argument("--data", help="dataset with the initial configurations, file or name")
    fields.add_argument("--split", help="configurations to sample: train, val, test or all")
    fields.add_argument("--replicas", type=int, help="fields per configuration and lag")
    fields.add_argument("--shard", help="i/n: do share i of n; the last to finish writes --out")
    fields.add_argument("--engine", help="of dynamics: lammps (default where installed) or torch")
    fields.add_argument("--lmp", help="LAMMPS executable of your own")
    fields.add_argument("--processes", type=PROCESSES, help="LAMMPS processes side by side (2)")
    structures = parser.add_argument_group("configurations")
    structures.add_argument("--temperature", type=float, help="temperature of the configurations")
    structures.add_argument("--num", type=int, help="number of configurations")
    structures.add_argument("--particles", type=int, help="particles of each (default: as trained)")
    structures.add_argument(
        "--base", help="dataset with the liquid to start from, for models that start from one"
    )
    structures.add_argument(
        "--base-split", help="its configurations: train, val, test, or several as val,test"
    )
    structures.add_argument("--grid", help="solver times: uniform, cosine or late")
    structures.add_argument("--likelihood", help="log density of each: none, exact or hutchinson")
    structures.add_argument("--probes", type=int, help="probes of hutchinson")
    structures.add_argument("--sweeps", type=int, help="sweeps with the real potential afterwards")
    structures.add_argument("--correction", help="of what: metropolis sweeps, or langevin steps")


def run(args: argparse.Namespace) -> None:
    """Sample, resuming what an earlier run of the same settings left unfinished."""
    if (args.data is None) == (args.temperature is None):
        raise ConfigError(
            "give --data DATA.h5 to draw displacement fields from its configurations, "
            "or --temperature T to draw new configurations"
        )
    foreign = OF_CONFIGURATIONS if args.temperature is None else OF_FIELDS
    for name, default in foreign.items():
        if getattr(args, name) != default:
            kind = "configurations (--temperature)" if foreign is OF_CONFIGURATIONS else "fields (--data)"
            raise ConfigError(f"--{name.replace('_', '-')} is of samples of {kind} alone; drop it")
    print(_fields(args) if args.temperature is None else _configurations(args))


def _fields(args: argparse.Namespace) -> str:
    from gensample.commands.sample_ensemble import draw_fields

    options = ("split", "replicas", "seed", "shard", "device", "force", "engine", "lmp", "processes")
    given = {name: getattr(args, name) for name in options}
    return draw_fields(args.model, args.data, args.out, solver=_solver(args), **given)


def _solver(args: argparse.Namespace) -> dict[str, Any]:
    """What was asked for of it."""
    return {name: getattr(args, name) for name in SOLVER if getattr(args, name) is not None}


def _configurations(args: argparse.Namespace) -> str:
    from gensample.commands.sample_configurations import Request, sample_configurations
    from gensample.data.store import digest_structures
    from gensample.zoo import model_digest

    request = Request(
        model=args.model,
        temperature=args.temperature,
        num=args.num,
        particles=args.particles,
        seed=args.seed,
        **{**SOLVER, **_solver(args)},
        grid=args.grid,
        likelihood=args.likelihood,
        probes=args.probes,
        sweeps=args.sweeps,
        base=args.base,
        base_split=args.base_split,
        correction=args.correction,
    )
    request.check()
    content = "" if args.base is None else digest_structures(args.base, "all")
    request = replace(request, weights=model_digest(args.model), content=content)
    return sample_configurations(request, args.out, device=args.device, force=args.force)
