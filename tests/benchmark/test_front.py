"""Samplers in a benchmark: what they cost, how their fields compare, and what is said of trained ones."""

import csv
import json

import h5py
import numpy as np
import pytest
from lattices import write_lattices
from small_benchmark import small

from gensample.benchmark import benchmark
from gensample.benchmark.front import fidelity, front_tables, gains, pearson_of, relate
from gensample.benchmark.run import run_units
from gensample.benchmark.samplers import known_of_replicas
from gensample.benchmark.settings import load_settings
from gensample.cli import main
from gensample.errors import ConfigError
from gensample.stats.dynamics import with_draws

HALF = {"class_path": "Heated", "init_args": {"lag_time": [1.0], "stages": [[[None, 0.5]]]}}
GUIDED = HALF["init_args"] | {"gain": [1.0], "mobility": {"num_species": 2, "num_lags": 1, "columns": 3}}
ROWS = [
    {"name": "dynamics", "sampler": "simulation"},
    {"name": "half the lag", "sampler": HALF, "draws": 2, "line": "molecular dynamics to a fraction"},
    {"name": "to come", "sampler": "ka2d-not-yet"},
    {"name": "density", "indicator": "density"},
]


def config(tmp_path):
    path = write_lattices(tmp_path / "a.h5", split=("train", "val", "test", "test"))
    return small(tmp_path, rows=ROWS, datasets={"a": {"dataset": str(path)}}, bootstrap=20)


def test_a_front_from_one_command(tmp_path, capsys):
    """Each lag by itself: a sampler that knows one of two is judged at that; a missing one is left out."""
    path, out = config(tmp_path), tmp_path / "out"
    assert main(["benchmark", str(path), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "to-come/thermal/propensity/untrained: left out, no model called ka2d-not-yet" in said.err
    assert "## Samplers: a, t = 1\n" in said.out
    report = out / "report"
    found = json.loads((report / "metrics.json").read_text())
    assert any("to come" in note for note in found["notes"])
    assert [(p["row"], p["lag"]) for p in found["points"]] == [
        *(("dynamics", lag) for lag in (1.0, 10.0)),
        ("half the lag", 1.0),
    ]
    assert {(e["row"], e["lag"]) for e in found["entries"]} == {
        ("half the lag", 1.0),
        *(("density", lag) for lag in (1.0, 10.0)),
    }
    replica, longer, half = (p["core_seconds"] for p in found["points"])
    assert longer > replica > 0
    assert half > 0
    lines = list(csv.DictReader((report / "curves/front.csv").open()))
    by = {(line["row"], line["quantity"], line["species"]): line for line in lines if line["lag"] == "1"}
    assert float(by["half the lag", "core_seconds", "all"]["value"]) == pytest.approx(half, rel=1e-5)
    assert float(by["half the lag", "mean_propensity", "A"]["measured"]) != 0
    assert by["half the lag", "inherent_energy", "all"]["value"]
    assert {"front-a.svg", "fidelity-a.png"} <= {path.name for path in (report / "figures").iterdir()}


def test_what_was_drawn_and_compared_is_not_done_again(tmp_path, capsys):
    path, out = config(tmp_path), tmp_path / "out"
    first = benchmark(path, out, only=["half"])
    files = {f: f.stat().st_mtime_ns for f in (out / "rows").rglob("*") if f.is_file()}
    again = benchmark(path, out, only=["half"])
    assert again.points == first.points
    assert files == {f: f.stat().st_mtime_ns for f in files}
    # Killed after the draws: they are there, and so is what they took.
    (predictions,) = (out / "rows").rglob("predictions-a.npz")
    (sample,) = (out / "rows").rglob("sample-a-*-1.h5")
    predictions.unlink()
    assert benchmark(path, out, only=["half"]).points == first.points
    assert sample.stat().st_mtime_ns == files[sample]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"sampler": HALF, "draws": 1}, "judged from 2 draws on, got draws 1"),
        ({"sampler": ["harmonic"]}, "row 'x': sampler must be simulation, harmonic, the name"),
        ({"sampler": "heated"}, "sampler must be simulation, harmonic, the name"),
        ({"sampler": {"class_path": "Botan"}}, "row 'x': .*is not among the classes"),
        ({"sampler": HALF | {"init_args": {"lag_time": [1.0]}}}, "row 'x': .*cannot be made of its settings"),
        ({"sampler": {"class_path": "Guided", "init_args": GUIDED}}, "Guided needs weights; name its folder"),
        ({"sampler": HALF}, r"draws at lag times \[1.0\], mini is asked for \[10.0\]"),
        ({"sampler": "harmonic"}, "reads inherent positions, its inputs say thermal"),
    ],
)
def test_samplers_that_cannot_work_are_refused(tmp_path, row, message):
    path = small(tmp_path, rows=[{"name": "x", **row}])
    with pytest.raises(ConfigError, match=message):
        run_units(load_settings(path), tmp_path / "out")


def test_samplers_are_judged_by_replicas(tmp_path):
    path = write_lattices(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file["done"][-1, 0] = False  # the one of the test split is left with a single replica
    datasets = {"a": {"dataset": str(path)}}
    with pytest.raises(ConfigError, match="samplers need two replicas or more, a has fewer"):
        run_units(load_settings(small(tmp_path, rows=ROWS[1:2], datasets=datasets)), tmp_path / "out")


def point(row, cost, skill, trained=False, **more):
    """A point of this CRPS skill and all else alike."""
    measured = {"crps_skill": skill, "pearson": 0.9, "c2st": 0.51, "inherent_energy": 0.01} | more
    scores = [
        {"quantity": name, "species": "all" if name == "inherent_energy" else "A"}
        | {key: [value, value - 0.01, value + 0.01] for key in ("value", "simulated", "due", "measured")}
        for name, value in measured.items()
    ]
    of = {"row": row, "line": row, "test": "a", "lag": 1.0, "trained": trained, "core_seconds": cost}
    known = {"simulation": row == "dynamics", "draws": 8, "pearson": [0.6, 0.8], "alike": [0.2, 0.3]}
    return {**of, **known, "scores": [] if row == "dynamics" else scores}


def test_a_trained_sampler_that_gains_nothing_is_marked():
    """It is compared with all untrained ones that cost as much or less, and with a whole replica."""
    dynamics = point("dynamics", 10.0, 0)
    rivals = [point("cheap", 1.0, 0.7), point("equal", 2.05, 0.8), point("dear", 3.0, 0.95), dynamics]
    better = point("better", 2.0, 0.85, trained=True, inherent_energy=-0.005)
    worse = point("worse", 2.0, 0.75, trained=True)
    dearest = point("dearest", 11.0, 1.0, trained=True)
    assert gains(better, rivals) == ["crps_skill", "inherent_energy"]
    assert gains(worse, rivals) == gains(dearest, rivals) == []
    (table,) = front_tables([*rivals, better, worse])
    last = {line[0]: line[-1] for line in table.lines}
    assert last["better"] == "CRPS skill, inherent energy"
    assert last["worse"] == "none †"
    assert last["equal"] == ""
    assert table.lines[0][:4] == ["cheap", "8", "1", "10 %"]
    assert float(table.lines[0][5]) == pytest.approx(pearson_of(rivals[0], 10), abs=1e-3)
    assert fidelity(better, "inherent_energy") == (-0.005, pytest.approx(-0.015), pytest.approx(0.005))


def test_fewer_draws_by_spearman_and_brown():
    """Of fields that share a third of their variance with each other and with what is to be known."""
    rng = np.random.default_rng(0)
    truth, share = rng.normal(size=40_000), 1 / 3
    draws = truth + np.sqrt((1 - share) / share) * rng.normal(size=(16, truth.size))
    found = [np.corrcoef(truth, draws[:n].mean(0))[0, 1] for n in (1, 4, 16)]
    np.testing.assert_allclose(with_draws(found[2], share, 16, np.array([1, 4])), found[:2], atol=0.01)
    assert with_draws(found[2], share, 16, np.inf) == pytest.approx(1, abs=0.01)


def test_pearson_is_measured_by_that_of_as_many_replicas():
    """The mean over configurations; what a comparison takes for the best goes."""
    dynamics, other = point("dynamics", 1.0, 0), point("other", 1.0, 0.5)
    assert pearson_of(dynamics, 8) == pytest.approx(0.7)
    assert pearson_of(dynamics, np.array([2, 8, 32])).tolist() == sorted(pearson_of(dynamics, [2, 8, 32]))
    relate([dynamics, other])
    assert fidelity(other, "pearson").value == pytest.approx(0.9 / 0.7)
    alone = point("other", 1.0, 0.5)
    relate([alone])
    assert fidelity(alone, "pearson").value == 0.9


def test_replicas_of_particles_that_move_together():
    """Halves and few replicas tell of more, also where the particles of a field share their noise."""
    rng = np.random.default_rng(1)
    own, joint = rng.normal(size=(200, 1, 300)), rng.normal(size=(200, 16, 1))
    fields = list(10 + own + 2 * joint + 2 * rng.normal(size=(200, 16, 300)))
    many = np.array([x.mean(0) for x in fields])
    known = known_of_replicas(fields)
    simulation = {"pearson": known[0], "alike": known[1], "draws": 8}
    for count in (1, 2, 8):
        others = own[:, 0] + 2 / count**0.5 * rng.normal(size=(200, 300))
        expected = np.mean([np.corrcoef(*pair)[0, 1] for pair in zip(others, many, strict=True)])
        assert pearson_of(simulation, count) == pytest.approx(expected, abs=0.01)
