"""GSD, where the optional package is installed, and the message where it is not."""

import builtins

import numpy as np
import pytest
from liquid import make_liquid
from synthetic import write_dataset

from gensample.cli import main
from gensample.data.formats import sniff
from gensample.data.store import Store

GSD_HEAD = bytes.fromhex("df65df65df65df65") + bytes(300)
STATE = ("--mixture", "ka2d", "--temperature", "0.45")


def test_missing_package_is_one_line_that_says_how_to_install_it(tmp_path, capsys, monkeypatch):
    path = tmp_path / "a.gsd"
    path.write_bytes(GSD_HEAD)
    real = builtins.__import__

    def without_gsd(name, *rest):
        if name.startswith("gsd"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_gsd)
    assert sniff(path).name == "gsd"
    assert main(["import", str(path), *STATE, "--out", str(tmp_path / "x.h5")]) == 2
    assert "pip install 'gensample[io]'" in capsys.readouterr().err
    assert not (tmp_path / "x.h5").exists()


def test_round_trip_of_a_trajectory(tmp_path):
    gsd = pytest.importorskip("gsd.hoomd", reason="the optional package gsd is not installed")
    liquid = make_liquid("ka2d", per_edge=8, lags=2)
    files = []
    for r in range(3):
        files.append(str(tmp_path / f"{r}.gsd"))
        with gsd.open(files[-1], "w") as trajectory:
            for step, x in enumerate([liquid.positions, *liquid.final[r]]):
                trajectory.append(snapshot(gsd, liquid, x, 200 * step))
    out = tmp_path / "x.h5"
    assert main(["import", *files, *STATE, "--timestep", "0.005", "--out", str(out)]) == 0
    with Store.open(out) as store:
        assert store.times.tolist() == [1.0, 2.0]
        np.testing.assert_array_equal(store.species, liquid.species)
        np.testing.assert_allclose(store.positions[0], liquid.positions, atol=1e-5)
        np.testing.assert_allclose(store.displacements(0), liquid.without_drift, atol=1e-5)
    back = tmp_path / "back.gsd"
    words = ["--configuration", "0", "--replica", "1", "--out", str(back)]
    assert main(["export", str(out), "--format", "gsd", *words]) == 0
    again = tmp_path / "again.h5"
    assert main(["import", str(back), *STATE, "--time", "1", "2", "--out", str(again)]) == 0
    with Store.open(again) as store:
        np.testing.assert_allclose(store.displacements(0)[0], liquid.without_drift[1], atol=1e-5)


def snapshot(gsd, liquid, x, step):
    """One frame as HOOMD writes it: the box is centred on the origin, images count crossings."""
    frame, size = gsd.Frame(), len(x)
    image = np.floor(x / liquid.edge).astype(int)
    wrapped = x - image * liquid.edge - liquid.edge / 2
    frame.configuration.step = step
    frame.configuration.dimensions = 2
    frame.configuration.box = [liquid.edge, liquid.edge, 0, 0, 0, 0]
    frame.particles.N = size
    frame.particles.types = ["A", "B"]
    frame.particles.typeid = liquid.species
    frame.particles.position = np.hstack([wrapped, np.zeros((size, 1))])
    frame.particles.image = np.hstack([image, np.zeros((size, 1), int)])
    return frame


def test_a_damaged_gsd_file_is_refused(tmp_path, capsys):
    pytest.importorskip("gsd.hoomd", reason="the optional package gsd is not installed")
    path, out = tmp_path / "a.gsd", tmp_path / "out" / "x.h5"
    out.parent.mkdir()
    path.write_bytes(GSD_HEAD)
    assert main(["import", str(path), *STATE, "--out", str(out)]) == 2
    assert "not a readable GSD file" in capsys.readouterr().err
    assert list(out.parent.iterdir()) == []


def test_failed_export_leaves_nothing(tmp_path, monkeypatch):
    pytest.importorskip("gsd.hoomd", reason="the optional package gsd is not installed")
    data = write_dataset(tmp_path / "data.h5")
    out = tmp_path / "out" / "x.gsd"
    out.parent.mkdir()
    assert main(["export", str(data), "--format", "gsd", "--configuration", "99", "--out", str(out)]) == 2
    assert list(out.parent.iterdir()) == []
