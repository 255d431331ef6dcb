from pathlib import Path

import pytest

from gensample.cli import main
from gensample.data.store import Store
from gensample.errors import MissingDependencyError
from gensample.simulate.isoconfigurational.config import SimulationConfig
from gensample.simulate.lammps.engine import find_engine
from gensample.simulate.run import WORKSHOPS, load_config, simulate

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "simulate"
TINY = str(CONFIGS / "tiny.yaml")
QUICK = ["splits.train.configurations=1", "splits.val.configurations=1", "splits.test.configurations=1"]


@pytest.fixture(scope="module")
def lammps():
    try:
        return find_engine()
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_is_valid(path):
    assert load_config(path).splits


def test_simulates_from_a_config_and_says_what_it_made(lammps, tmp_path, capsys):
    out = tmp_path / "tiny.h5"
    assert main(["simulate", TINY, *QUICK, "--out", str(out), "--processes", "1"]) == 0
    printed = capsys.readouterr()
    assert "3 configurations, 16 replicas" in printed.out
    assert "equilibrated for 60 tau" in printed.out
    assert "simulated: 0.0 %" in printed.err
    assert "simulated: 100.0 %" in printed.err
    with Store.open(out) as store:
        assert store.attrs["command"].startswith("gensample simulate ")
        assert store.attrs["command"].endswith(" ".join(QUICK))
        assert store.inherent is not None
        # MSD of A in a liquid, from ballistic (2 T t^2 = 0.02 at most) to diffusive.
        u = store.displacements(2)[:, :, store.species == 0]
        short, _, long = (u.astype(float) ** 2).sum(-1).mean((0, 2))
        assert 0.008 < short < 0.02
        assert long > 0.1
    assert main(["info", str(out)]) == 0
    assert main(["simulate", TINY, *QUICK, "--out", str(out)]) == 0
    assert "nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["nowhere.yaml"], "nowhere.yaml cannot be read: No such file"),
        ([TINY, "temprature=1"], "temprature"),
        ([TINY, "lags=[0.0123]"], "0.0123"),
        ([TINY, "--processes", "0"], "processes"),
        ([TINY, "--lmp", "/nowhere/lmp"], "pip install 'gensample[md]'"),
        ([TINY, "--process", "2"], "--process"),
    ],
)
def test_errors_are_one_line_and_write_nothing(words, named, tmp_path, capsys):
    assert main(["simulate", *words, "--out", str(tmp_path / "new.h5")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line
    assert list(tmp_path.iterdir()) == []


def test_two_runs_of_one_dataset_do_not_meet(lammps, tmp_path, monkeypatch):
    out, seen = tmp_path / "tiny.h5", []

    def meanwhile(*args, **kwargs):
        with pytest.raises(Exception, match="another gensample works at"):
            simulate(load_config(TINY, QUICK), out)
        seen.append(True)
        raise KeyboardInterrupt

    monkeypatch.setitem(WORKSHOPS, SimulationConfig, meanwhile)
    assert main(["simulate", TINY, *QUICK, "--out", str(out)]) == 130
    assert seen == [True]
