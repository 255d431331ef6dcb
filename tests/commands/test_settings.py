"""Settings are checked before anything is claimed or computed: each option with values that cannot be."""

from pathlib import Path

import pytest

import gensample
from gensample.cli import main

CONFIGS = Path(gensample.__file__).parents[1] / "configs"
SNAPSHOT = "LAMMPS"

NO_NUMBER = ["nan", "inf", "-inf", "1e999", "", "one", "1e308"]
NOT_POSITIVE = [*NO_NUMBER, "0", "-1"]
NOT_WHOLE = ["nan", "inf", "", "one", "1.5", "1e3", str(2**64), str(10**30), "9" * 5000]
NO_COUNT = [*NOT_WHOLE, "0", "-1"]
NO_SEED = ["nan", "", "one", "1.5", "-1", str(2**63), str(2**64), "9" * 5000]
NO_DEVICE = ["", "gpu", "cuda:", "cuda:99", "CPU", "meta", "cpu:x"]
NO_PROCESSES = [*NO_COUNT, "5000"]
NO_FORCE = [*NOT_POSITIVE, "0.5"]
NO_THERMOSTAT = ["", "Langevin", "berendsen"]

SAMPLE = ["sample", "ka2d-mini-flow", "--data", "ka2d-mini", "--replicas", "1", "--out", "OUT"]
DRAW = ["sample", "ka2d-mini-conf", "--temperature", "0.45", "--num", "1", "--out", "OUT"]
PROBE = ["probe", "ka2d-mini", "--temperatures", "0.5", "--times", "1", "--replicas", "1", "--out", "OUT"]
LAMMPS = {"--processes": NO_PROCESSES, "--lmp": ["", "nowhere", "/", "/bin/true", __file__]}
OPTIONS = [
    (
        SAMPLE,
        {
            "--replicas": NO_COUNT,
            "--seed": NO_SEED,
            "--steps": NO_COUNT,
            "--tolerance": NO_FORCE,
            "--method": ["", "Midpoint", "rk5"],
            "--split": ["", "Test", "train,val"],
            "--shard": ["", "5/4", "4/4", "0/0", "-1/4", "1", "a/b", "²/4", "0/" + "9" * 5000],
            "--device": NO_DEVICE,
        },
    ),
    (
        DRAW,
        {
            "--temperature": NOT_POSITIVE,
            "--num": NO_COUNT,
            "--particles": [*NO_COUNT, "1"],
            "--seed": NO_SEED,
            "--steps": NO_COUNT,
            "--tolerance": NO_FORCE,
            "--method": ["", "Midpoint", "sde"],
            "--grid": ["", "Uniform"],
            "--likelihood": ["", "Exact"],
            "--probes": NO_COUNT,
            "--sweeps": [*NOT_WHOLE, "-1"],
            "--correction": ["", "Metropolis"],
            "--device": NO_DEVICE,
        },
    ),
    (
        ["quench", "ka2d-mini", "--again", "--engine", "torch", "--out", "OUT"],
        {
            "--tolerance": NO_FORCE,
            "--device": NO_DEVICE,
            "--processes": NO_PROCESSES,
            "--engine": ["", "Torch"],
            "--temperature": NOT_POSITIVE,
        },
    ),
    (["quench", "ka2d-mini", "--again", "--out", "OUT"], {"--lmp": LAMMPS["--lmp"]}),
    (
        ["cage", "ka2d-mini", "--again", "--out", "OUT"],
        {
            "--time": [*NOT_POSITIVE, "1e9", "0.01"],
            "--replicas": NO_COUNT,
            "--snapshots": NO_COUNT,
            "--thermostat": NO_THERMOSTAT,
            "--seed": NO_SEED,
            **LAMMPS,
        },
    ),
    (
        PROBE,
        {
            "--temperatures": [*NOT_POSITIVE, "0.5 0.5", "0.5 nan"],
            "--times": [*NOT_POSITIVE, "1e9", "0.001", "2 1", "1 1"],
            "--replicas": NO_COUNT,
            "--thermostat": NO_THERMOSTAT,
            "--seed": NO_SEED,
            **LAMMPS,
        },
    ),
    (["simulate", str(CONFIGS / "simulate/tiny.yaml"), "--out", "OUT"], LAMMPS),
    (
        ["import", "a.extxyz", "--mixture", "ka2d", "--out", "OUT"],
        {
            "--time": [*NOT_POSITIVE, "1 nan"],
            "--timestep": NOT_POSITIVE,
            "--box": [*NOT_POSITIVE, "5 nan"],
            "--density": NOT_POSITIVE,
            "--temperature": NOT_POSITIVE,
            "--seed": NO_SEED,
            "--val-count": [*NOT_WHOLE, "-1"],
            "--format": ["", "Botan"],
            "--split": ["", "all", "Train"],
            "--frames": ["", "all"],
            "--species": ["", "A", "A=", "A=-1", "A=²", "A=" + "9" * 5000],
        },
    ),
    (
        ["export", "ka2d-mini", "--format", "extxyz", "--out", "OUT"],
        {
            "--configuration": [*NOT_WHOLE, "-1"],
            "--replica": [*NOT_WHOLE, "-1"],
            "--lag": [*NOT_WHOLE, "-1"],
            "--format": ["", "xyz"],
        },
    ),
    (
        ["compare", "ka2d-mini", "ka2d-mini", "--out", "OUT"],
        {
            "--bootstrap": [*NO_COUNT, str(10**9)],
            "--seed": NO_SEED,
            "--lags": [*NOT_POSITIVE, "1 nan"],
            "--temperature": NOT_POSITIVE,
            "--split": ["", "Test", "train,val"],
        },
    ),
]
CASES = [(command, option, values) for command, table in OPTIONS for option, values in table.items()]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(words, folder, capsys):
    """The one line that a command is refused with; the folder is what it was."""
    before = sorted(folder.rglob("*"))
    assert main(words) == 2, words
    (line,) = capsys.readouterr().err.splitlines()
    assert sorted(folder.rglob("*")) == before
    return line


@pytest.mark.parametrize(
    ("command", "option", "values"), CASES, ids=lambda x: x if isinstance(x, str) else ""
)
def test_a_value_that_cannot_be_leaves_nothing(command, option, values, folder, capsys):
    for value in values:
        words = [str(folder / "out.h5") if word == "OUT" else word for word in command]
        line = refused([*words, option, *(value.split() or [""])], folder, capsys)
        assert option in line, (option, value, line)


# Settings in yaml

SIMULATE, EQUILIBRIUM = CONFIGS / "simulate/tiny.yaml", CONFIGS / "simulate/ka2d-n500-liquid.yaml"
SHEAR, BENCHMARK = CONFIGS / "shear/ka2d-mini.yaml", CONFIGS / "benchmark/tiny.yaml"
INTS = ["0", "-1", "1.5", "1e3", "one", "null", str(2**64), str(10**30), "true", "[1]", "{a: 1}", ".nan"]
REALS = [".nan", ".inf", "-.inf", "0", "-1", "one", "[1]", "{a: 1}", "1e308"]
SEEDS = ["-1", "1.5", str(2**63), "[1]"]
# Where the same ranges are used once more.
COUNTS, POSITIVES = ["0", "1.5", str(2**64)], ["0", ".nan", "1e308"]
YAML = [
    ("simulate", SIMULATE, "particles", [*INTS, "20", "1000000000000"]),
    ("simulate", SIMULATE, "seed", SEEDS),
    ("simulate", SIMULATE, "timestep", [*REALS, "0.1", "1e-300"]),
    ("simulate", SIMULATE, "temperature", [*POSITIVES, "1000"]),
    ("simulate", SIMULATE, "density", [*POSITIVES, "100"]),
    ("simulate", SIMULATE, "melt.temperature", POSITIVES),
    ("simulate", SIMULATE, "melt.time", ["-1", ".nan", ".inf", "1e12", "1e300"]),
    ("simulate", SIMULATE, "melt.cooling_time", ["-1", ".nan", ".inf", "1e12"]),
    ("simulate", SIMULATE, "equilibration.time", [*POSITIVES, "1e12", "1e300"]),
    ("simulate", SIMULATE, "equilibration.segment", [*POSITIVES, "1e-9", "1e-300"]),
    ("simulate", SIMULATE, "equilibration.snapshots", COUNTS),
    ("simulate", SIMULATE, "thermostat.damping", POSITIVES),
    ("simulate", SIMULATE, "thermostat.replicas", ["Langevin", "null", "[1]"]),
    (
        "simulate",
        SIMULATE,
        "lags",
        ["[]", "[0]", "[-1]", "[.nan]", "[.inf]", "[1, 1]", "[2, 1]", "[1e9]", "1"],
    ),
    ("simulate", SIMULATE, "displacement_precision", ["-1", ".nan", ".inf", "1"]),
    ("simulate", SIMULATE, "relaxation", ["-1", ".nan", ".inf", "1e300", "1"]),
    ("simulate", SIMULATE, "replicas_per_job", COUNTS),
    ("simulate", SIMULATE, "processes", COUNTS),
    ("simulate", SIMULATE, "splits.train.replicas", ["-1", "1.5", "one", str(10**12), "[1]"]),
    ("simulate", SIMULATE, "splits.train.configurations", [*COUNTS, str(10**12)]),
    ("simulate", SIMULATE, "splits", ["null", "[]", "{dev: {replicas: 1}}", "{train: null}", "1"]),
    ("simulate", SIMULATE, "mixture", ["KA2D", "null", "[1]", "''"]),
    ("simulate", SIMULATE, "mode", ["equlibrium", "null", "[1]", "{a: 1}", "''"]),
    (
        "simulate",
        EQUILIBRIUM,
        "temperatures",
        ["[]", "[1, 1]", "[.nan]", "[-1]", "[0]", "[1000]", "1", "null"],
    ),
    ("simulate", EQUILIBRIUM, "configurations", [*COUNTS, str(10**12)]),
    ("simulate", EQUILIBRIUM, "interval", [*POSITIVES, "[1, 2]", "1e12", "null", "true"]),
    ("simulate", EQUILIBRIUM, "equilibration", ["-1", ".nan", ".inf", "1e12", "one", "true", "[[1]]"]),
    ("simulate", EQUILIBRIUM, "energies", COUNTS),
    ("simulate", EQUILIBRIUM, "swap.every", ["-1", str(2**64), "one"]),
    ("simulate", EQUILIBRIUM, "swap", ["{every: 10, attempts: 1, pairs: [[0]]}"]),
    ("simulate", EQUILIBRIUM, "configurations_per_job", COUNTS),
    ("simulate", EQUILIBRIUM, "splits.test.chains", [*COUNTS, str(10**12)]),
    ("shear", SHEAR, "strain_step", [*POSITIVES, "1e-300", "0.5"]),
    ("shear", SHEAR, "max_strain", [*POSITIVES, "1e6"]),
    ("shear", SHEAR, "strains", ["[]", "[0]", "[.nan]", "[0.02, 0.01]", "[1e300]", "1"]),
    ("shear", SHEAR, "force_tolerance", [*POSITIVES, "1"]),
    ("shear", SHEAR, "event_drop", POSITIVES),
    ("shear", SHEAR, "event_energy", POSITIVES),
    ("shear", SHEAR, "d2min_cutoff", POSITIVES),
    ("shear", SHEAR, "configurations", COUNTS),
    ("shear", SHEAR, "processes", COUNTS),
    ("shear", SHEAR, "splits", ["[]", "[dev]", "[train, train]", "1"]),
    ("shear", SHEAR, "minimiser", ["CG", "sd", "null"]),
    ("benchmark", BENCHMARK, "seed", SEEDS),
    ("benchmark", BENCHMARK, "bootstrap", [*COUNTS, str(10**9)]),
    ("benchmark", BENCHMARK, "sizes", ["[0]", "[-1]", "1", "[one]"]),
    ("benchmark", BENCHMARK, "targets", ["[]", "[Propensity]", "1"]),
    ("benchmark", BENCHMARK, "train", ["[nothing]"]),
    ("benchmark", BENCHMARK, "datasets.ka2d-mini.train_limit", ["0", "-1", "one", str(2**64)]),
    ("benchmark", BENCHMARK, "datasets.ka2d-mini.passes", COUNTS),
    ("benchmark", BENCHMARK, "datasets.ka2d-mini.lags", ["[0]", "[.nan]", "[-1]"]),
    ("benchmark", BENCHMARK, "datasets.ka2d-mini.split", ["Test", "null", "''"]),
    ("benchmark", BENCHMARK, "datasets.ka2d-mini.validation", ["[-1]", "[1.5]", "1"]),
]


@pytest.mark.parametrize(
    ("command", "config", "key", "values"), YAML, ids=lambda x: x if isinstance(x, str) else ""
)
def test_a_setting_that_cannot_be_leaves_nothing(command, config, key, values, folder, capsys, monkeypatch):
    for value in values:
        out = "out" if command == "benchmark" else "out.h5"
        line = refused([command, str(config), f"{key}={value}", "--out", str(folder / out)], folder, capsys)
        names = (key.split(".")[-1], key.split(".")[0], "edge", "jobs", "datasets", "container")
        assert any(name in line for name in names), (key, value, line)


def bomb(width=10, depth=9):
    """Yaml of a few hundred bytes whose aliases stand for width ** depth values."""
    lines = [f"a0: &a0 [{', '.join('x' * width)}]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * width)}]" for k in range(1, depth)]
    return "\n".join(lines)


HOSTILE = {
    "aliases": bomb(),
    "itself": "a: &a [*a]",
    "nested": "a: " + "[" * 5000,
    "python": "mixture: !!python/object/apply:os.system ['touch MARKER']",
    "environment": "mixture: ${oc.env:HOME}",
    "environment in a key": "${oc.env:HOME}: 1",
    "environment in a list": "lags: [1.0, '${oc.decode:${oc.env:SECRET}}']",
    "reference": "seed: ${particles}",
    "list": "[1, 2]",
    "number": "7",
    "nothing": "",
    "control": "mixture: \x01",
    "twice": "seed: 1\nseed: 2",
    "binary": "mixture: !!binary aGVsbG8=",
    "keys": "? [1, 2]\n: 3",
    "long": "seed: " + "1" * 5000,
    "beyond floats": "timestep: 1" + "0" * 400,
    "unknown": "\x1b[31msede: 1",
}


@pytest.mark.parametrize("command", ["simulate", "shear", "benchmark"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml_is_one_line_at_once(command, name, folder, capsys, monkeypatch):
    monkeypatch.setenv("SECRET", "do not tell")
    monkeypatch.setenv("HOME", "do not tell")
    config = folder / "x.yaml"
    config.write_text(HOSTILE[name], encoding="utf-8")
    line = refused([command, str(config), "--out", str(folder / "out")], folder, capsys)
    assert "do not tell" not in line
    assert line.isprintable()


@pytest.mark.parametrize("value", ["${oc.env:HOME}", "!!python/name:os.system", f"[{'[' * 5000}"])
def test_hostile_overrides_are_one_line(value, folder, capsys):
    words = ["simulate", str(SIMULATE), f"mixture={value}", "--out", str(folder / "out.h5")]
    assert str(folder) not in refused(words, folder, capsys).replace(str(folder / "out.h5"), "")


def test_a_file_without_an_end_is_no_settings(folder, capsys):
    assert "must be a file of settings" in refused(["simulate", "/dev/zero", "--out", "x.h5"], folder, capsys)
