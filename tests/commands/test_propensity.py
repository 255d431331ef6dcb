"""`gensample propensity`: what is written, that nobody is predicted from its own replicas, refusals."""

import h5py
import numpy as np
import pytest

from gensample.cli import main
from gensample.data.store import Contents, Store, StoreWriter
from gensample.predictors.posterior import cross_fitted, lengths_of
from gensample.stats.dynamics import magnitudes

QUICK = ["--descriptors", "mechanics"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Six configurations of the test split of ka2d-mini with 12 replicas."""
    path = tmp_path_factory.mktemp("propensity") / "data.h5"
    with Store.open("ka2d-mini") as store:
        rows = store.indices("test")[:6]
        contents = Contents.of(store, rows, times=store.times, replicas=12, inherent=store.inherent[rows])
        with StoreWriter.create(path, contents) as writer:
            for c, r in np.ndindex(6, 12):
                writer.write_replica(c, r, store.displacements(int(rows[c]))[r])
    return path


@pytest.fixture
def copy(dataset, tmp_path):
    path = tmp_path / "copy.h5"
    path.write_bytes(dataset.read_bytes())
    return path


def test_means_and_spreads_are_added_and_judged(dataset, tmp_path, capsys):
    out = tmp_path / "out.h5"
    words = ["propensity", str(dataset), *QUICK, "--replicas", "3", "--out", str(out)]
    assert main(words) == 0
    told = capsys.readouterr().out.splitlines()
    assert "by the remaining replicas" in told[1]
    assert len(told) == 3 + 3 * 2 + 1
    with Store.open(out) as store, h5py.File(out) as file:
        mean, spread = store.predictions["posterior"], store.predictions["posterior_spread"]
        assert mean.shape == spread.shape == (6, 3, store.num_particles)
        assert (spread > 0).all()
        for c, k in np.ndindex(6, 3):
            lengths = magnitudes(store.displacements(c)[:, k])
            few, rest = lengths[:3].mean(0), lengths[3:].mean(0)
            assert np.square(mean[c, k] - rest).mean() < np.square(few - rest).mean()
        how = file["predictions/posterior"].attrs
        assert how["predicted_by"] == "ridge regression on mechanics"
        assert "--replicas 3" in how["command"]


def test_in_place_once(copy, capsys):
    words = ["propensity", str(copy), *QUICK]
    assert main(words) == 0
    assert "by the variances found" in capsys.readouterr().out
    before = copy.read_bytes()
    assert main(words) == 2
    assert "has predictions posterior: choose another --name, or --again" in capsys.readouterr().err
    assert copy.read_bytes() == before
    assert main([*words, "--again"]) == 0
    assert main([*words, "--name", "other"]) == 0
    with Store.open(copy) as store:
        assert sorted(store.predictions) == ["other", "other_spread", "posterior", "posterior_spread"]
        np.testing.assert_array_equal(store.predictions["other"], store.predictions["posterior"])


def test_nobody_is_predicted_from_its_own_replicas(dataset):
    with Store.open(dataset) as store:
        lengths, _ = lengths_of(store)
        once = cross_fitted(store, ["mechanics"], lengths)
        again = cross_fitted(store, ["mechanics"], [lengths[0] + 1, *lengths[1:]])
    np.testing.assert_array_equal(once[0], again[0])
    assert (once[1:5] != again[1:5]).any()


def test_a_model_predicts(dataset, tmp_path, capsys):
    """A released one, which helps the replicas."""
    words = ["--model", "ka2d-mini-botan", "--replicas", "3", "--out", str(tmp_path / "out.h5")]
    assert main(["propensity", str(dataset), *words]) == 0
    rows = [line.replace("+- ", "").split() for line in capsys.readouterr().out.splitlines()[3:-1]]
    assert len(rows) == 6
    for _, _, replicas, alone, predicted, both, _, worth, *_ in rows:
        assert float(both) > max(float(alone), float(predicted)) - 0.01
        assert float(worth) > 0.95 * float(replicas)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--replicas", "13"], "configuration 0 has 12 complete replicas, which must be 13"),
        (["--replicas", "1"], "--replicas must be"),
        (["--model", "ka2d-mini-botan", *QUICK], "leave them or --model out"),
        (["--descriptors", "nonsense"], "nonsense"),
        (["--name", "a/b"], "--name must be printable, without /"),
        (["--model", "nobody"], "nobody"),
    ],
)
def test_what_is_refused_leaves_nothing(dataset, tmp_path, capsys, words, told):
    out = tmp_path / "out.h5"
    assert main(["propensity", str(dataset), "--out", str(out), *words]) == 2
    assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_embedded_datasets_are_not_changed(capsys):
    assert main(["propensity", "ka2d-mini"]) == 2
    assert "give --out for a copy" in capsys.readouterr().err
