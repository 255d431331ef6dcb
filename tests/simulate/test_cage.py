import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from gensample.cli import main
from gensample.data.dataset import Dataset
from gensample.data.store import Contents, Store
from gensample.errors import ConfigError, GensampleError
from gensample.physics.mixtures import get_mixture
from gensample.seeding import numpy_generator
from gensample.simulate import programs, short_runs
from gensample.simulate.lammps.files import read_dump
from gensample.simulate.programs import Lammps, Leg
from gensample.simulate.short_runs import CageSettings, Starts
from gensample.simulate.short_runs import add_short_runs as cage
from gensample.simulate.start import REPLICA, maxwell_boltzmann
from gensample.work import parts_beside

SHORT = CageSettings(time=0.5, replicas=3, snapshots=8, seed=5)


def write(path, positions, store, temperature):
    """A dataset of these positions, the rest as in ``store``; no inherent structures, no dynamics."""
    contents = Contents.of(
        store, range(len(positions)), split="train", positions=positions, temperature=temperature
    )
    Dataset.create(contents, path=path)
    return path


def nearest(difference, box):
    return difference - box[:, None] * np.round(difference / box[:, None])


@pytest.fixture
def mini(tmp_path):
    """Two configurations of the embedded dataset, T = 0.45."""
    with Store.open("ka2d-mini") as store:
        return write(tmp_path / "mini.h5", store.positions[:2], store, 0.45)


def everything_else(path):
    with h5py.File(path) as file:
        found = dict(file.attrs)
        file.visititems(lambda name, node: found.update({name: node[...] if hasattr(node, "shape") else 0}))
    for name in ("cage", "cage_spread"):
        found.pop(name, None)
    return {name: np.asarray(value).tolist() for name, value in found.items()}


def test_nearer_to_the_inherent_structure_than_the_configuration(engine, mini):
    before = everything_else(mini)
    summary = cage(mini, settings=CageSettings(time=3.0, replicas=4), processes=1)
    assert everything_else(mini) == before
    assert "2 configurations, 4 replicas of 40 snapshots from t = 0.66 to 3" in summary
    with Store.open(mini) as store, Store.open("ka2d-mini") as full:
        box, minima = store.box, full.inherent[:2]
        assert ((store.cage >= 0) & (store.cage < box[:, None])).all()
        moved = nearest(store.cage - store.positions, box)
        attrs, spread = store.cage_attrs, store.cage_spread
        far = np.linalg.norm(nearest(store.positions - minima, box), axis=-1)
        near = np.linalg.norm(nearest(store.cage - minima, box), axis=-1)
    assert np.median(near) < 0.6 * np.median(far)
    # Averages of wrapped coordinates would put particles that cross the boundary into the middle of the box.
    assert np.linalg.norm(moved, axis=-1).max() < 1.5
    assert np.abs(moved.mean(1)).max() < 1e-12
    assert (attrs["start"], attrs["time"], attrs["replicas"], attrs["snapshots"]) == (0.66, 3.0, 4, 40)
    assert attrs["thermostat"] == "nose-hoover"
    assert attrs["seed"] == 0
    assert "LAMMPS" in attrs["engine"]
    assert attrs["standard_error"].shape == (2,)
    assert spread.shape == (2, 500)
    assert np.allclose(np.sqrt((spread**2).mean(1) / (2 * 4)), attrs["standard_error"])
    assert [entry.name for entry in mini.parent.iterdir()] == ["mini.h5"]


def test_harmonic_vibrations_average_to_the_minimum(engine, tmp_path):
    """At T = 1e-6 a solid is harmonic: the mean is the minimum, within the standard error that is stored.

    Few soft modes make most of both: over seeds their ratio scatters by 0.13.
    """
    with Store.open("ka2d-mini") as store:
        minima = store.inherent[:1]
        path = write(tmp_path / "cold.h5", minima, store, 1e-6)
    settings = CageSettings(time=2.0, replicas=16, snapshots=10, thermostat="none")
    cage(path, settings=settings, processes=1)
    with Store.open(path) as store:
        off = nearest(store.cage - minima, store.box)
        error = float(store.cage_attrs["standard_error"][0])
    assert 1e-6 < error < 1e-3
    assert 0.5 < np.sqrt(np.square(off).mean()) / error < 1.5


def test_the_mean_of_the_snapshots_in_the_window(engine, tmp_path):
    """Against frames dumped at every snapshot of the same run, which starts at the edge of its box."""
    m, settings = get_mixture("ka2d"), replace(SHORT, snapshots=8)
    assert settings.kept == (10, 8, 100)
    assert settings.window == pytest.approx((0.15, 0.5))
    with Store.open("ka2d-mini") as store:
        starts = Starts(m, store.positions[:1], store.species, store.box[:1], store.temperature[:1])
    leg = Leg(starts.positions[0], 0.45, (1,), settings.kept)
    Lammps(engine).run(starts.system(0), 0.005, [leg], tmp_path)
    script = (tmp_path / "in.lammps").read_text()
    dump = "dump d all custom 10 all.dump id xu yu\ndump_modify d sort id format float %.17g\nrun"
    engine.run(script.replace("run", dump), tmp_path)
    frames = read_dump(tmp_path / "all.dump", 2)
    assert len(frames) == 11
    mean = read_dump(tmp_path / "leg-0-0.dump", 2)[0]
    assert np.abs(frames[0] - starts.positions[0]).max() < 1e-12
    assert mean == pytest.approx(frames[-8:].mean(0), abs=1e-12)
    assert np.abs(frames - frames[0]).max() < 2
    assert frames.min() < 0


def test_a_configuration_does_not_depend_on_what_is_beside_it(engine, mini, tmp_path, monkeypatch):
    """Nor on processes, nor on how replicas are put into jobs; another seed gives another average."""
    with Store.open(mini) as store:
        alone = write(tmp_path / "alone.h5", store.positions[:1], store, 0.45)
    cage(mini, settings=SHORT, processes=2)
    with Store.open(mini) as store:
        first = store.cage[0]
    monkeypatch.setattr(short_runs, "REPLICAS_PER_JOB", 2)
    cage(alone, settings=SHORT, processes=1)
    with Store.open(alone) as store:
        assert np.array_equal(store.cage[0], first)
    cage(alone, settings=replace(SHORT, seed=6), again=True)
    with Store.open(alone) as store:
        assert not np.allclose(store.cage[0], first, atol=1e-4)


def test_runs_are_not_those_of_a_simulation_of_the_same_seed(engine, mini, monkeypatch):
    started, write_data = [], programs.write_data

    def record(path, positions, species, types, box, velocities):
        started.append(velocities)
        write_data(path, positions, species, types, box, velocities)

    monkeypatch.setattr(programs, "write_data", record)
    cage(mini, settings=SHORT, processes=1)
    assert len(started) == 6
    assert started[0].var() == pytest.approx(0.45, rel=0.1)
    simulated = [
        maxwell_boltzmann(500, 2, 0.45, numpy_generator(5, c, REPLICA, r)) for c in (0, 1) for r in range(3)
    ]
    both = np.stack([v.ravel() for v in [*started, *simulated]])
    assert np.abs(np.corrcoef(both) - np.eye(12)).max() < 0.2


def test_a_failed_average_goes_on_with_the_same_bits(engine, mini, tmp_path, monkeypatch, assert_same):
    whole = shutil.copy(mini, tmp_path / "whole.h5")
    cage(whole, settings=SHORT, processes=1)
    monkeypatch.setattr(short_runs, "REPLICAS_PER_JOB", 2)
    done, run = [], type(engine).run

    def fails_at_the_third(self, script, folder):
        if len(done) == 2:
            raise GensampleError("LAMMPS failed")
        done.append(folder)
        return run(self, script, folder)

    with monkeypatch.context() as patch:
        patch.setattr(type(engine), "run", fails_at_the_third)
        with pytest.raises(GensampleError, match="cage-00001-00000: LAMMPS failed; finished jobs are kept"):
            cage(mini, settings=SHORT, processes=1)
    kept = sorted(folder.name for folder in parts_beside(mini, "cage").glob("cage-*"))
    assert kept == ["cage-00000-00000", "cage-00000-00002"]
    with pytest.raises(ConfigError, match="other settings"):
        cage(mini, settings=replace(SHORT, seed=6))
    cage(mini, settings=SHORT, processes=1)
    assert_same(mini, whole)


def test_killed_in_the_middle_it_resumes_to_the_same_bits(engine, mini, tmp_path, assert_same):
    whole = shutil.copy(mini, tmp_path / "whole.h5")
    options = ["--time", "1", "--replicas", "12", "--snapshots", "8", "--processes", "1"]
    assert main(["cage", str(whole), *options]) == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "gensample", "cage", str(mini), *options], stderr=subprocess.DEVNULL
    )
    while not (parts_beside(mini, "cage") / "cage-00000-00008").is_dir() and process.poll() is None:
        time.sleep(0.003)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    with Store.open(mini) as store:
        assert store.cage is None
    assert main(["cage", str(mini), *options]) == 0
    assert_same(mini, whole)
    assert not parts_beside(mini, "cage").exists()


def test_replaced_only_when_asked(engine, mini, capsys):
    cage(mini, settings=SHORT)
    before = mini.read_bytes()
    assert "nothing to do" in cage(mini, settings=SHORT)
    assert mini.read_bytes() == before
    assert "cage positions of 2" in cage(mini, settings=SHORT, again=True)
    assert main(["info", str(mini)]) == 0
    assert "3 replicas of 8 snapshots" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["ka2d-mini"], "--out"),
        (["DATA", "--out", "OTHER"], "exists"),
        (["DATA", "--replicas", "0"], "--replicas must be a whole number from 1"),
        (["DATA", "--time", "-1"], "--time must be positive"),
        (["DATA", "--time", "0.1"], "--snapshots 40"),
        (["DATA", "--seed", "-1"], "--seed must be a whole number from 0"),
        (["DATA", "--thermostat", "andersen"], "thermostat must be one of"),
        (["DATA", "--processes", "0"], "--processes"),
        (["DATA", "--lmp", "/nowhere/lmp"], "pip install"),
        (["nowhere.h5"], "no dataset at nowhere.h5"),
    ],
)
def test_errors_are_one_line_and_change_nothing(mini, tmp_path, words, named, capsys):
    other = tmp_path / "other.h5"
    other.write_text("precious")
    before = mini.read_bytes()
    names = {"DATA": str(mini), "OTHER": str(other)}
    assert main(["cage", *[names.get(word, word) for word in words]]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line
    assert mini.read_bytes() == before
    assert other.read_text() == "precious"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["mini.h5", "other.h5"]


def test_spread_is_the_root_of_the_variance_between_runs():
    """Two runs whose means lie at +-(3, 4) from the mean of both: a variance of 2 * 25."""
    away = np.array([[3.0, 4.0], [0.0, 0.0]])
    starts = Starts(get_mixture("ka2d"), np.zeros((1, 2, 2)), np.zeros(2), np.full((1, 2), 9.0), np.ones(1))
    written = []
    writer = SimpleNamespace(write_cage=lambda *given: written.extend(given))
    found = [[{"moved": np.stack([1.0 + away, 1.0 - away])}]]
    CageSettings(replicas=2).write(starts, found, writer, {})
    np.testing.assert_allclose(written[0][0], 1.0)
    np.testing.assert_allclose(written[2][0], [np.sqrt(50.0), 0.0])
