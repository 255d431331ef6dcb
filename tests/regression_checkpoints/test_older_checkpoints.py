"""Checkpoints and configs as the code of November 2026 wrote them (de300e4) load, and give the same bits.

Made there by ``gensample fit --config X.yaml`` for the configs here; numbers.json is what they gave.
Their class paths, names of settings and of weights are those of that time: a file format.
"""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from gensample.cli import main

HERE = Path(__file__).parent
NUMBERS = json.loads((HERE / "numbers.json").read_text())


def values(folder, name):
    out = str(folder / "out.h5")
    data = ["--data", "ka2d-mini", "--split", "val", "--out", out]
    if name == "flow":
        assert main(["sample", str(HERE / "flow.ckpt"), *data, "--replicas=1", "--seed=3", "--steps=1"]) == 0
    else:
        assert main(["predict", str(HERE / f"{name}.ckpt"), *data, "--name", "older"]) == 0
    with h5py.File(out) as file:
        found = file["displacements"][:, 0] if name == "flow" else file["predictions/older"][()]
    return np.abs(found[:2].reshape(2, 3, -1)).mean(-1)


@pytest.mark.parametrize("name", ["dyn", "se3", "flow"])
def test_they_give_the_numbers_of_before(name, tmp_path):
    np.testing.assert_allclose(values(tmp_path, name), NUMBERS[name], rtol=1e-5)


@pytest.mark.parametrize("name", ["dyn", "flow"])
def test_their_training_goes_on(name, tmp_path):
    words = ["--config", str(HERE / f"{name}.yaml"), "--ckpt_path", str(HERE / f"{name}.ckpt")]
    assert main(["fit", *words, "--trainer.max_epochs=3", "--out", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()
