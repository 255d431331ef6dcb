"""`gensample fit heated` and `fit harmonic`: what was planted is found, resumption, refusals, the folder."""

import json
import shutil

import h5py
import numpy as np
import pytest
from mini import first_of_ka2d_mini

from gensample import zoo
from gensample.cli import main
from gensample.commands.train import FitGenerator
from gensample.data.store import Store
from gensample.generators import harmonic, heated_fit
from gensample.generators.harmonic import Harmonic
from gensample.generators.heated import Heated
from gensample.simulate import programs

LAGS = (1.0, 100.0)
HOT, TIME = 0.75, 8.5
SCALE = np.random.default_rng(0).uniform(0.3, 1.7, (500, 1))


def amplitude(temperature, time):
    """Of the displacements that the stand-in for dynamics makes: both numbers matter, not their product."""
    return 0.1 * SCALE ** (4 * temperature - 2) * time**0.5 * (temperature > 0.5)


class Diffusion:
    """Free diffusion in place of molecular dynamics; at the temperature of the data nothing moves."""

    kind, description, processes = "lammps", "a stand-in", 1

    def __init__(self):
        self.legs = []

    def run(self, system, timestep, legs, folder):
        self.legs += legs
        return [self._frames(leg, timestep) for leg in legs]

    def _frames(self, leg, timestep):
        step = np.random.default_rng(leg.key).normal(size=leg.positions.shape)
        return np.stack([leg.positions + amplitude(leg.temperature, k * timestep) * step for k in leg.kept])

    def width(self, particles, time):
        return 8

    def stop(self):
        pass


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Configurations whose displacements are those of `Diffusion` at HOT for TIME."""
    path = tmp_path_factory.mktemp("fit") / "data.h5"
    with first_of_ka2d_mini(path, ["train"] * 5 + ["test"], LAGS, replicas=16) as writer:
        rng = np.random.default_rng(1)
        for c in range(6):
            for r in range(16):
                u = amplitude(HOT, TIME) * rng.normal(size=(2, 500, 2))
                writer.write_replica(c, r, (u - u.mean(1, keepdims=True)).astype(np.float32))
    return path


@pytest.fixture
def diffusion(monkeypatch):
    found = Diffusion()
    monkeypatch.setattr(programs, "choose_dynamics", lambda *given, **options: found)
    return found


def fit(name, data, out, *words, code=0):
    assert main(["fit", name, "--data", str(data), "--out", str(out), *words]) == code


def test_what_was_planted_is_found(data, diffusion, tmp_path, capsys):
    fit("heated", data, tmp_path / "hot", "--temperatures", "0.6", str(HOT), "0.9", "--processes", "1")
    told = capsys.readouterr().out
    assert "t = 1: 1 tau at T = 0.45: plain molecular dynamics" in told
    assert "8.5 tau at T = 0.75, then 3 tau at T = 0.45; 0.12 of the lag" in told
    model = zoo.load_model(tmp_path / "hot")
    assert isinstance(model, Heated)
    assert model.recipes == (((None, 1.0),), ((HOT, TIME), (None, 3.0)))
    assert model.lag_time == LAGS
    assert model.domain["temperatures"] == [0.45]
    table = zoo.load_metrics(tmp_path / "hot")["fit"]
    assert table["configurations"] == 5
    assert table["core_seconds"] > 0
    rows = table["lags"]["100"]
    assert len(rows) == 3 * 6
    (chosen,) = [row for row in rows if row["chosen"]]
    assert chosen["skill"] == pytest.approx(chosen["skill_of_a_perfect_sampler"], abs=0.01)
    assert chosen["mobile"] == pytest.approx(chosen["mobile_simulated"], rel=0.05)
    card = (tmp_path / "hot" / "README.md").read_text()
    assert "TODO" not in card
    assert "the highest CRPS skill" in card
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hot"]


def test_the_test_split_is_not_looked_at(data, diffusion, tmp_path):
    fit("heated", data, tmp_path / "hot", "--temperatures", "0.6")
    with Store.open(data) as store:
        positions = store.positions
    begun = [leg.positions for leg in diffusion.legs if leg.temperature == 0.6]
    assert {c for c in range(6) for x in begun if np.array_equal(x, positions[c])} == set(range(5))


def test_goes_on_where_it_stopped_and_chooses_the_same(data, diffusion, tmp_path, monkeypatch):
    words = ["--temperatures", "0.6", "0.75", "--replicas", "2", "--ramps", "0.5", "--configurations", "2"]
    fit("heated", data, tmp_path / "whole", *words)
    once, run = len(diffusion.legs), Diffusion.run

    def stops(self, system, runs, legs, folder):
        if len(self.legs) > 1.5 * once:
            raise KeyboardInterrupt
        return run(self, system, runs, legs, folder)

    with monkeypatch.context() as patched:
        patched.setattr(Diffusion, "run", stops)
        fit("heated", data, tmp_path / "hot", *words, code=130)
    assert not (tmp_path / "hot").exists()
    fit("heated", data, tmp_path / "hot", *words, "--seed", "1", code=2)
    fit("heated", data, tmp_path / "hot", *words)
    assert len(diffusion.legs) < 2.2 * once
    whole, again = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("whole", "hot"))
    assert whole["fit"]["lags"] == again["fit"]["lags"]
    assert len(whole["fit"]["lags"]["100"][1]["stages"]) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hot", "whole"]


def test_a_changed_tolerance_uses_the_runs_that_are_there(data, diffusion, tmp_path, monkeypatch):
    words = ["--temperatures", "0.6", "--replicas", "2", "--configurations", "2"]
    with monkeypatch.context() as patched:
        patched.setattr(heated_fit, "choose_recipe", lambda *given: 1 / 0)
        fit("heated", data, tmp_path / "hot", *words, code=1)
    before = len(diffusion.legs)
    fit("heated", data, tmp_path / "hot", *words, "--tolerance", "0.3")
    assert len(diffusion.legs) == before
    assert zoo.load_metrics(tmp_path / "hot")["fit"]["configurations"] == 2


def test_lags_that_are_all_short_need_no_runs(data, diffusion, tmp_path):
    fit("heated", data, tmp_path / "hot", "--share", "0.01", "--least", "2")
    assert diffusion.legs == []
    assert zoo.load_model(tmp_path / "hot").cost(1) == 100.0


def test_harmonic_is_kept_with_its_candidates(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(harmonic, "DAMPINGS", (2.0,))
    fit("harmonic", data, tmp_path / "vibrations", "--configurations", "1")
    assert "t = 1: amplitude" in capsys.readouterr().out
    assert isinstance(zoo.load_model(tmp_path / "vibrations"), Harmonic)
    found = zoo.load_metrics(tmp_path / "vibrations")["fit"]
    assert {row["lag_time"] for row in found["candidates"]} == set(LAGS)
    assert "TODO" not in (tmp_path / "vibrations" / "README.md").read_text()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["heated", "--out", "PRESENT"], "exists"),
        (["heated", "--split", "val"], "no configuration in split"),
        (["heated", "--split", "tset"], "did you mean test"),
        (["heated", "--temperature", "1"], "has [0.45]"),
        (["heated", "--configurations", "0"], "--configurations"),
        (["heated", "--temperatures", "0.3"], "--temperatures must be above that of the data, 0.45"),
        (["heated", "--replicas", "1"], "--replicas"),
        (["heated", "--engine", "gromacs"], "--engine must be one of"),
        (["heated", "--data", "AVERAGES"], "no displacements"),
        (["harmonic", "--share", "0.1"], "--share is of heated alone"),
        (["harmonics"], "did you mean harmonic"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(data, tmp_path, capsys, words, named):
    (tmp_path / "present").mkdir()
    averages = tmp_path / "averages.h5"
    averaged = {"times": LAGS, "propensity": np.ones((1, 2, 500))}
    first_of_ka2d_mini(averages, ["train"], inherent=False, **averaged).close()
    names = {"PRESENT": str(tmp_path / "present"), "AVERAGES": str(averages)}
    given = ["--data", str(data), "--out", str(tmp_path / "new")]
    assert main(["fit", words[0], *given, *(names.get(word, word) for word in words[1:])]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["averages.h5", "present"]


def test_several_temperatures_are_fitted_one_at_a_time(data, diffusion, tmp_path, capsys):
    both = shutil.copy(data, tmp_path / "both.h5")
    with h5py.File(both, "r+") as file:
        file.attrs["temperature"] = np.array([0.45, 0.6, 0.45, 0.6, 0.45, 0.45])
    fit("heated", both, tmp_path / "hot", code=2)
    assert "choose one with --temperature" in capsys.readouterr().err
    fit("heated", both, tmp_path / "hot", "--temperature", "0.6", "--replicas", "2", "--temperatures", "0.75")
    model = zoo.load_model(tmp_path / "hot")
    assert model.domain["temperatures"] == [0.6]
    assert zoo.load_metrics(tmp_path / "hot")["fit"]["configurations"] == 2


def test_options_are_those_of_the_search():
    from dataclasses import fields

    own = {each.name for each in fields(FitGenerator) if each.metadata.get("group") == "heated"}
    assert {field.name for field in fields(heated_fit.Search)} == own - {"engine", "lmp", "processes"} | {
        "seed"
    }
