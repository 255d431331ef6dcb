"""Damaged datasets: a base, what is wrong with it, and the command that is given it."""

from pathlib import Path
from typing import NamedTuple

import bases
import damages
import numpy as np
from harness import Case
from soundness import wrong_with

DATA = "data.h5"
BASES = ("full", "full", "full", "generated", "configurations", "averages", "cube", "mini", "shear")
FIELDS = ("full", "generated", "configurations", "averages", "cube", "mini")
OUTPUTS = {"full": 2, "averages": 2, "mini": 3, "shear": 4}  # lag times of those that networks are trained on
BENCHMARK = """
title: a fuzzer
bootstrap: 10
datasets: {a: {dataset: data.h5}}
rows:
- {name: r, estimator: {class_path: gensample.predictors.ridge.Ridge}, data: {descriptors: [invariants]}}
"""


class Command(NamedTuple):
    """A command on the file ``DATA``: its words, the bases it serves, how often it is run, its result, other
    files it needs, whether it reads every displacement."""

    words: list[str]
    bases: tuple[str, ...] = (*FIELDS, "shear")
    weight: float = 1
    out: str | None = None
    files: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


def _commands() -> dict[str, Command]:
    export = ["export", DATA, "--out", "out.file", "--format"]
    replica = [*export, "extxyz", "--configuration", "0", "--replica", "0"]
    compare = ["--out", "report", "--bootstrap", "20", "--follow", "0"]
    sample = ["sample", "ka2d-mini-flow", "--data", DATA, "--split", "test", "--replicas", "1"]
    heated = ["--temperatures", "0.6", "--times", "1", "--replicas", "1", "--again"]
    lammps = ["--lmp", "./lmp", "--out", "made.h5"]
    quench = ["quench", DATA, "--engine", "torch", "--again", "--out", "q.h5"]
    train = ["--config", "fit.yaml", "--trainer.fast_dev_run", "1"]
    return {
        "info": Command(["info", DATA], weight=8, fields=damages.HIDING),
        "info --json": Command(["info", DATA, "--json"], weight=2, fields=damages.HIDING),
        "export": Command([*export, "extxyz"], weight=3, out="out.file"),
        "export data": Command([*export, "lammps-data", "--configuration", "0"], out="out.file"),
        "export gsd": Command([*export, "gsd"], out="out.file"),
        "export inherent": Command(
            [*export, "extxyz", "--inherent"], ("full", "mini", "shear"), out="out.file"
        ),
        "export replica": Command(replica, ("full", "generated", "mini"), out="out.file"),
        "compare data": Command(
            ["compare", DATA, "generated.h5", *compare],
            ("full",),
            3,
            "report",
            ("generated.h5",),
            damages.HIDING,
        ),
        "compare with": Command(
            *(["compare", "full.h5", DATA, *compare], ("generated", "configurations")),
            *(8, "report", ("full.h5",), damages.HIDING),
        ),
        "quench": Command(quench, FIELDS, 1, "q.h5"),
        "quench futures": Command(
            [*quench, "--futures", "--tolerance", "0.1"], ("full",), 2, "q.h5", (), damages.HIDING[:1]
        ),
        "fit": Command(["fit", *train], tuple(OUTPUTS), 3),
        "test": Command(
            ["test", *train, "--ckpt_path", "run/checkpoints/last.ckpt"], ("full",), 1, None, ("run",)
        ),
        "sample": Command([*sample, "--steps", "1", "--out", "s.h5"], ("mini",), 3, "s.h5"),
        "predict": Command(
            *(["predict", "ka2d-mini-botan", "--data", DATA, "--force", "--out", "p.h5"],),
            *(("mini", "configurations"), 3, "p.h5", (), damages.HIDING[:1]),
        ),
        "benchmark": Command(["benchmark", "bench.yaml", "--out", "table"], ("mini",), 1, "table"),
        "cage": Command(["cage", DATA, "--again", *lammps], ("full", "mini"), files=("lmp",)),
        "probe": Command(["probe", DATA, *heated, *lammps], ("full", "mini"), files=("lmp",)),
        "shear": Command(["shear", "shear.yaml", *lammps], ("full", "mini"), files=("lmp",)),
    }


COMMANDS = _commands()


def make(number: int) -> Case:
    """Case ``number``."""
    rng = np.random.default_rng([1, number])
    base = str(rng.choice(BASES))
    bases.copy(f"{base}.h5")
    Path(f"{base}.h5").rename(DATA)
    name, expect, hides = damages.apply(DATA, rng)
    served = [name for name, c in COMMANDS.items() if base in c.bases and (not hides or hides in c.fields)]
    weights = np.array([COMMANDS[name].weight for name in served], float)
    command = str(rng.choice(served, p=weights / weights.sum()))
    chosen = COMMANDS[command]
    bases.copy(*chosen.files)
    _write_settings(base, command)
    return Case(
        f"{base}, {command}: {name}",
        chosen.words,
        expect,
        chosen.out,
        lambda: wrong_with(DATA, fields=command.startswith("info")),
    )


def _write_settings(base: str, command: str) -> None:
    if command in ("fit", "test"):
        Path("fit.yaml").write_text(
            bases.config(DATA, OUTPUTS[base], edges=base not in ("averages", "shear"))
        )
    if command == "benchmark":
        Path("bench.yaml").write_text(BENCHMARK)
    if command == "shear":
        Path("shear.yaml").write_text(f"{{dataset: {DATA}, event_drop: 0.01, event_energy: 0.01}}")
