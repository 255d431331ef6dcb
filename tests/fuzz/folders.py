"""Hostile or damaged settings, model folders and checkpoints: what they name is not run."""

import json
import os
import pickle
import struct
from functools import cache
from pathlib import Path

import bases
import numpy as np
import torch
import yaml
from damaged_binary import ATTACK
from flag_values import BENCHMARK, SIMULATION
from harness import MARKER, Case
from safetensors.torch import load_file, save_file

from gensample import zoo
from gensample.checksums import SUMS

PROGRAM = f"#!/bin/sh\ntouch {MARKER}\n"
MODULE = f"open('{MARKER}', 'w')\nclass Evil:\n    pass\n"
CLASSES = {
    "gensample.simulate.lammps.engine.Engine": {"executable": "./program.sh", "library_path": ""},
    "gensample.simulate.lammps.engine.find_engine": {"path": "./program.sh"},
    "gensample.simulate.lammps.engine.subprocess.run": {"args": ["./program.sh"]},
    "gensample.training.cli.GensampleCLI": {"command": "fit", "args": ["--config", "fit.yaml"]},
    "gensample.cli.main": {"args": ["info", "full.h5"]},
    "gensample.__main__": {},
    "gensample.zoo.shutil.copyfile": {"src": "program.sh", "dst": MARKER},
    "gensample.zoo.importlib.import_module": {"name": "evil"},
    "gensample.release.release": {"checkpoint": "a", "config": "b", "metrics": "c", "out": "d"},
    "gensample.data.store.StoreWriter": {"file": MARKER},
    "os.system": {"command": f"touch {MARKER}"},
    "builtins.exec": {"source": f"open('{MARKER}', 'w')"},
    "subprocess.Popen": {"args": ["./program.sh"]},
    "pathlib.Path.touch": {"self": MARKER},
    "evil.Evil": {},
    "torch.hub.load": {"repo_or_dir": ".", "model": "evil", "source": "local"},
    "torch.load": {"f": "evil.ckpt", "weights_only": False},
    "torch.utils.cpp_extension.load": {"name": "a", "sources": ["./program.sh"]},
    "lightning.pytorch.cli.LightningCLI": {},
    "lightning.pytorch.loggers.CSVLogger": {"save_dir": MARKER},
    "gensample.nowhere.Nothing": {},
    "gensample": {},
    "..": {},
    "\x1b[31mx": {},
    "": {},
}
PLACES = ("model", "network", "conditioner", "data", "callback", "logger", "strategy", "optimizer", "unknown")
TEXTS = {
    "a tag": "model: !!python/object/apply:os.system ['touch MARKER']",
    "a module": "model: !!python/module:evil",
    "a name": "a: !!python/name:os.system",
    "laughs": "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "\n".join(f"{chr(98 + k)}: &{chr(98 + k)} [{', '.join([f'*{chr(97 + k)}'] * 9)}]" for k in range(10)),
    "itself": "a: &a [*a]",
    "deep": "a: " + "[" * 3000 + "]" * 3000,
    "a list": "[1, 2, 3]",
    "a number": "7",
    "nothing": "",
    "null": "null",
    "a tab": "a:\n\t- b",
    "two documents": "a: 1\n---\nb: 2",
    "bytes": "a: !!binary aGVsbG8=",
    "keys of lists": "? [a, b]\n: c",
    "a date": "model: 2020-01-01",
    "an unknown key": "colour: blue",
    "twice": "seed: 1\nseed: 2",
    "a circle": "seed: ${seed}",
    "environment": "title: ${oc.env:HOME}\nmixture: ${oc.env:HOME}",
    "escapes": 'mixture: "\\e[31mred\\a"\ntitle: "\\e[31mred"',
    "long": "mixture: " + "x" * 100_000,
}
NUMBERS = (float("nan"), float("inf"), -1, 0, 1e308, 2**64, "x", None, [], {"a": 1}, True, "Midpoint")


def make(number: int) -> Case:
    """Case ``number``."""
    rng = np.random.default_rng([4, number])
    _traps()
    how = [_fit, _settings, _folder, _weights, _checkpoint]
    return how[number % len(how)](rng)


def _traps() -> None:
    """What hostile settings name."""
    Path("program.sh").write_text(PROGRAM)
    Path("program.sh").chmod(0o755)
    Path("evil.py").write_text(MODULE)
    Path("hubconf.py").write_text(MODULE)
    Path("evil.ckpt").write_bytes(pickle.dumps(ATTACK))
    bases.copy("full.h5", "mini.h5", "configurations.h5", "lmp")
    Path("fit.yaml").write_text(bases.config("full.h5", 2))


def _hostile(rng: np.random.Generator) -> dict:
    """A class to refuse, alone or within another."""
    path = str(rng.choice(list(CLASSES)))
    block = {"class_path": path, "init_args": CLASSES[path]}
    if rng.random() < 0.2:
        block = {"class_path": "gensample.nn.botan.Botan", "init_args": {"dimension": block, "outputs": 2}}
    return block


def _place(settings: dict, place: str, block: dict) -> None:
    model = settings["model"]["init_args"]
    trainer = settings.setdefault("trainer", {})
    if place in ("model", "data", "optimizer", "unknown"):
        settings[place] = block
    elif place in ("network", "conditioner"):
        model[place] = block
    elif place == "callback":
        trainer["callbacks"] = [block]
    else:
        trainer[place] = block


# Configs of `gensample fit`


def _fit(rng: np.random.Generator) -> Case:
    settings = json.loads(Path("fit.yaml").read_text())
    command = str(rng.choice(["fit", "fit", "fit", "test"]))
    words = [command, "--config", "fit.yaml", "--out", "run"]
    words += [] if command == "fit" else ["--ckpt_path", str(bases.FOLDER / "run/checkpoints/last.ckpt")]
    if rng.random() < 0.6:
        place, block = str(rng.choice(PLACES)), _hostile(rng)
        _place(settings, place, block)
        name, text = f"{place} is {block}", json.dumps(settings)
    elif rng.random() < 0.5:
        name, text = _broken(settings, rng)
    else:
        name = str(rng.choice(list(TEXTS)))
        text = TEXTS[name]
    Path("fit.yaml").write_text(text)
    return Case(f"{command}: {name}", words, "any" if name == "twice" else "refuse")


def _broken(settings: dict, rng: np.random.Generator) -> tuple[str, str]:
    """One block of the wrong type."""
    keys = [
        ("model",),
        ("data",),
        ("trainer",),
        ("model", "class_path"),
        ("model", "init_args"),
        ("data", "init_args"),
    ]
    path = keys[int(rng.integers(len(keys)))]
    value = [7, "x", ["x"], {"x": 1}][int(rng.integers(4))]
    inner = settings
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return f"{'.'.join(path)} is {value!r}", json.dumps(settings)


# Settings of the other commands


def _settings(rng: np.random.Generator) -> Case:
    command = str(rng.choice(["simulate", "shear", "benchmark"]))
    words = {
        "simulate": ["simulate", "a.yaml", "--out", "m.h5", "--lmp", "./lmp"],
        "shear": ["shear", "a.yaml", "--out", "m.h5", "--lmp", "./lmp"],
        "benchmark": ["benchmark", "a.yaml", "--out", "table"],
    }[command]
    if rng.random() < 0.3:
        name = str(rng.choice(list(TEXTS)))
        Path("a.yaml").write_text(TEXTS[name])
        return Case(f"{command}: {name}", words, "refuse")
    settings = _valid(command)
    if command == "benchmark" and rng.random() < 0.6:
        name = _hostile_row(settings, rng)
    else:
        name = _wrong_value(settings, rng)
    Path("a.yaml").write_text(yaml.safe_dump(settings))
    return Case(f"{command}: {name}", words, "refuse")


def _valid(command: str) -> dict:
    text = {
        "simulate": SIMULATION + "thermostat: {damping: 0.5}\nseed: 1\n",
        "shear": "{dataset: full.h5, event_drop: 0.1, event_energy: 0.1, strain_step: 0.01, max_strain: 0.1}",
        "benchmark": BENCHMARK + "seed: 1\n",
    }
    return yaml.safe_load(text[command])


def _wrong_value(settings: dict, rng: np.random.Generator) -> str:
    """A number of the settings becomes what no setting can be."""
    places: list[tuple[dict, str]] = []

    def walk(block: dict) -> None:
        for key, value in block.items():
            if isinstance(value, dict):
                walk(value)
            elif isinstance(value, (int, float)):
                places.append((block, key))

    walk(settings)
    block, key = places[int(rng.integers(len(places)))]
    value = NUMBERS[int(rng.integers(3))] if key != "seed" else -1
    others = [v for v in NUMBERS if isinstance(v, (str, list, dict))]
    block[key] = value if rng.random() < 0.6 else others[int(rng.integers(len(others)))]
    return f"{key} is {block[key]!r}"


def _hostile_row(settings: dict, rng: np.random.Generator) -> str:
    block = _hostile(rng)
    row = settings["rows"][0]
    del row["indicator"]
    place = str(rng.choice(["estimator", "set", "data", "fit"]))
    if place == "estimator":
        row["estimator"] = block
    elif place == "fit":
        row["fit"] = "./program.sh"
    else:
        row["fit"] = "fit.yaml"
        row[place] = {"model" if place == "set" else "descriptors": block}
    return f"{place} is {block}"


# Model folders


def _copied(name: str) -> Path:
    folder = Path("m")
    folder.mkdir()
    for file in zoo.resolve(name).iterdir():
        if file.name != SUMS:  # which would refuse every damage before it is read
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


def _served(rng: np.random.Generator) -> tuple[str, list[str]]:
    """A released model and a command that reads its folder, ``m``."""
    sample = ["sample", "m", "--data", "mini.h5", "--replicas", "1", "--steps", "1", "--out", "s.h5"]
    beside = ["compare", "configurations.h5", "configurations.h5", "--predictor", "m", "--out", "report"]
    predict = ["predict", "m", "--data", "configurations.h5", "--out", "p.h5"]
    Path("a.yaml").write_text(BENCHMARK.replace("full", "mini").replace("indicator: energy", "model: m"))
    table = ["benchmark", "a.yaml", "--out", "table"]
    of_botan = (beside, predict, table, ["info", "m"])
    found = [("ka2d-mini-flow", sample), *(("ka2d-mini-botan", words) for words in of_botan)]
    return found[int(rng.integers(5))]


def _folder(rng: np.random.Generator) -> Case:
    """The config or metrics of a model."""
    model, words = _served(rng)
    folder = _copied(model)
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    expect = "refuse"
    if rng.random() < 0.6:
        place, block = str(rng.choice(["model", "network"])), _hostile(rng)
        _place(settings, place, block)
        name, text = f"{place} is {block}", yaml.safe_dump(settings)
    elif rng.random() < 0.5:
        name, text = _broken(settings, rng)
        expect = "refuse" if name.startswith("model") else "any"
    else:
        name = str(rng.choice(list(TEXTS)))
        text = TEXTS[name]
    (folder / "config.yaml").write_text(text)
    return Case(f"{words[0]}: config of a model: {name}", words, expect)


def _one_nan(weights: dict) -> dict:
    name = next(k for k, v in weights.items() if v.is_floating_point() and v.numel())
    value = weights[name].clone()
    value.view(-1)[0] = float("nan")
    return {name: value}


WEIGHTS = {
    "int8": lambda w: {k: v.to(torch.int8) for k, v in w.items()},
    "nan": lambda w: {k: v * float("nan") if v.is_floating_point() else v for k, v in w.items()},
    "one nan": lambda w: w | _one_nan(w),
    "none": lambda w: {},
    "renamed": lambda w: {f"{k}_": v for k, v in w.items()},
    "one missing": lambda w: dict(list(w.items())[1:]),
    "one more": lambda w: w | {"more": torch.zeros(3)},
    "another shape": lambda w: {k: torch.cat([v.flatten(), v.flatten()]) for k, v in w.items()},
    "boolean": lambda w: {k: v.bool() for k, v in w.items()},
}


def _weights(rng: np.random.Generator) -> Case:
    """The weights of a model."""
    model, words = _served(rng)
    file = _copied(model) / zoo.WEIGHTS
    name = str(rng.choice([*WEIGHTS, *STREAMS]))
    if name in WEIGHTS:
        save_file({k: v.contiguous() for k, v in WEIGHTS[name](load_file(file)).items()}, file)
    else:
        file.write_bytes(STREAMS[name](file.read_bytes(), rng))
    return Case(f"{words[0]}: weights {name}", words, "refuse")


def _head(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


STREAMS = {
    "cut": lambda data, rng: data[: int(rng.integers(len(data)))],
    "empty": lambda data, rng: b"",
    "a vast head": lambda data, rng: struct.pack("<Q", 2**60) + data[8:],
    "a head of rubbish": lambda data, rng: _head(b"\xff" * 50) + data,
    "a deep head": lambda data, rng: _head(b"[" * 100_000) + data,
    "a vast tensor": lambda data, rng: (
        _head(b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4]}}') + bytes(4)
    ),
    "text": lambda data, rng: b"weights\n",
    "a pickle": lambda data, rng: pickle.dumps(ATTACK),
}


# Checkpoints


@cache
def _good() -> dict:
    return torch.load(bases.FOLDER / "run/checkpoints/last.ckpt", weights_only=True)


def _checkpoint(rng: np.random.Generator) -> Case:
    """The file of a checkpoint."""
    Path("a.yaml").write_text(BENCHMARK.replace("indicator: energy", "model: a.ckpt"))
    words = [
        ["sample", "a.ckpt", "--data", "full.h5", "--out", "s.h5"],
        ["test", "--config", "fit.yaml", "--ckpt_path", "a.ckpt", "--out", "run"],
        ["predict", "a.ckpt", "--data", "full.h5", "--out", "p.h5"],
        ["fit", "--config", "fit.yaml", "--ckpt_path", "a.ckpt", "--out", "run"],
        ["benchmark", "a.yaml", "--out", "table"],
    ][int(rng.integers(5))]
    name = str(rng.choice(["hostile", *CHECKPOINTS]))
    if name == "hostile":
        good, block = dict(_good()), _hostile(rng)
        good["hyper_parameters"] = good["hyper_parameters"] | {
            "network": block,
            "_class_path": block["class_path"],
        }
        name = f"names {block}"
        torch.save(good, "a.ckpt")
    else:
        CHECKPOINTS[name](rng)
    # A training takes its settings from the config where the checkpoint has none.
    fine = name == "no settings" and words[0] == "fit"
    return Case(f"{words[0]}: checkpoint {name}", words, "any" if fine else "refuse")


def _kept(change):
    def write(rng: np.random.Generator) -> None:
        torch.save(change(dict(_good())), "a.ckpt")

    return write


def _raw(data):
    return lambda rng: Path("a.ckpt").write_bytes(data)


def _cut(rng: np.random.Generator) -> None:
    torch.save(_good(), "a.ckpt")
    data = Path("a.ckpt").read_bytes()
    Path("a.ckpt").write_bytes(data[: int(rng.integers(len(data)))])


def _states(change):
    return _kept(lambda good: good | {"state_dict": change(good["state_dict"])})


CHECKPOINTS = {
    "a pickle": _raw(pickle.dumps(ATTACK)),
    "an attack in torch's format": lambda rng: torch.save({"state_dict": ATTACK}, "a.ckpt"),
    "an attack beside the weights": _kept(lambda good: good | {"callbacks": ATTACK}),
    "empty": _raw(b""),
    "text": _raw(b"weights\n"),
    "cut": _cut,
    "a pipe": lambda rng: os.mkfifo("a.ckpt"),
    "a list": lambda rng: torch.save([1, 2], "a.ckpt"),
    "no weights": _kept(lambda good: {k: v for k, v in good.items() if k != "state_dict"}),
    "weights in a list": _kept(lambda good: good | {"state_dict": [1]}),
    "int8": _states(lambda w: WEIGHTS["int8"](w)),
    "nan": _states(lambda w: WEIGHTS["nan"](w)),
    "no tensor": _states(lambda w: {}),
    "numbers for tensors": _states(lambda w: dict.fromkeys(w, 1.0)),
    "renamed": _states(lambda w: WEIGHTS["renamed"](w)),
    "another shape": _states(lambda w: WEIGHTS["another shape"](w)),
    "settings in a list": _kept(lambda good: good | {"hyper_parameters": [1]}),
    "no settings": _kept(lambda good: {k: v for k, v in good.items() if k != "hyper_parameters"}),
    "settings of text": _kept(
        lambda good: good | {"hyper_parameters": good["hyper_parameters"] | {"lr": "x", "network": "y"}}
    ),
}
