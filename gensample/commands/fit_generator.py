"""`gensample fit heated | harmonic`: the numbers of a generator without training, from training data."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gensample.errors import ConfigError
from gensample.ranges import PROCESSES, SEED

if TYPE_CHECKING:
    from gensample.generators.heated_fit import Search

GENERATORS = ("heated", "harmonic")
# Of `heated` alone: options, and what their values are.
SETTINGS: dict[str, tuple[type, str]] = {
    "temperatures": (float, "of the hot phase (1.2, 1.33, 1.5, 1.7 and 1.9 times that of the data)"),
    "ramps": (float, "try a phase between, too: 0 the temperature of the data, 1 the hot one (none)"),
    "ramp_time": (float, "length of that phase, tau (3)"),
    "settle": (float, "length of the last phase, at the temperature of the data, tau (3)"),
    "share": (float, "of the lag that a field may cost (0.2)"),
    "least": (float, "cost that is allowed whatever the lag, tau (8)"),
    "most": (float, "cost that is never passed, tau (no limit)"),
    "tolerance": (float, "of the share of mobile particles, relative to simulation's (0.1)"),
    "replicas": (int, "draws of each candidate from each configuration (8)"),
    "timestep": (float, "tau (0.005)"),
}
SEVERAL = ("temperatures", "ramps")
OPTIONS = (*SETTINGS, "engine", "lmp", "processes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("generator", choices=GENERATORS, help="what to fit")
    parser.add_argument("--data", required=True, help="dataset with displacements, file or name")
    parser.add_argument("--out", required=True, type=Path, help="folder of the model to write")
    parser.add_argument("--split", default="train", help="configurations to fit to (train)")
    parser.add_argument("--configurations", type=int, help="no more of them than this (all)")
    parser.add_argument("--temperature", type=float, help="which temperature, where the dataset has several")
    parser.add_argument("--seed", type=SEED, default=0, help="of the draws (0)")
    heated = parser.add_argument_group("heated")
    for name, (kind, meaning) in SETTINGS.items():
        several: dict[str, Any] = {"nargs": "+"} if name in SEVERAL else {}
        heated.add_argument(f"--{name.replace('_', '-')}", type=kind, help=meaning, **several)
    heated.add_argument("--engine", help="of dynamics: lammps (default where installed) or torch")
    heated.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ...; others than cpu with torch")
    heated.add_argument("--lmp", help="LAMMPS executable of your own")
    heated.add_argument("--processes", type=PROCESSES, help="LAMMPS processes side by side (2)")


def run(args: argparse.Namespace) -> None:
    """Fit, resuming what an earlier run of the same settings left unfinished."""
    from gensample.commands.simulate import resumable

    if args.generator == "harmonic":
        for name in OPTIONS:
            if getattr(args, name) is not None:
                raise ConfigError(f"--{name.replace('_', '-')} is of heated alone; drop it")
    with resumable():
        print(_heated(args) if args.generator == "heated" else _harmonic(args))


def _task(args: argparse.Namespace) -> Any:
    from gensample.commands.fitting import Task

    return Task.read(args.data, args.split, args.configurations, args.temperature)


def _heated(args: argparse.Namespace) -> str:
    from gensample.commands.fit_heated import fit_heated
    from gensample.simulate.runners import choose_dynamics

    task = _task(args)
    search = _search(args, task.temperature)
    dynamics = choose_dynamics(args.engine, device=args.device, lmp=args.lmp, processes=args.processes)
    return fit_heated(task, search, args.out, dynamics)


def _search(args: argparse.Namespace, temperature: float) -> Search:
    from gensample.generators.heated_fit import FACTORS, Search

    given = {name: getattr(args, name) for name in SETTINGS if getattr(args, name) is not None}
    given |= {name: tuple(given[name]) for name in SEVERAL if name in given}
    given.setdefault("temperatures", tuple(round(factor * temperature, 3) for factor in FACTORS))
    search = Search(seed=args.seed, **given)
    search.check(temperature)
    return search


def _harmonic(args: argparse.Namespace) -> str:
    from gensample.commands.fitting import fit_harmonic

    return fit_harmonic(_task(args), args.out, args.seed, args.device)
