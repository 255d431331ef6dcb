import shutil

import h5py
import numpy as np
import pytest
from sheared import write_shear

from gensample.cli import main
from gensample.errors import MissingDependencyError
from gensample.simulate.lammps.engine import find_engine


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Two structures without inherent ones, by the command itself."""
    try:
        find_engine()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("quench")
    config = folder / "config.yaml"
    config.write_text(
        "{mixture: ka2d, particles: 60, temperature: 1.0, lags: [0.05], inherent: false, "
        "splits: {train: {configurations: 2, replicas: 1}}, melt: {time: 0.5, cooling_time: 0}, "
        "equilibration: {time: 2, segment: 2, snapshots: 8}}"
    )
    assert main(["simulate", str(config), "--out", str(folder / "data.h5")]) == 0
    return folder / "data.h5"


def test_adds_inherent_structures_in_place(dataset, tmp_path, capsys):
    path = shutil.copy(dataset, tmp_path / "data.h5")
    assert main(["quench", str(path), "--processes", "1"]) == 0
    printed = capsys.readouterr()
    assert "2 inherent structures" in printed.out
    assert "quenched: 100.0 % (2 of 2 structures)" in printed.err
    with h5py.File(path) as file:
        assert file["inherent"].shape == (2, 60, 2)
    assert main(["quench", str(path)]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_writes_a_copy(dataset, tmp_path):
    assert main(["quench", str(dataset), "--out", str(tmp_path / "copy.h5")]) == 0
    with h5py.File(dataset) as before, h5py.File(tmp_path / "copy.h5") as after:
        assert "inherent" not in before
        assert "inherent" in after


def test_on_a_device(dataset, tmp_path, capsys):
    words = ["--engine", "torch", "--device", "cpu", "--tolerance", "1e-3"]
    assert main(["quench", str(dataset), "--out", str(tmp_path / "copy.h5"), *words]) == 0
    assert "2 inherent structures by gensample FIRE" in capsys.readouterr().out
    with h5py.File(tmp_path / "copy.h5") as file:
        assert 1e-6 < file["inherent"].attrs["max_residual_force"] <= 1e-3


def test_takes_a_configuration_file(dataset, tmp_path, capsys):
    """The quench of a file is that of the dataset it was exported from."""
    file, out, copy = tmp_path / "glass.extxyz", tmp_path / "glass.h5", tmp_path / "copy.h5"
    assert main(["export", str(dataset), "--out", str(file), "--format", "extxyz"]) == 0
    how = ["--engine", "torch", "--tolerance", "1e-3"]
    whole = ["quench", str(file), "--mixture", "ka2d", "--temperature", "1", "--out", str(out), *how]
    assert main(whole) == 0
    assert main(["quench", str(dataset), "--out", str(copy), *how]) == 0
    with h5py.File(out) as found, h5py.File(copy) as expected:
        assert found["inherent"].shape == (2, 60, 2)
        np.testing.assert_allclose(found["inherent"], expected["inherent"], atol=1e-4)
    capsys.readouterr()
    assert main(whole) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert main([*whole[:5], "0.9", *whole[6:]]) == 2
    assert "another dataset" in capsys.readouterr().err
    assert main(["quench", str(file), "--mixture", "ka2d"]) == 2
    assert "give --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["DATA", "--mixture", "ka2d"], "drop --mixture"),
        (["nowhere.h5"], "no dataset at nowhere.h5"),
        (["DATA", "--processes", "0"], "--processes"),
        (["DATA", "--lmp", "/nowhere/lmp"], "pip install 'gensample[md]'"),
        (["DATA", "--proc", "2"], "--proc"),
        (["DATA", "--engine", "gromacs"], "gromacs"),
        (["DATA", "--device", "cuda"], "--engine torch"),
        (["ka2d-mini"], "--out"),
    ],
)
def test_errors_are_one_line(dataset, words, named, capsys):
    assert main(["quench", *[str(dataset) if word == "DATA" else word for word in words]]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line


def test_minima_that_were_sheared_stay(tmp_path, capsys):
    sheared = write_shear(tmp_path / "shear.h5")
    before = sheared.read_bytes()
    assert main(["quench", str(sheared), "--engine", "torch", "--again"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the fields start from" in line
    assert sheared.read_bytes() == before
