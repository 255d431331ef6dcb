"""Bad values of every option of every command."""

import argparse
import os
from functools import cache
from pathlib import Path

import bases
import numpy as np
from harness import Case
from source_bases import WORDS

from gensample.cli import build_parser

TEXTS = [
    "",
    "Midpoint",
    "\u00e9\u03c3\u200b",
    "a\nb",
    "\x1b[31mx",
    "nan",
    "None",
    "x" * 500,
    "../..",
    "%s{0}",
]
FLOATS = ["nan", "inf", "-inf", "-1", "0", "1e308", "1e-320", "", "x", "1,5"]
INTEGERS = ["-1", "0", str(2**64), str(2**63), str(10**30), "1.5", "nan", "1e3", "", "x"]
PATHS = [
    "",
    ".",
    "/dev/full",
    "/dev/null",
    "pipe",
    "full.h5",
    "full.h5/x",
    "x" * 300,
    "\u00e9\n.h5",
    "full.txt",
]
OWN = {
    "--shard": ["", "x", "0/0", "-1/2", "2/2", "1/1", "0/1/2", "0/nan", "0/1e3"],
    "--device": ["", "cuda", "cuda:99", "meta", "x", "mps", "\n"],
    "--species": ["", "1", "1=x", "1=-1", "1=99", "=0", "1=\u0663", "3=0"],
    "--lmp": ["", ".", "/dev/null", "pipe", "nowhere", "full.txt", "\n"],
    "--config": ["", ".", "/dev/null", "pipe", "nowhere", "full.h5", "\n"],
}
LAMMPS = ["--lmp", "./lmp"]
COMMANDS = {
    "info": ["full.h5"],
    "models": [],
    "datasets": [],
    "config": ["simulate/tiny"],
    "predict": ["ka2d-mini-botan", "--data", "mini.h5", "--out", "p.h5"],
    "export": ["full.h5", "--format", "extxyz", "--out", "o.xyz"],
    "compare": ["full.h5", "generated.h5", "--out", "report", "--bootstrap", "5", "--follow", "0"],
    "quench": ["full.h5", "--engine", "torch", "--again", "--out", "q.h5"],
    "sample": ["ka2d-mini-flow", "--data", "mini.h5", "--replicas", "1", "--steps", "1", "--out", "s.h5"],
    "sample configurations": [
        *("ka2d-mini-conf", "--temperature", "0.45", "--num", "1", "--steps", "1"),
        *("--base", "ka2d-liquid", "--base-split", "test", "--out", "s.h5"),
    ],
    "import": ["sources/dump", *WORDS["dump"], "--out", "i.h5"],
    "simulate": ["simulate.yaml", "--out", "m.h5", *LAMMPS],
    "cage": ["full.h5", "--again", "--out", "m.h5", *LAMMPS],
    "probe": [
        *("full.h5", "--again", "--out", "m.h5", *LAMMPS),
        *("--temperatures", "0.6", "--times", "1", "--replicas", "1"),
    ],
    "shear": ["shear.yaml", "--out", "m.h5", *LAMMPS],
    "benchmark": ["bench.yaml", "--out", "table"],
}
# Values that are fine, or may be: of an option, whatever the command; None stands for every value.
FINE: dict[str, tuple[str, ...] | None] = {
    **dict.fromkeys(("--seed", "--configuration", "--replica", "--lag", "--val-count", "--sweeps"), ("0",)),
    "--processes": (str(2**63), str(2**64), str(10**30)),
    "--quench-replicas": ("0",),
    "--name": ("Midpoint", "nan", "None", "%s{0}"),
    "--follow": ("0",),
    "--probes": None,  # of another kind of likelihood: not read
    "--rows": None,
}
# Where nothing says that a number is too large.
VAST = (("sample", "--tolerance"), ("sample configurations", "--tolerance"), ("import", "--temperature"))
NEW_FILE = ("\u00e9\n.h5",)  # odd, but a name
SETTINGS = {
    "trainer.max_epochs": ["nan", "x", "1.5", "-7"],
    "trainer.accelerator": ["gpu", "x", "tpu"],
    "trainer.devices": ["0", "x", "-7"],
    "trainer.gradient_clip_val": ["nan", "-1", "x"],
    "trainer.precision": ["x", "17"],
    "trainer.callbacks": ["os.system", "evil.Evil", "gensample.simulate.lammps.engine.Engine", "x"],
    "trainer.logger": ["os.system", "x"],
    "trainer.strategy": ["x", "os.system"],
    "model.lr": ["nan", "inf", "-1", "x"],
    "model.p": ["nan", "-1", "2", "inf"],
    "model.network.width": ["0", "-1", "1.5", str(2**64), "x"],
    "model.network.steps": ["-1", "x", "1.5"],
    "model.network.dimension": ["0", "3", "-1", "7"],
    "model.network.outputs": ["0", "7", "-1"],
    "model.bond_cutoff": ["nan", "-1", "0", "inf"],
    "model.schedule": ["Cosine", "", "x"],
    "model.edge_epochs": ["-1", "x", "1.5"],
    "model.init_from": ["nowhere", "pipe", "full.h5", "."],
    "model.compile": ["x"],
    "data.cutoff": ["nan", "inf", "-1", "0", "1e308", "x"],
    "data.batch_size": ["0", "-1", "x", "1.5"],
    "data.lags": ["[nan]", "[-1]", "[]", "[7]", "x"],
    "data.temperatures": ["[nan]", "[7]", "x"],
    "data.validation": ["[99]", "[-1]", "x", "[1.5]"],
    "data.train_limit": ["0", "-1", "x"],
    "data.input": ["Thermal", "", "x"],
    "data.target": ["Propensity", "", "x"],
    "data.quantity": ["x", "d2min"],
    "data.descriptors": ["[x]", "x", "[1]"],
    "data.passes": ["0", "-1"],
    "data.fields": ["0", "-1"],
    "data.seed": ["-1", str(2**64), "x", "1.5"],
    "data.dataset": ["", ".", "pipe", "/dev/zero", "nowhere", "\n"],
    "seed_everything": ["-1", str(2**64), "x"],
    "out": ["/dev/full", "pipe", "full.h5", "full.h5/x", "x" * 300],
    "ckpt_path": ["nowhere", "pipe", ".", "full.h5", "/dev/zero", ""],
    "wandb": ["maybe", ""],
    "modle.lr": ["1"],
    "model.lrr": ["1"],
}


def make(number: int) -> Case:
    """Case ``number``: one option with one value."""
    command, option, value, expect = cases()[number % len(cases())]
    os.mkfifo("pipe")
    Path("full.txt").write_text("nothing\n")
    _files(command)
    if command == "fit":
        words = [
            "fit",
            "--config",
            "fit.yaml",
            "--trainer.max_epochs",
            "1",
            "--out",
            "run",
            f"--{option}={value}",
        ]
    else:
        words = [command.split()[0], *COMMANDS[command]]
        if option.startswith("-"):
            words.append(f"{option}={value}")
        else:
            words[1 + int(option)] = value
    return Case(f"{command} {option} {value!r}", words, expect)


def _files(command: str) -> None:
    bases.copy("full.h5", "lmp")
    if command in ("compare", "benchmark"):
        bases.copy("generated.h5")
    if command in ("sample", "predict"):
        bases.copy("mini.h5")
    if command == "import":
        bases.copy("sources/dump")
    Path("fit.yaml").write_text(bases.config("full.h5", 2))
    Path("simulate.yaml").write_text(SIMULATION)
    Path("shear.yaml").write_text("{dataset: full.h5, event_drop: 0.01, event_energy: 0.01}")
    Path("bench.yaml").write_text(BENCHMARK)


SIMULATION = """
mixture: ka2d
particles: 60
temperature: 1.0
lags: [0.1, 1.0]
splits: {test: {configurations: 1, replicas: 1}}
melt: {temperature: 2.0, time: 5.0, cooling_time: 5.0}
equilibration: {time: 60.0, segment: 30.0, snapshots: 60}
timestep: 0.005
"""
BENCHMARK = """
title: a fuzzer
bootstrap: 10
datasets: {a: {dataset: full.h5}}
rows: [{name: r, inputs: [thermal], indicator: energy}]
"""


@cache
def cases() -> list[tuple[str, str, str, str]]:
    """Command, option, value and what is due, in an order of no meaning."""
    found = [("fit", name, value, "refuse") for name, values in SETTINGS.items() for value in values]
    for command in COMMANDS:
        for action in build_parser(command.split()[0])._actions:
            found += [(command, *rest) for rest in _of_option(command, action)]
    order = np.random.default_rng(3).permutation(len(found))
    return [found[k] for k in order]


def _of_option(command: str, action: argparse.Action):
    if isinstance(action, argparse._HelpAction):
        return
    option = action.option_strings[-1] if action.option_strings else None
    if option is None:
        if action.dest == "overrides":
            return
        position = "1" if action.dest == "generated" else "0"
        for value in ("", ".", "nowhere", "pipe", "/dev/full", "a\nb", "\x1b[31m", "full.txt"):
            here = command == "import" and value in ("", ".")
            yield position, value, "any" if here else "refuse"
    elif action.nargs == 0:
        for value in ("1", "yes"):
            yield option, value, "refuse"
    else:
        for value in _values(option, action):
            yield option, value, _due(command, option, value)


def _values(option: str, action: argparse.Action) -> list[str]:
    if option in OWN:
        return OWN[option]
    if option == "--out":
        return PATHS
    return {float: FLOATS, int: INTEGERS}.get(action.type, TEXTS)


def _due(command: str, option: str, value: str) -> str:
    fine = FINE.get(option, ())
    if fine is None or value in fine or (option == "--out" and value in NEW_FILE):
        return "any"
    if option == "--out" and value in ("", ".") and command in ("benchmark", "compare"):
        return "any"  # the working directory
    positive = value == "1e-320" or (value == "1e308" and (command, option) in VAST)
    return "any" if positive else "refuse"
