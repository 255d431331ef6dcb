"""Liquids of one's own: mixtures by value, and liquids of which no potential is known."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

import gensample as gs
from gensample.cli import main
from gensample.data.store import Store
from gensample.errors import DataError
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import known_truncation

SIDE, SPACING, KINDS = 8, 1.1, 4
EDGE = SIDE * SPACING
NETWORK = {"class_path": "Botan", "init_args": {"dimension": 2, "outputs": 1, "width": 8, "steps": 1}}


def frame(x, comment=""):
    """A frame of four kinds of particles in 2D."""
    lines = [f"{'abcd'[i % KINDS]} {a} {b} 0" for i, (a, b) in enumerate(x)]
    lattice = f'Lattice="{EDGE} 0 0 0 {EDGE} 0 0 0 1" Properties=species:S:1:pos:R:3 pbc="T T F"'
    return "\n".join([str(len(lines)), f"{lattice} {comment}", *lines]) + "\n"


def structure(rng):
    grid = np.stack(np.meshgrid(*[np.arange(SIDE)] * 2), -1).reshape(-1, 2) * SPACING
    return grid + rng.normal(scale=0.05, size=grid.shape) + 0.3


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Plain files."""
    folder, rng = tmp_path_factory.mktemp("frames"), np.random.default_rng(0)
    for k in range(3):
        (folder / f"{k}.xyz").write_text(frame(structure(rng)))
    return folder


def trajectories(folder, seed):
    """Three replicas of each of four configurations, up to t = 1; those of another seed move otherwise."""
    rng, moves = np.random.default_rng(1), np.random.default_rng(seed)
    for k, split in enumerate(["train", "train", "val", "test"]):
        (folder / split).mkdir(parents=True, exist_ok=True)
        x = structure(rng)
        for r in range(3):
            moved = x + moves.normal(scale=0.1, size=x.shape)
            runs = [frame(y, f"time={t} unwrapped=T") for t, y in ((0, x), (1, moved))]
            (folder / split / f"{k}-{r}.xyz").write_text("".join(runs))
    return folder


def imported(frames, out, mixture="unknown"):
    return main(["import", str(frames), "--out", str(out), "--mixture", str(mixture), "--temperature", "0.5"])


def test_of_an_unknown_liquid_all_but_energies_is_told(frames, tmp_path, capsys):
    data = tmp_path / "data.h5"
    assert imported(frames, data, "unknown") == 0
    assert "the potential is not known" in capsys.readouterr().out
    with Store.open(data) as store:
        assert store.liquid.counts(64) == (16, 16, 16, 16)
        assert store.density == pytest.approx(1 / SPACING**2)
        with pytest.raises(DataError, match="not known"):
            known_truncation(store.liquid, None)
    assert main(["info", str(data)]) == 0
    assert "the potential of unknown is not known" in capsys.readouterr().out
    assert main(["quench", str(data), "--engine", "torch"]) == 2
    assert "the potential of unknown is not known" in capsys.readouterr().err


def test_an_unknown_liquid_from_import_to_comparison(frames, tmp_path, capsys, caplog, monkeypatch):
    """Species and box are enough: import, info, fit, predict, and both kinds of comparison."""
    monkeypatch.chdir(tmp_path)
    words = ["import", str(trajectories(tmp_path / "sim", 2)), "--out", "sim.h5", "--temperature", "0.5"]
    assert main(words) == 2
    assert "`--mixture unknown` where nobody knows the potential" in capsys.readouterr().err
    assert imported("sim", "sim.h5") == imported(trajectories(tmp_path / "gen", 3), "gen.h5") == 0
    assert main(["info", "sim.h5"]) == 0
    assert "unknown (d = 2" in capsys.readouterr().out

    config = {
        "model": {"class_path": "DynamicsTask", "init_args": {"network": NETWORK, "normalise": True}},
        "data": {"class_path": "KADataModule", "init_args": {"dataset": "sim.h5", "cutoff": 2.0}},
        "trainer": {"max_epochs": 1, "accelerator": "cpu", "enable_progress_bar": False},
    }
    Path("fit.yaml").write_text(yaml.safe_dump(config))
    assert main(["fit", "--config", "fit.yaml", "--out", "run"]) == 0
    checkpoint = "run/checkpoints/last.ckpt"
    assert main(["predict", checkpoint, "--data", "gen.h5", "--out", "predicted.h5"]) == 0
    with Store.open("predicted.h5") as store:
        assert store.liquid.potential == "unknown"
        assert store.predictions["run"].shape == (4, 1, SIDE**2)
    assert main(["predict", checkpoint, "--data", "ka2d-mini", "--out", "x.h5"]) == 2
    assert "trained on 4, not 2" in capsys.readouterr().err.replace("species ", "")

    few = ["--bootstrap", "10"]
    assert main(["compare", "sim.h5", "gen.h5", "--out", "fields", *few]) == 0
    assert "the potential of unknown is not known: what needs energies is left out" in caplog.text
    metrics = json.loads(Path("fields/metrics.json").read_text())
    assert metrics["meta"]["mixture"] == "unknown"
    found = metrics["lags"][0]["species"]
    assert "msd" in found["A"]["generated"]
    assert not [name for name in json.dumps(found).split('"') if name.startswith(("future_e", "inherent"))]

    assert imported(frames, "structures.h5") == 0
    caplog.clear()
    assert main(["compare", "sim.h5", "structures.h5", "--out", "sets", "--predictor", checkpoint, *few]) == 0
    assert "the potential of unknown is not known" in caplog.text
    names = json.loads(Path("sets/metrics.json").read_text())["temperatures"][0]["quantities"]
    assert "pair_distribution_distance" in names
    assert "propensity_mean" in names
    assert not any("energy" in name or "heat" in name for name in names)
    assert "there are no energies" in Path("sets/index.html").read_text()
    result = gs.compare(
        gs.open_dataset("sim.h5"), gs.open_dataset("structures.h5"), bootstrap=10,
        predictor=gs.load_model(checkpoint),
    )  # fmt: skip
    assert result["A, t = 1", 0.5]["propensity_mean"].simulated.defined


def test_values_of_another_mixture_are_refused(frames, tmp_path):
    assert imported(frames, tmp_path / "data.h5", "unknown") == 0
    with h5py.File(tmp_path / "data.h5", "r+") as file:
        file.attrs["mixture_values"] = get_mixture("ka2d").to_json()
    with pytest.raises(DataError, match="its values are of 'ka2d'"):
        Store.open(tmp_path / "data.h5")
