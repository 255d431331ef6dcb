"""Probe runs: what they average, that they resume, and that bad input changes nothing."""

import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from mini import first_of_ka2d_mini

from gensample.cli import main
from gensample.data.datamodule import KADataModule
from gensample.data.store import Store, StoreWriter
from gensample.errors import ConfigError, DataError, GensampleError
from gensample.seeding import derive_seed, numpy_generator
from gensample.simulate import short_runs
from gensample.simulate.lammps import scripts
from gensample.simulate.lammps.files import read_dump, write_data
from gensample.simulate.programs import Lammps, Leg
from gensample.simulate.quench import quench
from gensample.simulate.settings import Bath
from gensample.simulate.short_runs import ProbeSettings
from gensample.simulate.short_runs import add_short_runs as probe
from gensample.simulate.start import PROBE, maxwell_boltzmann
from gensample.structure.descriptors.short_runs import probe_names
from gensample.work import parts_beside

BATH = Bath("nose-hoover", 0.5)
SHORT = ProbeSettings(temperatures=(0.5, 1.0), times=(0.05, 0.2), replicas=2, seed=5)


def write(path, count=2, inherent=True):
    """The first configurations of the embedded dataset, without dynamics."""
    with first_of_ka2d_mini(path, ["train"] * count, inherent=inherent):
        return path


@pytest.fixture
def mini(tmp_path):
    return write(tmp_path / "mini.h5")


def test_averages_over_replicas():
    """Two replicas of one particle at one time, 5 and 20 long, their mean (-4.5, 10)."""
    moved = np.array([[3.0, 4.0], [-12.0, 16.0]])[:, None, None]
    found = SHORT.summary(moved)
    assert {name: float(x.item()) for name, x in found.items()} == pytest.approx(
        {"length": 12.5, "log_length": np.log(10.0), "mean_displacement": np.sqrt(120.25)}
    )
    assert SHORT.summary(np.ones((4, 3, 7, 2)))["length"].shape == (7, 3)


def test_runs_start_at_the_inherent_structure_and_are_averaged_without_drift(engine, mini):
    """Against the same script run by hand."""
    summary = probe(mini, settings=SHORT, processes=1)
    assert "2 inherent structures, 2 at each of T = 0.5, 1, up to t = 0.2" in summary
    with Store.open(mini) as store:
        found, attrs, minima = store.probe, store.probe_attrs, store.inherent
        assert store.probe_levels == [(0.5, 0.05), (0.5, 0.2), (1.0, 0.05), (1.0, 0.2)]
    assert found["length"].shape == (2, 500, 2, 2)
    assert (attrs["replicas"], attrs["seed"], attrs["thermostat"]) == (2, 5, "nose-hoover")
    with Store.open(mini) as store:
        starts, _ = SHORT.read(store)
    moved = []
    for r in range(2):
        folder = mini.parent / f"by-hand-{r}"
        folder.mkdir()
        key = (5, 1, PROBE, 1_000_000, r)
        velocities = maxwell_boltzmann(500, 2, 1.0, numpy_generator(*key))
        write_data(folder / "leg-0.data", minima[1], starts.species, (1.0, 1.0), starts.box[1], velocities)
        leg = Leg(minima[1], 1.0, key, [10, 40])
        seed = derive_seed(*key) % 900_000_000 + 1
        engine.run(scripts.short_run(0, leg.temperature, leg.kept, BATH, 0.005, starts.mixture, seed), folder)
        frames = np.stack([read_dump(folder / f"leg-0-{k}.dump", 2)[0] for k in range(2)])
        moved.append(frames - minima[1])
    expected = SHORT.summary(np.stack(moved) - np.stack(moved).mean(2, keepdims=True))
    for name, array in expected.items():
        assert found[name][1, :, 1] == pytest.approx(array, rel=1e-5, abs=1e-7)
    # Half of what is given to a minimum becomes potential energy, and it moves farther when hotter.
    assert found["length"][:, :, 1, 1].mean() > 1.2 * found["length"][:, :, 0, 1].mean() > 0.02


def test_without_a_thermostat_velocities_are_those_of_twice_the_temperature(engine, mini):
    """After one step of 0.005, u = v t: the mean square displacement is 2 d T t^2."""
    probe(mini, settings=ProbeSettings((1.0,), (0.005,), replicas=64, thermostat="none"), processes=1)
    with Store.open(mini) as store:
        length = float(store.probe["length"].mean())
        assert store.probe_attrs["velocity_temperature"] == [2.0]
    assert length == pytest.approx(np.sqrt(np.pi / 2 * 2.0) * 0.005, rel=0.02)


def test_so_that_half_of_it_is_the_temperature(engine, mini):
    """Kinetic temperature of a run, from the fifth to the tenth tau."""
    settings = ProbeSettings((0.3,), (1.0,), replicas=1, thermostat="none")
    with Store.open(mini) as store:
        starts, _ = SHORT.read(store)
    folder = mini.parent
    leg = Leg(starts.positions[0], 0.3, (1,), [200], settings.drawn_at(0.3), "none")
    Lammps(engine).run(starts.system(0), 0.005, [leg], folder)
    heat = "fix heat all ave/time 10 100 1000 c_thermo_temp file heat.txt\nrun 1800\n"
    engine.run((folder / "in.lammps").read_text() + heat, folder)
    assert np.loadtxt(folder / "heat.txt")[-1] == pytest.approx(0.3, rel=0.08)


def test_times_are_stored_as_they_are_simulated(engine, mini):
    """0.113 tau are 22.6 steps of 0.005."""
    probe(mini, settings=replace(SHORT, times=(0.113, 0.2)), processes=1)
    with Store.open(mini) as store:
        assert store.probe["time"].tolist() == [0.115, 0.2]


def test_probe_runs_go_with_the_minima_they_started_from(engine, mini, monkeypatch):
    probe(mini, settings=SHORT)
    quench(mini, again=True)
    with Store.open(mini) as store:
        assert store.probe is None
        minima = (store.inherent + 0.1) % store.box[:, None]

    def others_meanwhile(*given, **options):
        run_jobs(*given, **options)
        with StoreWriter.resume(mini) as writer:
            writer.write_inherent(minima, {})

    run_jobs = short_runs.run_jobs
    monkeypatch.setattr(short_runs, "run_jobs", others_meanwhile)
    with pytest.raises(DataError, match="other inherent structures since"):
        probe(mini, settings=SHORT)
    monkeypatch.undo()
    assert "2 inherent structures" in probe(mini, settings=SHORT)  # again, as it says


def test_unfinished_runs_at_other_velocities_do_not_count(mini):
    """Without a thermostat an earlier version drew them at half the temperature."""
    with Store.open(mini) as store:
        starts, _ = SHORT.read(store)
    free = replace(SHORT, thermostat="none")
    earlier = type("Earlier", (ProbeSettings,), {"drawn_at": lambda self, temperature: temperature})
    for settings, same in ((SHORT, True), (free, False)):
        other = earlier(**vars(settings))
        assert (other.decides(starts) == settings.decides(starts)) is same


def test_the_order_of_temperatures_does_not_matter(engine, mini, tmp_path):
    other = shutil.copy(mini, tmp_path / "other.h5")
    probe(mini, settings=SHORT, processes=2)
    probe(other, settings=replace(SHORT, temperatures=(1.0, 0.5)), processes=1)
    with Store.open(mini) as first, Store.open(other) as second:
        assert np.array_equal(first.probe["length"], second.probe["length"][:, :, ::-1])
    probe(other, settings=replace(SHORT, seed=6), again=True)
    with Store.open(mini) as first, Store.open(other) as second:
        assert not np.allclose(first.probe["length"], second.probe["length"], rtol=1e-3)


def test_failed_runs_go_on_with_the_same_bits(engine, mini, tmp_path, monkeypatch, assert_same):
    whole = shutil.copy(mini, tmp_path / "whole.h5")
    probe(whole, settings=SHORT, processes=1)
    done, run = [], type(engine).run

    def fails_at_the_third(self, script, folder):
        if len(done) == 2:
            raise GensampleError("LAMMPS failed")
        done.append(folder)
        return run(self, script, folder)

    with monkeypatch.context() as patch:
        patch.setattr(type(engine), "run", fails_at_the_third)
        with pytest.raises(GensampleError, match="LAMMPS failed; finished jobs are kept"):
            probe(mini, settings=SHORT, processes=1)
    assert len(list(parts_beside(mini, "probe").glob("probe-*"))) == 2
    with pytest.raises(ConfigError, match="other settings"):
        probe(mini, settings=replace(SHORT, seed=6))
    probe(mini, settings=SHORT, processes=1)
    assert_same(mini, whole)
    assert not parts_beside(mini, "probe").exists()


def test_killed_in_the_middle_it_resumes_to_the_same_bits(engine, mini, tmp_path, assert_same):
    whole = shutil.copy(mini, tmp_path / "whole.h5")
    options = ["--temperatures", "0.5", "1", "--times", "0.5", "--replicas", "4", "--processes", "1"]
    assert main(["probe", str(whole), *options]) == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "gensample", "probe", str(mini), *options], stderr=subprocess.DEVNULL
    )
    while not (parts_beside(mini, "probe") / "probe-00000-01").is_dir() and process.poll() is None:
        time.sleep(0.003)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    with Store.open(mini) as store:
        assert store.probe is None
    assert main(["probe", str(mini), *options]) == 0
    assert_same(mini, whole)


def test_served_as_descriptors(engine, mini):
    """The columns of one level at length zero are what the file holds."""
    settings = {"target": "structure", "input": "inherent", "descriptors": ["probe", "symmetry"]}
    without = KADataModule(str(mini), **settings)
    without.setup("fit")
    with pytest.raises(ConfigError, match="gensample probe"):
        without.per_particle("descriptors", [1])
    probe(mini, settings=SHORT, processes=1)
    data = KADataModule(str(mini), **settings)
    data.setup("fit")
    served = data.per_particle("descriptors", [1])[0]
    assert served.shape[1] == data.num_descriptors == sum(data.described.widths)
    with Store.open(mini) as store:
        found = store.probe
    assert data.described.widths[0] == len(probe_names(data.store.probe_levels))
    np.testing.assert_allclose(served[:, :4], found["log_length"][1].reshape(500, 4), rtol=1e-6)
    np.testing.assert_allclose(
        served[:, 4:8], np.log(found["mean_displacement"][1]).reshape(500, 4), rtol=1e-5, atol=1e-6
    )


def test_replaced_only_when_asked_and_shown_by_info(engine, mini, capsys):
    probe(mini, settings=SHORT)
    before = mini.read_bytes()
    assert "nothing to do" in probe(mini, settings=SHORT)
    assert mini.read_bytes() == before
    probe(mini, settings=replace(SHORT, temperatures=(0.7,)), again=True)
    assert main(["info", str(mini)]) == 0
    assert "2 replicas at T = 0.7, up to t = 0.2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["ka2d-mini"], "--out"),
        (["DATA", "--out", "OTHER"], "exists"),
        (["DATA", "--replicas", "0"], "--replicas must be a whole number from 1"),
        (["DATA", "--times", "2", "1"], "--times must be positive and increase"),
        (["DATA", "--times", "0"], "--times[0] must be positive"),
        (["DATA", "--times", "0.001"], "--times must be positive and increase"),
        (["DATA", "--temperatures", "0.5", "0.5"], "--temperatures must be different"),
        (["DATA", "--temperatures", "-1"], "--temperatures[0] must be positive"),
        (["DATA", "--seed", "-1"], "--seed must be a whole number from 0"),
        (["DATA", "--thermostat", "andersen"], "thermostat must be one of"),
        (["DATA", "--processes", "0"], "--processes"),
        (["DATA", "--lmp", "/nowhere/lmp"], "pip install"),
        (["BARE"], "gensample quench"),
        (["nowhere.h5"], "no dataset at nowhere.h5"),
    ],
)
def test_errors_are_one_line_and_change_nothing(mini, tmp_path, words, named, capsys):
    other = tmp_path / "other.h5"
    other.write_text("precious")
    names = {"DATA": str(mini), "OTHER": str(other), "BARE": str(write(tmp_path / "bare.h5", inherent=False))}
    before = mini.read_bytes()
    given = ["--temperatures", "0.5", "--times", "0.1", "--replicas", "1"]
    words = [names.get(word, word) for word in words]
    assert main(["probe", words[0], *given, *words[1:]]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line
    assert mini.read_bytes() == before
    assert other.read_text() == "precious"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["bare.h5", "mini.h5", "other.h5"]
