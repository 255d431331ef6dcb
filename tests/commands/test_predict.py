"""`gensample predict`: what is written, from which data, and that nothing is where it was refused."""

import json

import numpy as np
import pytest
import torch
from lattices import write_lattices
from mini import first_of_ka2d_mini
from sheared import write_shear
from small_benchmark import small
from synthetic import write_dataset

from gensample import zoo
from gensample.cli import main
from gensample.data.store import Store
from gensample.predictors.network import Network
from gensample.stats.dynamics import pearson
from gensample.zoo import load_predictor

BOTAN, FLOW = "ka2d-mini-botan", "ka2d-mini-flow"
ROWS = np.arange(88, 100)  # the test split of ka2d-mini


def predict(*words, code=0):
    assert main(["predict", *map(str, words)]) == code


@pytest.fixture(scope="module")
def of_test(tmp_path_factory):
    """Predictions of BOTAN for the test split."""
    out = tmp_path_factory.mktemp("predict") / "test.h5"
    predict(BOTAN, "--data", "ka2d-mini", "--split", "test", "--out", out)
    return out


@pytest.fixture
def structures(tmp_path):
    """Two configurations without any dynamics."""
    first_of_ka2d_mini(tmp_path / "structures.h5", ["train", "test"], []).close()
    return tmp_path / "structures.h5"


def entries(out):
    return json.loads((out / "report/metrics.json").read_text())["entries"]


def predictions(path):
    with Store.open(path) as store:
        return store.predictions


def test_botan_has_the_pearson_of_its_card(of_test):
    released = zoo.load_metrics(BOTAN)
    with Store.open(of_test) as store:
        found, species = store.predictions[BOTAN], store.species
        labels = [np.linalg.norm(store.displacements(c), axis=-1).mean(0) for c in range(len(found))]
    for k, lag in enumerate(released["lags"]):
        for a, name in enumerate("AB"):
            of = species == a
            mine = np.mean([pearson(x[k, of], y[k, of]) for x, y in zip(found, labels, strict=True)])
            assert mine == pytest.approx(lag["species"][name]["pearson"]["value"], abs=1e-3)


def test_the_file_has_the_configurations_and_what_is_known_of_them(of_test):
    with Store.open(of_test) as store, Store.open("ka2d-mini") as source:
        assert np.array_equal(store.positions, source.positions[ROWS])
        assert np.array_equal(store.inherent, source.inherent[ROWS])
        assert store.inherent_attrs["minimiser"] == source.inherent_attrs["minimiser"]
        assert np.array_equal(store.displacements(2), source.displacements(int(ROWS[2])))
        assert np.array_equal(store.source_configuration, ROWS)
        assert set(store.split) == {"test"}
        assert json.loads(store.attrs["request"])["weights"] == zoo.model_digest(BOTAN)
        assert "gensample predict ka2d-mini-botan" in store.attrs["command"]


def test_info_and_benchmark_know_it(of_test, tmp_path, capsys):
    assert main(["info", str(of_test)]) == 0
    assert f"predictions at t = 1, 10, 100: {BOTAN}" in capsys.readouterr().out
    row = {"name": "kept", "prediction": BOTAN, "reference": "ours"}
    path = small(tmp_path, rows=[row], datasets={"mini": {"dataset": str(of_test), "lags": [10.0]}})
    assert main(["benchmark", str(path), "--out", str(tmp_path / "out")]) == 0
    released = zoo.load_metrics(BOTAN)["lags"][1]["species"]
    for entry in entries(tmp_path / "out"):
        assert entry["pearson"][0] == pytest.approx(released[entry["species"]]["pearson"]["value"], abs=1e-3)


def test_files_without_dynamics_get_the_lag_times_of_the_model(structures, tmp_path, capsys):
    predict(BOTAN, "--data", structures, "--out", tmp_path / "p.h5", "--name", "mine")
    assert "predictions mine of 2 configurations at t = 1, 10, 100" in capsys.readouterr().out
    expected = load_predictor(BOTAN).propensity(structures)
    np.testing.assert_allclose(predictions(tmp_path / "p.h5")["mine"], expected.transpose(0, 2, 1), rtol=1e-5)
    with Store.open(tmp_path / "p.h5") as store:
        assert store.times.tolist() == [1, 10, 100]
        assert not store.has_displacements
    assert main(["info", str(tmp_path / "p.h5")]) == 0
    assert "predictions at t = 1, 10, 100: mine" in capsys.readouterr().out


def test_predictions_of_several_models_gather_in_one_file(structures, tmp_path, capsys):
    """A displacement generator predicts by its conditioner alone."""
    first, second = tmp_path / "1.h5", tmp_path / "2.h5"
    predict(BOTAN, "--data", structures, "--out", first)
    predict(FLOW, "--data", first, "--out", second)
    found = predictions(second)
    assert set(found) == {BOTAN, FLOW}
    assert np.array_equal(found[BOTAN], predictions(first)[BOTAN])
    expected = load_predictor(FLOW).propensity(structures)
    np.testing.assert_allclose(found[FLOW], expected.transpose(0, 2, 1), rtol=1e-5)
    predict(BOTAN, "--data", first, "--out", tmp_path / "3.h5", code=2)
    assert "another --name" in capsys.readouterr().err


def test_a_folder_or_a_name_gives_the_same(structures, tmp_path):
    predict(BOTAN, "--data", structures, "--out", tmp_path / "a.h5")
    predict(zoo.resolve(BOTAN), "--data", structures, "--out", tmp_path / "b.h5", "--split", "test")
    assert np.array_equal(*(predictions(tmp_path / f"{x}.h5")[BOTAN][-1] for x in "ab"))


@pytest.mark.parametrize(
    ("times", "kept", "said"),
    [
        ([1.0, 10.0, 50.0, 100.0], True, "left out: t = 50, which the model lacks"),
        ([1.0, 10.0], False, "left out: what the dataset has at t = 1, 10"),
    ],
)
def test_dynamics_go_along_where_they_are_at_the_lag_times_of_the_model(tmp_path, capsys, times, kept, said):
    u = np.random.default_rng(0).normal(0, 0.1, (len(times), 500, 2)).astype(np.float32)
    u -= u.mean(1, keepdims=True)
    with first_of_ka2d_mini(tmp_path / "a.h5", ["test"], times, replicas=2) as writer:
        writer.write_replica(0, 1, u)
    predict(BOTAN, "--data", tmp_path / "a.h5", "--out", tmp_path / "p.h5")
    assert said in capsys.readouterr().out
    with Store.open(tmp_path / "p.h5") as store:
        assert store.times.tolist() == [1, 10, 100]
        assert store.has_displacements == kept
        if kept:
            assert store.done.tolist() == [[False, True]]
            assert np.array_equal(store.displacements(0)[0], u[[0, 1, 3]])


def test_files_of_other_programs_are_read(structures, tmp_path, capsys):
    source = tmp_path / "x" / "a.xyz"
    source.parent.mkdir()
    words = ["--configuration", "1", "--format", "extxyz", "--out", str(source)]
    assert main(["export", str(structures), *words]) == 0
    predict(BOTAN, "--data", structures, "--out", tmp_path / "p.h5")
    for given in (source, source.parent):
        out = tmp_path / f"{given.name}.h5"
        options = ["--mixture", "ka2d", "--temperature", "0.45"]
        predict(BOTAN, "--data", given, "--out", out, *options)
        assert "extxyz" in capsys.readouterr().out
        found, expected = (predictions(path)[BOTAN][-1] for path in (out, tmp_path / "p.h5"))
        np.testing.assert_allclose(found, expected, atol=1e-3)
    predict(BOTAN, "--data", structures, "--out", tmp_path / "q.h5", "--mixture", "ka2d", code=2)
    assert "says its own mixture" in capsys.readouterr().err


def test_a_checkpoint_gives_its_run_as_name_and_what_was_found_on_the_way(tmp_path):
    """Inherent structures that the dataset lacks are in the file."""
    data = write_lattices(tmp_path / "raw.h5")
    settings = {
        "model": {
            "class_path": "gensample.training.dynamics.DynamicsTask",
            "init_args": {
                "network": {
                    "class_path": "gensample.nn.botan.Botan",
                    "init_args": {"dimension": 2, "outputs": 2, "width": 4, "steps": 1},
                }
            },
        },
        "data": {
            "class_path": "gensample.data.datamodule.KADataModule",
            "init_args": {"dataset": str(data), "input": "inherent", "cutoff": 1.6},
        },
        "trainer": {"max_epochs": 1, "accelerator": "cpu", "enable_progress_bar": False},
    }
    (tmp_path / "fit.json").write_text(json.dumps(settings))
    run = tmp_path / "my run"
    assert main(["fit", "--config", str(tmp_path / "fit.json"), "--out", str(run)]) == 0
    predict(run / "checkpoints" / "last.ckpt", "--data", data, "--out", tmp_path / "p.h5")
    assert main(["info", str(run / "checkpoints" / "last.ckpt")]) == 0
    with Store.open(tmp_path / "p.h5") as store:
        assert list(store.predictions) == ["my run"]
        assert store.inherent_attrs["minimiser"] == "gensample FIRE 2.0"


def test_data_outside_the_domain_are_refused_unless_forced(tmp_path, capsys):
    words = ["--data", write_dataset(tmp_path / "a.h5"), "--split", "test", "--out", tmp_path / "p.h5"]
    predict(BOTAN, *words, code=2)
    assert "density 1.11111, trained on 1.2" in capsys.readouterr().err
    assert not (tmp_path / "p.h5").exists()
    predict(BOTAN, *words, "--force")
    with Store.open(tmp_path / "p.h5") as store:
        assert "density 1.11111" in store.attrs["outside_domain"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ka2d-mini-heated", "--data", "S"], "predicts no propensity"),
        (["ka2d-mini-conf", "--data", "S"], "predicts no propensity"),
        (["nowhere", "--data", "S"], "no model called nowhere"),
        ([BOTAN, "--data", "nowhere.h5"], "no dataset at nowhere.h5"),
        ([BOTAN, "--data", "S", "--split", "val"], "no configuration in split 'val'"),
        ([BOTAN, "--data", "S", "--name", "a/b"], "--name must be printable"),
        ([BOTAN, "--data", "S", "--name", ""], "--name must be printable"),
        ([BOTAN, "--data", "S", "--device", "abacus"], "--device must be cpu"),
        ([BOTAN, "--data", "T"], "of no known format"),
        ([BOTAN, "--data", "shear.h5"], "sheared glasses"),
        (["--config", "run/config.yaml"], "the following arguments are required"),
    ],
)
def test_bad_input_leaves_nothing(structures, tmp_path, capsys, words, said):
    (tmp_path / "text.txt").write_text("nothing\n")
    write_shear(tmp_path / "shear.h5")
    stand_ins = {"S": structures, "T": tmp_path / "text.txt", "shear.h5": tmp_path / "shear.h5"}
    before = sorted(tmp_path.iterdir())
    predict(*(stand_ins.get(word, word) for word in words), "--out", tmp_path / "p.h5", code=2)
    assert said in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_predictions_that_are_not_finite_are_not_written(structures, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Network, "_of_nodes", lambda self, *_: torch.full((1, 500, 3), torch.nan))
    predict(BOTAN, "--data", structures, "--out", tmp_path / "p.h5", code=2)
    assert "not finite" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["structures.h5"]
