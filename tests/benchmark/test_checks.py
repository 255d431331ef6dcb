"""What a benchmark refuses before it trains anything, and what it takes for unchanged."""

import numpy as np
import pytest
import torch
from lattices import write_lattices
from small_benchmark import RIDGE, small

from gensample.benchmark import cache
from gensample.benchmark.cache import Cache, Opened, fingerprint, lag_columns, parts_read, weights_of
from gensample.benchmark.run import run_units
from gensample.benchmark.settings import RowSettings, RowUnit, load_settings, units
from gensample.cli import main
from gensample.data.catalog import dataset_file
from gensample.data.store import PROBE, Store, StoreWriter
from gensample.errors import ConfigError

FIT = "configs/dynamics/ka2d-mini-botan.yaml"
ridge = {"name": "x", "estimator": {"class_path": RIDGE}, "data": {"descriptors": ["glassmlp"]}}
energy = {"name": "x", "indicator": "energy"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": [{"name": "x", "model": "m", "indicator": "energy"}]}, "needs exactly one of"),
        (
            {"rows": [energy | {"inputs": ["frozen"]}]},
            "inputs must be one of thermal, inherent, cage",
        ),
        ({"rows": [energy] * 2}, "differ in letters or digits"),
        ({"rows": [energy | {"name": "a b"}, energy | {"name": "a, b"}]}, "differ in letters or digits"),
        ({"train": ["elsewhere"]}, "unknown datasets"),
        ({"targets": ["mood"]}, "targets must be one of propensity, bond_breaking"),
        ({"rows": []}, "needs rows"),
        ({"rows": [{"name": "x", "fit": "c.yaml", "train": [["mini", "mini"]]}]}, "one dataset at a time"),
        ({"rows": [{"name": "x", "indicator": "mood"}]}, "indicator must be one of"),
        ({"rows": [ridge | {"data": {"descriptor": ["cage"]}}]}, "data has no setting .'descriptor'."),
        ({"rows": [ridge | {"data": {"input": "cage"}}]}, "data has no setting .'input'."),
        ({"rows": [{"name": "x", "fit": FIT, "set": {"data.lags": [1.0]}}]}, "data has no setting .'lags'."),
        ({"bootstrap": 0}, "bootstrap must be a whole number from 1 to 100000, got 0"),
        ({"sizes": [0]}, r"sizes\[0\] must be a whole number from 1 to 2147483647, got 0"),
        (
            {"rows": [ridge | {"sizes": [0]}]},
            r"sizes\[0\] must be a whole number from 1 to 2147483647, got 0",
        ),
    ],
)
def test_settings_that_cannot_work_say_why(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        load_settings(small(tmp_path, **changes))


def data(**changes):
    return {"mini": {"dataset": "ka2d-mini", "lags": [10.0], **changes}}


two = {**data(), "other": {"dataset": "ka2d-mini", "lags": [1.0]}}
FLOW = {"name": "x", "inputs": ["inherent"], "model": "ka2d-mini-flow"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": [ridge | {"species": [5]}]}, r"species .5.; mini has .0, 1."),
        ({"datasets": data(validation=[90])}, r"validation names rows .90. of the test split"),
        ({"datasets": data(split="all")}, "trained on configurations of mini that it would be judged on"),
        ({"datasets": data(split="train")}, "trained on configurations of mini that it would be judged on"),
        (
            {"datasets": two, "train": ["mini"], "test": ["other"]},
            r"asked for .* \[1.0\], there are \[10.0\]",
        ),
        (
            {"datasets": data() | {"other": {"dataset": "ka2d-mini"}}, "train": [["mini", "other"]]},
            "different numbers of lag times",
        ),
        ({"rows": [FLOW | {"inputs": ["thermal"]}]}, "reads inherent positions, its inputs say thermal"),
        ({"rows": [FLOW], "targets": ["bond_breaking"]}, "predicts displacement, not .'bond_breaking'."),
        (
            {"rows": [{"name": "x", "generator": "ka2d-mini-flow", "inputs": ["thermal"]}]},
            "reads inherent positions, its inputs say thermal",
        ),
        (
            {"rows": [{"name": "x", "prediction": "SE3"}], "targets": ["bond_breaking"]},
            "unless the row's own targets",
        ),
        ({"rows": [{"name": "x", "model": "ka2d-mini-glow"}]}, "did you mean ka2d-mini-flow"),
        ({"rows": [{"name": "x", "fit": "nowhere.yaml"}]}, "nowhere.yaml is no config"),
    ],
)
def test_what_would_mislead_is_refused_before_anything_is_trained(tmp_path, changes, message, capsys):
    rows = [{"name": "first", "indicator": "density"}, *changes.get("rows", [ridge])]
    settings = load_settings(small(tmp_path, **({"datasets": data()} | changes | {"rows": rows})))
    with pytest.raises(ConfigError, match=message):
        run_units(settings, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("row", [{"estimator": {"class_path": "os.system"}}, {"fit": FIT, "set": {"x": 1}}])
def test_a_row_that_cannot_begin_leaves_nothing(tmp_path, row):
    path = small(tmp_path, rows=[{"name": "x", **row}])
    assert main(["benchmark", str(path), "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()


def test_a_row_that_cannot_begin_leaves_what_is_done(tmp_path):
    path = small(tmp_path, rows=[energy | {"name": "e"}])
    assert main(["benchmark", str(path), "--out", str(tmp_path / "out")]) == 0
    done = sorted((tmp_path / "out" / "rows").rglob("*"))
    path = small(
        tmp_path, rows=[energy | {"name": "e"}, {"name": "x", "estimator": {"class_path": "os.system"}}]
    )
    assert main(["benchmark", str(path), "--out", str(tmp_path / "out")]) == 2
    assert sorted((tmp_path / "out" / "rows").rglob("*")) == done


def test_nothing_done_is_an_error_of_the_command(tmp_path, capsys):
    path = small(tmp_path, rows=[energy])
    assert main(["benchmark", str(path), "--out", str(tmp_path / "out"), "--report-only"]) == 2
    assert "there is nothing to report on" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_lag_times_belong_together_by_value_or_elsewhere_in_order():
    assert lag_columns([1.0, 10.0, 100.0], [100.0, 1.005], elsewhere=False) == [2, 0]
    assert lag_columns([4120.0], [217.0], elsewhere=True) == [0]
    assert lag_columns([1.0, 4120.0], [1.0, 217.0], elsewhere=True) == [0, 1]
    assert lag_columns([1.0, 10.0, 100.0], [10.0], elsewhere=True) == [1]
    for asked in ([217.0], [10.0, 100.0, 1000.0]):
        with pytest.raises(ConfigError, match="asked for predictions at lag times"):
            lag_columns([1.0, 10.0, 100.0], asked, elsewhere=True)


# What counts as unchanged


def read(source, **row):
    return parts_read(RowUnit(RowSettings("a row", **row), source, "propensity"), Opened(None))


def parts(source, *descriptors, **more):
    return read(source, estimator={}, data={"descriptors": list(descriptors), **more})


def test_parts_of_a_dataset_that_rows_read(tmp_path):
    assert parts("thermal", "symmetry") == set()
    assert parts("thermal", "symmetry", cage_vectors=True) == {"inherent"}
    assert parts("inherent", "cage", "probe") == {"inherent", "cage", "probe"}
    assert parts("cage", "symmetry") == {"inherent", "cage"}
    assert read("thermal", fit="configs/dynamics/ka2d-mini-glassmlp.yaml") == set()
    assert read("thermal", fit=FIT, set={"data.descriptors": ["cage"]}) == {"cage"}
    assert read("inherent", model="ka2d-mini-flow") == {"inherent"}
    assert read("thermal", prediction="SE3") == {"predictions"}


def test_data_are_known_by_their_content():
    assert fingerprint("ka2d-mini", frozenset()) == fingerprint("ka2d-mini", frozenset())
    assert fingerprint("ka2d-mini", frozenset()) != fingerprint("ka2d-liquid", frozenset())


def test_what_is_added_to_data_concerns_its_readers_alone(tmp_path):
    path = tmp_path / "data.h5"
    write_lattices(path, cage=True)
    with Store.open(path) as store:
        cage, shape = store.cage, store.cage.shape[:2]
    readers = {"nothing": frozenset(), "cage": frozenset({"cage"}), "probe": frozenset({"probe"})}
    before = {name: fingerprint(str(path), parts) for name, parts in readers.items()}
    with StoreWriter.resume(path) as writer:
        averages = zip(PROBE, (1.0, -0.1, 0.5), strict=True)
        writer.write_probe({name: np.full((*shape, 1, 1), x) for name, x in averages}, [1.0], [2.0], {})
    after = {name: fingerprint(str(path), parts) for name, parts in readers.items()}
    assert {name for name in readers if after[name] != before[name]} == {"probe"}
    with StoreWriter.resume(path) as writer:
        writer.write_cage(cage, {}, np.ones(shape))
    last = {name: fingerprint(str(path), parts) for name, parts in readers.items()}
    assert {name for name in readers if last[name] != after[name]} == {"cage"}


def test_other_displacements_and_temperatures_are_other_data(tmp_path):
    found = set()
    for name, changes in {"a": {}, "b": {"scale": 0.2}, "c": {"temperature": 0.5}, "same": {}}.items():
        write_lattices(tmp_path / f"{name}.h5", **changes)
        found.add(fingerprint(str(tmp_path / f"{name}.h5"), frozenset()))
    assert len(found) == 3


def key_and_mark(tmp_path, row=ridge, **changes):
    settings = load_settings(small(tmp_path, rows=[row], datasets=data(**changes)))
    work = Cache(tmp_path, units(settings)[0], Opened(settings))
    return work.key, work.mark("mini")


def test_how_predictions_are_judged_trains_nothing_again(tmp_path):
    """Another split is predicted anew by what is trained; rows without training know no data at all."""
    key, mark = key_and_mark(tmp_path)
    assert key_and_mark(tmp_path) == (key, mark)
    other = key_and_mark(tmp_path, split="val")
    assert other[0] == key
    assert other[1] != mark
    for changes in ({"lags": [1.0]}, {"validation": [3]}, {"train_limit": 7}):
        assert key_and_mark(tmp_path, **changes)[0] != key
    key, mark = key_and_mark(tmp_path, energy)
    for changes in ({"lags": [1.0]}, {"validation": [3]}):
        assert key_and_mark(tmp_path, energy, **changes)[0] == key
        assert key_and_mark(tmp_path, energy, **changes)[1] != mark


def test_estimators_kept_in_another_format_are_fitted_again(tmp_path, monkeypatch):
    before = key_and_mark(tmp_path)[0], key_and_mark(tmp_path, energy)[0]
    monkeypatch.setattr(cache, "FORMAT", 1)
    assert key_and_mark(tmp_path)[0] != before[0]
    assert key_and_mark(tmp_path, energy)[0] == before[1]


def test_other_weights_are_another_row(tmp_path):
    path = tmp_path / "start.pth"
    rows = {
        "start": RowSettings("x", fit=FIT, set={"model.init_from": str(path)}),
        "model": RowSettings("x", model="ka2d-mini-flow"),
    }
    torch.save({"a": torch.zeros(1)}, path)
    first = {name: weights_of(row) for name, row in rows.items()}
    torch.save({"a": torch.ones(1)}, path)
    assert weights_of(rows["start"]) != first["start"]
    assert weights_of(rows["model"]) == first["model"]
    assert len(first["model"]["ka2d-mini-flow"]) == 64
    path.unlink()
    with pytest.raises(ConfigError, match="starts from weights that are not there"):
        weights_of(rows["start"])


def test_embedded_data_are_what_the_tests_think():
    with Store.open(dataset_file("ka2d-mini")) as store:
        assert store.split[90] == "test"
