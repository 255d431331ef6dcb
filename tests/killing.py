"""Run as a script: commands killed at random moments and started again end as if they had been left alone.

usage: python -m tests.killing FOLDER SEED COMMAND=KILLS [COMMAND=KILLS ...]

A fresh child is forked for each start, so that the heavy imports happen once. Prints a line for each command.
"""

import importlib
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch
import yaml

from gensample.cli import COMMANDS as MODULES
from gensample.cli import main
from gensample.data.datamodule import KADataModule
from gensample.generators import configuration
from gensample.reads import Reads
from gensample.simulate import programs
from gensample.training.configuration import ConfigurationTask
from gensample.training.displacement import DisplacementTask
from tests.commands.test_sample_configurations import COLD, SIZE, SMALL, save, write_equilibrium
from tests.simulate.conftest import TINY, contents
from tests.simulate.test_equilibrium import TINY as EQUILIBRIUM
from tests.simulate.test_shear import TINY as SHEAR
from tests.simulate.test_shear import write_glasses
from tests.small_benchmark import RIDGE, small
from tests.synthetic import write_dataset
from tests.test_resume import CONFIG

OUT = ["--out", "out.h5"]
PAIR = ["--processes", "2"]
FIELDS = ["sample", "fields.ckpt", "--data", "fields.h5", "--split", "all", "--replicas", "17"]
HEAT = ["--temperatures", "0.5", "1", "--times", "1", "--replicas", "8"]
RUNS = {
    "simulate": [["simulate", "tiny.yaml", *OUT, *PAIR]],
    "equilibrium": [["simulate", "equilibrium.yaml", *OUT, *PAIR]],
    "quench": [["quench", "data.h5", "--engine", "lammps", "--again", *OUT, *PAIR]],
    "quench-torch": [["quench", "data.h5", "--engine", "torch", "--again"]],
    "futures": [["quench", "data.h5", "--futures", "--again", *OUT, *PAIR]],
    "cage": [["cage", "data.h5", "--time", "2", "--replicas", "16", "--snapshots", "8", *PAIR]],
    "probe": [
        ["probe", "data.h5", *["--temperatures", "0.5", "1", "--times", "1", "--replicas", "8"], *OUT, *PAIR]
    ],
    "shear": [["shear", "shear.yaml", *OUT]],
    "fields": [[*FIELDS, *OUT]],
    "chain": [[*FIELDS, *OUT, "--lag", "1", "--chain", "4"]],
    "shards": [[*FIELDS, *OUT, "--shard", "0/2"], [*FIELDS, *OUT, "--shard", "1/2"]],
    "configurations": [
        ["sample", "uniform.ckpt", "--temperature", str(COLD), "--num", "24", "--steps", "2", *OUT]
    ],
    "benchmark": [["benchmark", "small.yaml", "--out", "out"]],
    "fit": [["fit", "--config", "fit.yaml", "--out", "out", "--trainer.max_epochs", "6"]],
}
# What a resumed `fit` has and one left alone has not.
RESUMED = ("metrics-",)


def prepare(folder, asked):
    """All that the commands read; LAMMPS makes what is read by those that use it."""
    folder.mkdir()
    os.chdir(folder)
    Path("tiny.yaml").write_text(TINY)
    Path("equilibrium.yaml").write_text(EQUILIBRIUM)
    write_glasses(Path("glasses.h5"), "ka2d", 60)
    Path("shear.yaml").write_text(SHEAR.format(dataset="glasses.h5", directions="xy+, xy-", tolerance=1e-9))
    glassmlp = {"estimator": {"class_path": RIDGE}, "data": {"descriptors": ["glassmlp"]}}
    small(folder, rows=[{"name": "ridge", "inputs": ["thermal", "inherent"], **glassmlp}], bootstrap=20)
    Path("fit.yaml").write_text(yaml.safe_dump(CONFIG).replace("data.h5", "fields.h5"))
    write_dataset(Path("fields.h5"))
    write_equilibrium(Path("liquid.h5"))
    settings = {"target": "configuration", "temperatures": [COLD], "batch_size": 2}
    module = KADataModule("liquid.h5", cutoff=1.5, **settings)
    save(ConfigurationTask(reads=Reads.of(module), system=module.system, **SMALL), module, "uniform.ckpt")
    fields = KADataModule("fields.h5", target="displacement", cutoff=1.6)
    task = DisplacementTask(reads=Reads.of(fields), width=8, vectors=4, layers=1, conditioner="none")
    save(task, fields, "fields.ckpt")
    without_lammps = asked.keys() <= {"fields", "chain", "shards", "configurations", "benchmark", "fit"}
    return 0 if without_lammps else main(["simulate", "tiny.yaml", "--out", "data.h5"])


def forked(function, *arguments):
    child = os.fork()
    if child == 0:
        log = os.open("/dev/null" if "--debug" not in sys.argv else "/dev/stderr", os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(log, stream)
        os._exit(function(*arguments))
    return child


def command(words, folder):
    os.chdir(folder)
    if words[0] == "fit" and Path("out/checkpoints/last.ckpt").exists():
        words = [*words, "--ckpt_path", "last"]
    return main(words)


def start(words, folder, moment=None):
    """Exit status of a command, killed after so many seconds."""
    child, started = forked(command, words, folder), time.monotonic()
    while moment is not None and time.monotonic() - started < moment:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    if moment is not None:
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def names(folder):
    found = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return {name for name in found if not Path(name).name.startswith(RESUMED)}


def bits(path):
    """What must be the same of a file, whenever and however often it was begun."""
    if path.suffix == ".h5":
        # The key of an attribute is a pair.
        return {key: value for key, value in contents(path).items() if "seconds" not in "".join(key)}
    if path.suffix == ".npz":
        with np.load(path) as file:
            return {key: file[key].tobytes() for key in file.files if "seconds" not in key}
    if path.name == "last.ckpt":
        state = torch.load(path, weights_only=True)["state_dict"]
        return {key: value.numpy().tobytes() for key, value in state.items()}
    return None


def check_same(folder, whole):
    assert names(folder) == names(whole), names(folder) ^ names(whole)
    for path in whole.rglob("*"):
        if path.is_file():
            assert bits(folder / path.relative_to(whole)) == bits(path), path


def fresh(inputs, folder):
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(inputs, folder)
    return folder


def survive(name, kills, inputs, root, rng):
    """Kill a command so many times in all; at its end, each time, it must have left what it leaves alone."""
    whole, folder, durations = fresh(inputs, root / "whole"), root / "killed", []
    for words in RUNS[name]:
        started = time.monotonic()
        assert start(words, whole) == 0, words
        durations.append(time.monotonic() - started)
    killed = 0
    while killed < kills:
        fresh(inputs, folder)
        for words, duration in zip(RUNS[name], durations, strict=True):
            status = -signal.SIGKILL
            while status == -signal.SIGKILL:
                status = start(words, folder, rng.uniform(0, duration) if killed < kills else None)
                killed += status == -signal.SIGKILL
            assert status == 0, (words, status)
        check_same(folder, whole)
    return killed


def run_all(root, seed, asked):
    for entry in MODULES.values():
        importlib.import_module(f"gensample.commands.{entry.module}")
    torch.set_num_threads(1)
    configuration.PARTICLES_PER_CALL = 4 * SIZE
    programs.PARTICLES_PER_BATCH = {"cpu": 60, "cuda": 60}
    inputs = root / "inputs"
    assert os.waitpid(forked(prepare, inputs, asked), 0)[1] == 0
    for name, kills in asked.items():
        rng = random.Random(f"{seed} {name}")
        print(name, survive(name, kills, inputs, root, rng), flush=True)


if __name__ == "__main__":
    words = [word.split("=") for word in sys.argv[3:] if "=" in word]
    run_all(Path(sys.argv[1]).resolve(), int(sys.argv[2]), {name: int(kills) for name, kills in words})
