"""DeepMind pickles: what is read, and that a pickle never runs anything."""

import os
import pickle
import subprocess

import numpy as np
import pytest
from liquid import make_liquid
from sources import imported, refused

from gensample.cli import main
from gensample.data.formats.deepmind import load_pickle
from gensample.data.store import Store
from gensample.data.summary import inspect
from gensample.errors import DataError


def content(liquid, levels=3, with_trajectories=2):
    """The structure of a DeepMind file; the last level comes before the one before it in time."""
    replicas = liquid.displacements.shape[0]
    return {
        "positions": liquid.positions,
        "types": liquid.species.astype(np.int32),
        "box": liquid.box,
        "time": [0.0, 0.5, 1.0, 2.0, 4.0],
        "time_indices": [1, 4, 2][:levels],
        "is_values": np.linspace(0.9, 0.1, levels),
        "metadata": {"temperature": 0.44, "fluid": "Kob Andersen"},
        "trajectory_target_positions": [
            [liquid.final[r, k] for r in range(replicas)] for k in range(with_trajectories)
        ],
        "targets": [np.full(len(liquid.species), 0.1 * (k + 1)) for k in range(levels)],
    }


def write(path, data, protocol=3):
    path.write_bytes(pickle.dumps(data, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_levels_with_trajectories_become_lags(tmp_path, capsys, out, protocol):
    liquid = make_liquid(lags=2)
    path = write(tmp_path / "a.pickle", content(liquid), protocol)
    assert "only 2 of 3 lags have trajectories" in imported(capsys, out, path)
    with Store.open(out) as store:
        assert store.mixture == "ka3d"
        assert store.times.tolist() == [0.5, 4.0]
        assert store.temperature.tolist() == [0.44]
        np.testing.assert_allclose(store.displacements(0), liquid.without_drift, atol=1e-5)


def test_averages_of_all_levels_are_sorted_by_time(tmp_path, out):
    path = write(tmp_path / "a.pickle", content(make_liquid(lags=2)))
    assert main(["import", str(path), "--averages", "--out", str(out)]) == 0
    with Store.open(out) as store:
        assert store.times.tolist() == [0.5, 1.0, 4.0]
        np.testing.assert_allclose(store.propensity[0, :, 0], [0.1, 0.3, 0.2], rtol=1e-6)
        assert not store.has_displacements


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("function", [os.system, subprocess.call, eval, exec])
@pytest.mark.parametrize("whole", [True, False])
def test_a_pickle_that_runs_code_is_refused_and_runs_nothing(tmp_path, capsys, out, function, whole):
    marker = tmp_path / "marker"
    command = f"touch {marker}"
    if function in (eval, exec):
        argument = f"__import__('os').system({command!r})"
    else:
        argument = command if function is os.system else ["touch", str(marker)]
    attack = Call(function, argument)
    data = attack if whole else {**content(make_liquid(lags=2)), "metadata": attack}
    path = write(tmp_path / "evil.pickle", data)
    pickle.loads(path.read_bytes())
    assert marker.exists(), "the attack works on an ordinary unpickler"
    marker.unlink()
    refused(capsys, out, path, match="not allowed")
    assert not marker.exists()


def test_an_evil_file_after_good_ones_leaves_nothing(tmp_path, capsys, out):
    marker = tmp_path / "marker"
    write(tmp_path / "1.pickle", content(make_liquid(lags=2)))
    write(tmp_path / "2.pickle", Call(os.system, f"touch {marker}"))
    refused(capsys, out, tmp_path, match="2.pickle")
    assert not marker.exists()


@pytest.mark.parametrize(
    "payload",
    [
        Call(np.ndarray, (10**13,)),  # an allocation of 80 terabytes
        Call(np.fromfile, "/etc/hostname"),
        Call(np.load, "/etc/hostname"),
        np.array([Call(os.getcwd)], dtype=object),
    ],
)
def test_numpy_itself_is_no_way_in(tmp_path, payload):
    path = write(tmp_path / "evil.pickle", payload)
    with pytest.raises(DataError, match="nothing was run"):
        load_pickle(path)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"positions": np.full((216, 3), np.nan)}, "NaN"),
        ({"positions": None}, "expected an array"),
        ({"box": np.array([5.0])}, "expected shape (3)"),
        ({"box": np.array([7.0, 7.0, 7.0])}, "gives density"),
        ({"types": np.zeros(3, int)}, "particle types"),
        ({"time_indices": [1, 99, 2]}, "point outside"),
        ({"trajectory_target_positions": [[np.zeros((5, 3))] * 3]}, "expected shape"),
        ({"trajectory_target_positions": []}, "--averages"),
        ({"trajectory_target_positions": [5]}, "must list its replicas"),
    ],
)
def test_damaged_content_is_refused(tmp_path, capsys, out, change, match):
    path = write(tmp_path / "a.pickle", {**content(make_liquid(lags=2)), **change})
    refused(capsys, out, path, match=match)


def test_a_truncated_pickle_is_refused(tmp_path, capsys, out):
    path = write(tmp_path / "a.pickle", content(make_liquid(lags=2)))
    path.write_bytes(path.read_bytes()[:-2000])
    refused(capsys, out, path, match="nothing was run")


def test_a_pickle_of_something_else_is_refused(tmp_path, capsys, out):
    refused(capsys, out, write(tmp_path / "a.pickle", [1, 2]), match="expected a pickled dictionary")
    refused(capsys, out, write(tmp_path / "b.pickle", {"x": 1}), match="lacks positions")


def test_shared_file_has_the_targets_of_its_own_trajectories(shared_data, out):
    path = shared_data / "deepmind" / "test_large.pickle"
    assert main(["import", str(path), "--out", str(out)]) == 0
    targets = load_pickle(path)["targets"][0]
    with Store.open(out) as store:
        assert store.times.tolist() == [0.132]
        u = store.displacements(0)
        assert u.shape == (30, 1, 4096, 3)
        np.testing.assert_allclose(np.linalg.norm(u[:, 0], axis=-1).mean(0), targets, atol=1e-6)
    # The file states p = 2.93, which the force-shifted mixture would miss by more than 1.
    assert inspect(out)["energy"]["pressure"]["mean"] == pytest.approx(2.93, abs=0.15)
