"""`gensample sample` with generators without training: units, cost, names, refusals."""

import shutil

import h5py
import numpy as np
import pytest
import yaml
from mini import first_of_ka2d_mini

from gensample import meter, zoo
from gensample.cli import main
from gensample.data.store import Store, domain_of
from gensample.errors import ConfigError, MissingDependencyError
from gensample.generators.drawing import FieldDrawing
from gensample.release import keep_generator
from gensample.simulate.lammps.engine import find_engine
from gensample.simulate.programs import Lammps

STAGES = [[[None, 0.005]], [[0.6, 0.01], [None, 0.005]]]


@pytest.fixture(scope="module", autouse=True)
def lammps():
    try:
        find_engine()
    except MissingDependencyError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two configurations of ka2d-mini."""
    path = tmp_path_factory.mktemp("physics") / "data.h5"
    with first_of_ka2d_mini(path, ["test"] * 2, [1.0, 10.0]):
        return path


def keep(folder, data, **domain):
    with Store.open(data) as store:
        known = domain_of(store, lags=[1.0, 10.0]) | domain
    settings = {"lag_time": [1.0, 10.0], "stages": STAGES, "domain": known}
    block = {"class_path": "gensample.generators.heated.Heated", "init_args": settings}
    keep_generator(folder, block, {"meta": {}}, "# a card\n")
    return folder


@pytest.fixture(scope="module")
def model(data):
    return keep(data.parent / "heated", data)


def sample(model, data, out, *words, code=0):
    assert (
        main(["sample", str(model), "--data", str(data), "--out", str(out), "--replicas", "10", *words])
        == code
    )


def fields(path):
    with Store.open(path) as store:
        return np.stack([store.displacements(c) for c in range(store.num_configurations)])


def test_writes_an_ensemble_with_its_cost(model, data, tmp_path, capsys):
    sample(model, data, tmp_path / "gen.h5")
    assert "core-seconds a field" in capsys.readouterr().out
    with Store.open(tmp_path / "gen.h5") as store, Store.open(data) as source:
        assert store.done.shape == (2, 10)
        assert store.done.all()
        assert np.array_equal(store.positions, source.positions)
        assert store.times.tolist() == [1.0, 10.0]
        assert "LAMMPS" in store.attrs["engine"]
        assert 0.05 < store.attrs["core_seconds"] < 60
    assert [path.name for path in tmp_path.iterdir()] == ["gen.h5"]


def test_same_bits_however_the_work_is_cut(model, data, tmp_path):
    sample(model, data, tmp_path / "whole.h5", "--processes", "1")
    for shard in ("1/2", "0/2"):
        sample(model, data, tmp_path / "parts.h5", "--shard", shard)
    sample(model, data, tmp_path / "few.h5", "--replicas", "3")
    whole = fields(tmp_path / "whole.h5")
    assert np.array_equal(whole, fields(tmp_path / "parts.h5"))
    assert np.array_equal(whole[:, :3], fields(tmp_path / "few.h5"))
    sample(model, data, tmp_path / "other.h5", "--seed", "1")
    assert not np.allclose(whole, fields(tmp_path / "other.h5"), atol=1e-4)


def test_goes_on_after_an_interrupt_and_adds_up_the_cost(model, data, tmp_path, monkeypatch):
    draw, count = FieldDrawing.draw, []
    monkeypatch.setattr(meter.Meter, "lap", lambda self: 1.0)
    monkeypatch.setattr(Lammps, "width", lambda self, particles, time: 5)

    def stop_at_third(self, *given):
        count.append(given)
        if len(count) == 3:
            raise KeyboardInterrupt
        return draw(self, *given)

    monkeypatch.setattr(FieldDrawing, "draw", stop_at_third)
    sample(model, data, tmp_path / "gen.h5", "--processes", "1", code=130)
    count.append("and go on")
    sample(model, data, tmp_path / "gen.h5", "--processes", "1")
    assert len(count) == 3 + 1 + 2
    with Store.open(tmp_path / "gen.h5") as store:
        assert store.attrs["core_seconds"] == 4.0


def test_parts_without_a_record_of_their_cost_leave_it_out(model, data, tmp_path, monkeypatch):
    monkeypatch.setattr(meter.Meter, "lap", lambda self: np.nan)
    sample(model, data, tmp_path / "gen.h5")
    with Store.open(tmp_path / "gen.h5") as store:
        assert "core_seconds" not in store.attrs


def test_laps_of_the_meter_add_up_to_what_was_used():
    own = meter.Meter()
    began = own._before
    laps = [own.lap() for _ in range(3) if sum(range(200_000))]
    assert sum(laps) == pytest.approx(own._before - began)
    assert sum(laps) > 0


def test_torch_in_place_of_lammps_is_another_sample(model, data, tmp_path, capsys):
    sample(model, data, tmp_path / "gen.h5", "--engine", "torch")
    with Store.open(tmp_path / "gen.h5") as store:
        assert "torch" in store.attrs["engine"]
        assert store.done.all()
    sample(model, data, tmp_path / "gen.h5", "--engine", "torch")
    sample(model, data, tmp_path / "gen.h5", code=2)
    assert "another sample" in capsys.readouterr().err
    sample(model, data, tmp_path / "lammps.h5")
    # The same velocities: after so few steps the same fields, but for the noise that takes the heat away.
    torch, lammps = fields(tmp_path / "gen.h5"), fields(tmp_path / "lammps.h5")
    assert np.allclose(torch[:, :, 0], lammps[:, :, 0], atol=1e-6)
    assert 1e-5 < np.abs(torch[:, :, 1] - lammps[:, :, 1]).max() < 0.01


def test_heated_stands_for_the_released_one_of_the_liquid(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(zoo, "ROOTS", (tmp_path / "models",))
    with pytest.raises(ConfigError, match="gensample fit heated"):
        zoo.load_model("heated", data=data)
    keep(tmp_path / "models" / "hot", data, temperatures=[1.0])
    with pytest.raises(ConfigError, match="no released heated model is of the liquid"):
        zoo.load_model("heated", data=data)
    keep(tmp_path / "models" / "own", data)
    assert zoo.load_model("heated", data=data).name == "own"
    assert zoo.names() == zoo.generators("gensample.generators.heated.Heated") == ["hot", "own"]
    sample("heated", data, tmp_path / "gen.h5", "--replicas", "1")
    with Store.open(tmp_path / "gen.h5") as store:
        assert store.source == "gensample sample own"
    sample("hot", data, tmp_path / "far.h5", code=2)
    assert "temperature 0.45, trained on 1" in capsys.readouterr().err


def test_harmonic_needs_no_fit_and_serves_the_lags_of_the_data(data, tmp_path, capsys):
    sample("harmonic", data, tmp_path / "gen.h5", "--replicas", "2")
    with Store.open(tmp_path / "gen.h5") as store:
        assert store.source == "gensample sample harmonic"
        assert store.times.tolist() == [1.0, 10.0]
        assert store.done.all()
        assert store.attrs["core_seconds"] > 0
    assert 0.05 < np.linalg.norm(fields(tmp_path / "gen.h5"), axis=-1).mean() < 0.3
    other = shutil.copy(data, tmp_path / "other.h5")
    with h5py.File(other, "r+") as file:
        file["times"][1] = 20.0
    sample("harmonic", other, tmp_path / "gen.h5", "--replicas", "2", code=2)
    sample("harmonic", data, tmp_path / "no.h5", "--engine", "torch", code=2)
    assert "--engine is of generators that run dynamics" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--steps", "3"], "--steps is of trained models"),
        (["--method", "euler"], "--method is of trained models"),
        (["--engine", "gromacs"], "--engine must be one of"),
        (["--processes", "0"], "--processes"),
        (["--lmp", "/nowhere/lmp"], "pip install"),
        (["--device", "cuda:77"], "cuda"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_bad_requests_are_one_line_and_leave_nothing(model, data, tmp_path, capsys, words, named):
    sample(model, data, tmp_path / "gen.h5", *words, code=2)
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line
    assert not list(tmp_path.iterdir())


def test_another_model_in_the_same_folder_is_another_sample(data, tmp_path, capsys):
    model = keep(tmp_path / "heated", data)
    sample(model, data, tmp_path / "gen.h5", "--replicas", "1")
    config = yaml.safe_load((model / "config.yaml").read_text())
    config["model"]["init_args"]["timestep"] = 0.0025
    (model / "config.yaml").write_text(yaml.safe_dump(config))
    sample(model, data, tmp_path / "gen.h5", "--replicas", "1", code=2)
    assert "other weights" in capsys.readouterr().err


def test_options_of_dynamics_are_not_of_trained_models(data, tmp_path, capsys):
    sample("ka2d-mini-flow", data, tmp_path / "gen.h5", "--engine", "lammps", code=2)
    assert "--engine is of generators that run dynamics" in capsys.readouterr().err


@pytest.mark.parametrize("class_path", ["gensample.generators.base.Generator", "os.system"])
def test_a_config_names_registered_generators_alone(model, tmp_path, class_path):
    config = yaml.safe_load((model / "config.yaml").read_text())
    config["model"]["class_path"] = class_path
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError, match="weights"):
        zoo.load_model(tmp_path)


def test_settings_it_cannot_be_made_of_are_explained(model, tmp_path):
    config = yaml.safe_load((model / "config.yaml").read_text())
    config["model"]["init_args"]["colour"] = "red"
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError, match="colour"):
        zoo.load_model(tmp_path)
