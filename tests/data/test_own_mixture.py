"""Liquids of one's own: mixtures by value, and liquids of which no potential is known."""

import json

import h5py
import numpy as np
import pytest

from gensample.cli import main
from gensample.data.dataset import Dataset
from gensample.data.store import Contents, Store
from gensample.errors import DataError
from gensample.physics.mixtures import get_mixture
from gensample.physics.potentials import known_truncation

SIDE, SPACING, KINDS = 8, 1.1, 4


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """A plain file of four kinds of particles in 2D."""
    folder = tmp_path_factory.mktemp("frames")
    rng = np.random.default_rng(0)
    for k in range(3):
        grid = np.stack(np.meshgrid(*[np.arange(SIDE)] * 2), -1).reshape(-1, 2) * SPACING
        x = grid + rng.normal(scale=0.05, size=grid.shape) + 0.3
        lines = [f"{'abcd'[i % KINDS]} {a} {b} 0" for i, (a, b) in enumerate(x)]
        edge = SIDE * SPACING
        comment = f'Lattice="{edge} 0 0 0 {edge} 0 0 0 1" Properties=species:S:1:pos:R:3 pbc="T T F"'
        (folder / f"{k}.xyz").write_text("\n".join([str(len(lines)), comment, *lines]) + "\n")
    return folder


def imported(frames, out, mixture):
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


def test_ensembles_of_an_unknown_liquid_are_compared(frames, tmp_path, caplog):
    data, files = tmp_path / "data.h5", []
    assert imported(frames, data, "unknown") == 0
    for seed in (0, 1):
        u = 0.1 * np.random.default_rng(seed).normal(size=(3, 4, 1, SIDE**2, 2))
        path = tmp_path / f"{seed}.h5"
        with Store.open(data) as store:
            Dataset.create(Contents.of(store, times=[1.0], replicas=4), u - u.mean(3, keepdims=True), path)
        files.append(str(path))
    assert main(["compare", *files, "--out", str(tmp_path / "report"), "--bootstrap", "10"]) == 0
    assert "the potential of unknown is not known" in caplog.text
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert metrics["meta"]["mixture"] == "unknown"
    assert "msd" in json.dumps(metrics)
    assert "inherent" not in json.dumps(sorted(metrics["lags"][0]["species"]["A"]["generated"]))


def test_values_of_another_mixture_are_refused(frames, tmp_path):
    assert imported(frames, tmp_path / "data.h5", "unknown") == 0
    with h5py.File(tmp_path / "data.h5", "r+") as file:
        file.attrs["mixture_values"] = get_mixture("ka2d").to_json()
    with pytest.raises(DataError, match="its values are of 'ka2d'"):
        Store.open(tmp_path / "data.h5")
