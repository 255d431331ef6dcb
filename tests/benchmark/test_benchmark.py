"""`gensample benchmark`: three rows on two training configurations, from the command line."""

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from lattices import WIDE, write_lattices
from liquid import make_liquid, write_model_file
from small_benchmark import RIDGE, small
from synthetic import write_dataset

from gensample.benchmark import benchmark
from gensample.benchmark.cache import Cache, Opened
from gensample.benchmark.judge import Judge
from gensample.benchmark.run import Finished, run_units
from gensample.benchmark.settings import RowUnit, load_settings, training_sets, units
from gensample.cli import main
from gensample.data.store import Store
from gensample.errors import ConfigError
from gensample.stats.predictions import judge
from gensample.training.dynamics import DynamicsTask

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "configs/benchmark/tiny.yaml"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The tiny benchmark, run once; its folder."""
    out = tmp_path_factory.mktemp("benchmark") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        assert main(["benchmark", str(TINY), "--out", str(out), "bootstrap=50"]) == 0
    return out


def entries(out):
    return json.loads((out / "report/metrics.json").read_text())["entries"]


def scores(out, **wanted):
    found = [e for e in entries(out) if all(e[key] == value for key, value in wanted.items())]
    assert len(found) == 1
    return found[0]


def test_every_row_lag_and_species_is_judged(done):
    nodes = [e for e in entries(done) if e["target"] == "propensity"]
    assert len(nodes) == 3 * 3 * 2
    assert {e["configurations"] for e in nodes} == {12}
    bonds = [e for e in entries(done) if e["target"] == "elongation"]
    assert [(e["row"], e["lag"]) for e in bonds] == [("BOTAN", 1.0), ("BOTAN", 10.0), ("BOTAN", 100.0)]


def test_the_ranking_is_the_known_one(done):
    """Ridge regression on two inherent structures beats the energy, which beats BOTAN after two epochs."""
    at = {"lag": 100.0, "species": "A", "target": "propensity"}
    ridge, botan, energy = (
        scores(done, row=row, **at)["pearson"][0]
        for row in ("ridge, invariants", "BOTAN", "potential energy")
    )
    assert 0.3 < ridge < 0.65
    assert 0.05 < energy < 0.25
    assert abs(botan) < 0.2
    assert scores(done, row="BOTAN", **at)["ceiling"][0] == pytest.approx(0.930, abs=0.002)


def test_what_training_took(done):
    at = {"lag": 1.0, "species": "A", "target": "propensity"}
    # 54,209 of the published network, less a third component of the edges, and two more outputs.
    assert scores(done, row="BOTAN", **at)["parameters"] == 54209 - 64 + 2 * 65
    assert scores(done, row="BOTAN", **at)["seconds"] > 0
    assert scores(done, row="potential energy", **at)["seconds"] is None


def test_tables_and_figures_are_there(done):
    report = done / "report"
    table = (report / "table.md").read_text()
    assert "| ridge, invariants | inherent |" in table
    assert "ceiling (exact propensity)" in table
    rows = list(csv.DictReader((report / "table.csv").open()))
    assert len(rows) == len(entries(done))
    drawn = sorted(path.stem for path in (report / "figures").glob("*.png"))
    assert drawn == [
        "chi4-propensity-ka2d-mini",
        "correlations",
        *(
            f"{kind}-{what}-ka2d-mini"
            for kind in ("lags", "ranking")
            for what in ("elongation", "propensity")
        ),
    ]
    page = (report / "index.html").read_text()
    assert page.count("<img ") == len(drawn)
    assert "Two training configurations of ka2d-mini" in page


def test_what_is_done_is_not_done_again(done, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    before = {path: path.stat().st_mtime_ns for path in done.glob("rows/**/*") if path.is_file()}
    found = benchmark(TINY, done, overrides=["bootstrap=50"])
    assert found.entries == entries(done)
    assert "training" not in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in done.glob("rows/**/*") if path.is_file()}


def test_other_settings_are_trained_again_and_others_kept(tmp_path):
    def mechanics(**more):
        rows = [
            {
                "name": name,
                "estimator": {"class_path": "gensample.predictors.ridge.Ridge"},
                "data": {"descriptors": ["glassmlp"]},
            }
            for name in ("first", "second")
        ]
        rows[1] |= more
        return load_settings(small(tmp_path, rows=rows))

    run_units(mechanics(), tmp_path / "out")
    records = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("rows/*/**/record.json")}
    assert len(records) == 2
    run_units(mechanics(reference="other words"), tmp_path / "out")
    assert records == {path: path.stat().st_mtime_ns for path in records}
    run_units(mechanics(set={"a": 1}), tmp_path / "out")
    changed = [path.parts[-5] for path in records if path.stat().st_mtime_ns != records[path]]
    assert changed == ["second"]


def test_an_interrupted_training_leaves_no_record(tmp_path, monkeypatch):
    settings = load_settings(small(tmp_path))
    work = Cache(tmp_path / "out", units(settings)[0], Opened(settings))
    with pytest.raises(ConfigError, match="descriptors called cage need"):
        run_units(settings, tmp_path / "out")
    assert work.record() is None
    with pytest.raises(ConfigError, match="is done with these settings"):
        run_units(settings, tmp_path / "out", train=False)


def test_learning_curves_and_joint_training_are_units_of_their_own(tmp_path):
    two = {name: {"dataset": "ka2d-mini", "lags": [10.0]} for name in ("a", "b")}
    settings = load_settings(small(tmp_path, datasets=two, sizes=[1, 2], train=["a", ["a", "b"]]))
    found = [(unit.train, unit.size) for unit in units(settings)]
    assert found == [
        (("a",), 1),
        (("a",), 2),
        (("a",), None),
        (("a", "b"), 1),
        (("a", "b"), 2),
        (("a", "b"), None),
    ]
    assert len({unit.folder for unit in units(settings)}) == 6
    assert training_sets(settings, settings.rows[0]) == [("a",), ("a", "b")]


def test_thermal_rows_read_thermal_positions_alone(tmp_path):
    """The distance to the inherent structure says most of what there is to know at short times."""
    rows = [
        {
            "name": "ridge",
            "inputs": ["thermal", "inherent"],
            "estimator": {"class_path": "gensample.predictors.ridge.Ridge"},
            "data": {"descriptors": ["mechanics"]},
        }
    ]
    done = run_units(load_settings(small(tmp_path, rows=rows)), tmp_path / "out")
    label = np.load(next((tmp_path / "out").rglob("thermal/**/predictions-mini.npz")))
    assert label["propensity"].shape == (12, 500, 1)
    thermal, inherent = (d.predictions["mini"]["propensity"] for d in done)
    assert not np.allclose(thermal, inherent)
    fitted = [np.abs(_weights(tmp_path / "out", name)).max() for name in ("thermal", "inherent")]
    assert fitted[0] < 1e-12
    assert fitted[1] > 1e-4


def _weights(out, name):
    """Weights of the distance to the cage."""
    from gensample.physics.mixtures import get_mixture
    from gensample.structure.descriptors.mechanics import mechanics_names
    from gensample.weights import read_tensors

    state = read_tensors(next(out.rglob(f"{name}/**/estimator.safetensors")))
    columns = [k for k, n in enumerate(mechanics_names(get_mixture("ka2d"))) if "cage_distance" in n]
    return state["weights"].numpy()[:, columns]


def test_indicators_that_need_a_minimum_find_it_again(tmp_path):
    """The stored inherent structures are rounded: their Hessians would have negative eigenvalues."""
    rows = [{"name": "vibrality", "inputs": ["inherent"], "indicator": "vibrality"}]
    (done,) = run_units(load_settings(small(tmp_path, rows=rows)), tmp_path / "out")
    truth, *_ = Judge(load_settings(small(tmp_path, rows=rows))).truth("mini", "propensity")
    scores = judge(done.predictions["mini"]["propensity"], truth, 0, 0, samples=20)
    assert scores["pearson"][0] == pytest.approx(0.29, abs=0.03)


def test_one_network_for_each_lag_time(tmp_path, monkeypatch):
    """As many trainings as lag times, each predicting its own; the weights of both count."""
    monkeypatch.chdir(ROOT)
    rows = [
        {
            "name": "BOTAN",
            "fit": "configs/dynamics/ka2d-mini-botan.yaml",
            "set": {"trainer.max_epochs": 1, "model.edge_epochs": 0, "trainer.enable_progress_bar": False},
            "lag_by_lag": True,
        }
    ]
    path = str(write_dataset(tmp_path / "tiny.h5"))
    data = {"mini": {"dataset": path, "train_limit": 1, "lags": [1.0, 10.0]}}
    (done,) = run_units(load_settings(small(tmp_path, rows=rows, datasets=data)), tmp_path / "out")
    assert done.record["networks"] == 2
    assert done.record["parameters"] == 2 * (54209 - 64)
    predicted = done.predictions["mini"]["propensity"]
    assert predicted.shape == (1, 40, 2)
    assert not np.allclose(predicted[..., 0], predicted[..., 1])
    assert done.predictions["mini"]["elongation"].shape == (1, 2)


def test_a_training_that_was_interrupted_goes_on(tmp_path, monkeypatch):
    """From the last whole epoch, and to the same predictions."""
    monkeypatch.chdir(ROOT)
    quiet = {"trainer.enable_progress_bar": False, "trainer.check_val_every_n_epoch": 1}
    row = {
        "name": "BOTAN",
        "fit": "configs/dynamics/ka2d-mini-botan.yaml",
        "set": {"trainer.max_epochs": 3, "model.edge_epochs": 0, **quiet},
    }
    data = {"mini": {"dataset": str(write_dataset(tmp_path / "tiny.h5")), "lags": [10.0]}}
    settings = load_settings(small(tmp_path, rows=[row], datasets=data))
    begun = []

    def begin(task):
        begun.append(task.current_epoch)
        if begun == [0, 1, 2]:
            raise KeyboardInterrupt

    monkeypatch.setattr(DynamicsTask, "on_train_epoch_start", begin)
    with pytest.raises(KeyboardInterrupt):
        run_units(settings, tmp_path / "killed")
    (killed,) = run_units(settings, tmp_path / "killed")
    (whole,) = run_units(settings, tmp_path / "whole")
    assert begun == [0, 1, 2, 2, 0, 1, 2]
    predicted = [done.predictions["mini"]["propensity"] for done in (killed, whole)]
    np.testing.assert_array_equal(*predicted)


def test_released_models_and_their_input(tmp_path):
    rows = [{"name": "released", "inputs": ["thermal"], "model": "ka2d-mini-botan"}]
    data = {"mini": {"dataset": "ka2d-mini"}}
    settings = load_settings(small(tmp_path, rows=rows, datasets=data))
    (done,) = run_units(settings, tmp_path / "out")
    truth, *_ = Judge(settings).truth("mini", "propensity")
    scores = judge(done.predictions["mini"]["propensity"], truth, 2, 0, samples=20)
    assert scores["pearson"][0] == pytest.approx(0.376, abs=0.005)


def test_lag_times_of_a_released_model_are_told_apart(tmp_path):
    """Asked for one of its three lag times, it serves that one, not its first."""
    rows = [{"name": "released", "inputs": ["inherent"], "model": "ka2d-mini-flow"}]
    found = {}
    for lags in ([1.0, 10.0, 100.0], [100.0]):
        settings = load_settings(
            small(tmp_path, rows=rows, datasets={"mini": {"dataset": "ka2d-mini", "lags": lags}})
        )
        (done,) = run_units(settings, tmp_path / str(len(lags)))
        found[len(lags)] = done.predictions["mini"]
    assert found[1]["propensity"].shape == (12, 500, 1)
    np.testing.assert_allclose(found[1]["propensity"][..., 0], found[3]["propensity"][..., 2])
    np.testing.assert_allclose(found[1]["elongation"][:, 0], found[3]["elongation"][:, 2])


def test_every_kind_is_judged_on_the_same_rows(tmp_path):
    """Rows to validate on are those of the settings, for a generator that draws, too."""
    path = tmp_path / "wide.h5"
    write_lattices(path, particles=WIDE)
    rows = [
        {"name": "generator", "inputs": ["inherent"], "generator": "ka2d-mini-flow", "draws": 1},
        {"name": "energy", "inputs": ["inherent"], "indicator": "energy"},
        {"name": "ridge", "estimator": {"class_path": RIDGE}, "data": {"descriptors": ["glassmlp"]}},
    ]
    data = {"a": {"dataset": str(path), "lags": [10.0], "validation": [1], "split": "val"}}
    settings = load_settings(small(tmp_path, rows=rows, datasets=data))
    done = run_units(settings, tmp_path / "out")
    truth, *_ = Judge(settings).truth("a", "propensity")
    with Store.open(path) as store:
        np.testing.assert_array_equal(truth.positions, store.positions[[1]])
    assert [d.predictions["a"]["propensity"].shape for d in done] == [(1, WIDE, 1)] * 3
    (sample,) = (tmp_path / "out").rglob("sample-a-*.h5")
    with Store.open(sample) as store:
        drawn = np.linalg.norm(store.displacements(1)[0, 1], axis=-1)  # replica 0, t = 10
    np.testing.assert_allclose(done[0].predictions["a"]["propensity"][0, :, 0], drawn, rtol=1e-5)


def test_words_choose_what_is_worked_on_and_the_report_keeps_the_rest(tmp_path, capsys):
    rows = [{"name": name, "inputs": ["thermal"], "indicator": name} for name in ("energy", "density", "s2")]
    rows.append({"name": "elsewhere", "estimator": {"class_path": RIDGE}, "train": ["missing"]})
    data = {"mini": {"dataset": "ka2d-mini", "lags": [10.0]}, "missing": {"dataset": "missing.h5"}}
    settings = load_settings(small(tmp_path, rows=rows, datasets=data, test=["mini"]))
    run_units(settings, tmp_path / "out", only=["energy"])
    capsys.readouterr()
    done = run_units(settings, tmp_path / "out", only=["density"])
    assert [d.unit.row.name for d in done] == ["energy", "density"]
    said = capsys.readouterr().err
    assert "elsewhere/thermal/propensity/missing: no dataset at missing.h5" in said
    assert "left out, as not done: s2/thermal/propensity/untrained, elsewhere/thermal" in said


def test_more_configurations_than_there_are_is_no_learning_curve(tmp_path, capsys):
    rows = [{"name": "ridge", "estimator": {"class_path": RIDGE}, "data": {"descriptors": ["glassmlp"]}}]
    settings = load_settings(small(tmp_path, rows=rows, sizes=[1, 3]))
    done = run_units(settings, tmp_path / "out")
    assert [d.unit.size for d in done] == [1, None]
    assert "first3: left out, there are 2 training configurations" in capsys.readouterr().err


def test_an_indicator_of_labels_that_are_all_alike_predicts_nothing(tmp_path):
    path = tmp_path / "still.h5"
    write_lattices(path)
    with h5py.File(path, "r+") as file:
        file["displacements"][...] = np.resize([0.1, -0.1], file["displacements"].shape[-2])[:, None]
    rows = [{"name": "energy", "inputs": ["thermal"], "indicator": "energy"}]
    (done,) = run_units(
        load_settings(small(tmp_path, rows=rows, datasets={"a": {"dataset": str(path)}})), tmp_path
    )
    assert not done.predictions["a"]["propensity"].any()


def test_bonds_are_judged_once_and_what_is_lost_is_no_length(tmp_path):
    """Bond elongation does not depend on the target; the threshold of chi4 is a displacement."""
    rows = [{"name": "x", "inputs": ["inherent"], "model": "ka2d-mini-flow"}]
    data = {"mini": {"dataset": "ka2d-mini", "lags": [10.0]}}
    settings = load_settings(small(tmp_path, rows=rows, datasets=data, bootstrap=20))
    judge, rng = Judge(settings), np.random.default_rng(0)
    predictions = {"propensity": rng.normal(size=(12, 500, 1)), "elongation": rng.normal(size=(12, 1))}
    found = {}
    for target in ("propensity", "bond_breaking"):
        unit = RowUnit(settings.rows[0], "inherent", target, ())
        record = {"seconds": None, "parameters": 1}
        done = Finished(unit, record, {"mini": predictions | {"seconds": np.asarray(1.0)}})
        found[target] = judge.entries(done)
    kinds = {target: [e["target"] for e in some] for target, some in found.items()}
    assert kinds == {
        "propensity": ["propensity"] * 2 + ["elongation"],
        "bond_breaking": ["bond_breaking"] * 2,
    }
    assert found["propensity"][0]["chi4"][0] > 0
    assert found["propensity"][0]["temperature"] == pytest.approx(0.45)
    assert found["bond_breaking"][0]["chi4"] == found["bond_breaking"][0]["chi4_block"] == [None] * 3


def test_published_predictions_are_judged_by_the_same_code(tmp_path):
    """A GlassBench model file, imported, as a row beside ours; its model knows two of the three species."""
    liquid = make_liquid("ka2d-ternary", per_edge=10)
    source, data = tmp_path / "T0.23" / "test" / "N100T0.23_7.npz", tmp_path / "published.h5"
    moved, _ = write_model_file(source, liquid)
    theirs = moved + 0.1 * np.random.default_rng(2).random(moved.shape)
    theirs[:, liquid.species == 2] = np.nan
    write_model_file(source, liquid, SE3=theirs)
    assert main(["import", str(tmp_path / "T0.23"), "--out", str(data)]) == 0
    rows = [{"name": "SE3", "prediction": "SE3", "species": [0, 1], "reference": "theirs"}]
    path = small(tmp_path, rows=rows, datasets={"cold": {"dataset": str(data), "lags": [11.64, 122.47]}})
    assert main(["benchmark", str(path), "--out", str(tmp_path / "out")]) == 0
    found = entries(tmp_path / "out")
    assert [(e["species"], e["lag"]) for e in found] == [(s, t) for s in "AB" for t in (11.64, 122.47)]
    for e in found:
        of, k = liquid.species == "AB".index(e["species"]), {11.64: 2, 122.47: 3}[e["lag"]]
        expected = np.corrcoef(theirs[k, of], moved[k, of])[0, 1]
        assert e["pearson"][0] == pytest.approx(expected, abs=1e-5)
        assert e["pearson_pooled"][0] == pytest.approx(expected, abs=1e-5)
