"""A number of every released model, recomputed."""

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from gensample import zoo
from gensample.cli import main
from gensample.data.datamodule import KADataModule
from gensample.data.store import Store

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def script_named(name):
    spec = spec_from_file_location(name, SCRIPTS / f"{name}.py")
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def test_configurations_move_as_far_as_those_of_the_card(tmp_path):
    check = zoo.load_metrics("ka2d-mini-conf")["check"]
    found = script_named("add_configuration_check").moved("ka2d-mini-conf", tmp_path / "conf.h5")
    # Other machines round otherwise; a wrong weight or seed is off by a percent and more.
    assert found == pytest.approx(check["rms_displacement"], rel=2e-3)


def test_botan_gives_the_pearson_of_its_card():
    script = script_named("score_predictor")
    released = zoo.load_metrics("ka2d-mini-botan")
    data = KADataModule("ka2d-mini", input="thermal", cutoff=2.0)
    data.setup()
    found = script.score(zoo.load_model("ka2d-mini-botan"), data, "test")
    for ours, theirs in zip(found["lags"], released["lags"], strict=True):
        for species in "AB":
            pair = [lag["species"][species]["pearson"]["value"] for lag in (ours, theirs)]
            assert pair[0] == pytest.approx(pair[1], abs=1e-3)


HEATED = zoo.generators("gensample.generators.heated.Heated")


@pytest.mark.parametrize("name", HEATED)
def test_heated_has_the_recipes_that_its_rule_chooses(name):
    """The highest skill among the candidates that are mobile enough and not too dear."""
    found = zoo.load_metrics(name)["fit"]
    search, recipes = found["search"], []
    for lag, rows in found["lags"].items():
        allowed = min(
            float(lag), max(search["share"] * float(lag), search["least"]), search["most"] or np.inf
        )
        assert all(row["cost"] <= allowed * (1 + 1e-6) for row in rows)
        off = [abs(row["mobile"] / row["mobile_simulated"] - 1) if "mobile" in row else 0.0 for row in rows]
        bound = max(search["tolerance"], min(off))
        fitting = [row for row, far in zip(rows, off, strict=True) if far <= bound]
        recipes.append(max(fitting, key=lambda row: row.get("skill", 0.0))["stages"])
    assert [[list(phase) for phase in recipe] for recipe in zoo.load_physics(name).recipes] == recipes


GUIDED = zoo.generators("gensample.generators.guided.Guided")


@pytest.mark.parametrize("name", GUIDED)
def test_guided_has_what_its_rule_chose(name):
    """The chosen recipe and gain; no candidate as good, within its error, is colder."""
    model, fit = zoo.load_physics(name), zoo.load_metrics(name)["fit"]
    for lag, rows in enumerate(fit["lags"].values()):
        (chosen,) = [row for row in rows if row["chosen"]]
        assert [list(phase) for phase in model.recipes[lag]] == chosen["stages"]
        assert model.gain[lag] == chosen.get("gain", 0.0)
        better = [row for row in rows if row.get("below_best", 0.0) < 0 and row["within_tolerance"]]
        assert all(row["stages"][0][0] > chosen["stages"][0][0] for row in better)
        assert all(-row["below_best"] <= row["below_best_error"] for row in better)


@pytest.mark.parametrize("name", [name for name in HEATED + GUIDED if "check" in zoo.load_metrics(name)])
def test_heated_moves_particles_as_far_as_its_card_says(name):
    check = zoo.load_metrics(name)["check"]
    found = script_named("add_heated_check").lengths(name, check["data"])
    # A temperature or time that is another changes it by a percent and more.
    assert found == pytest.approx(check["mean_length"], rel=2e-3)


def sampled(tmp_path, replicas, split, check):
    out = tmp_path / "gen.h5"
    solver = ["--method", check["method"], "--steps", str(check["steps"])]
    where = ["--data", "ka2d-mini", "--split", split, "--out", str(out)]
    many = ["--replicas", str(replicas), "--seed", str(check["seed"])]
    assert main(["sample", "ka2d-mini-flow", *where, *many, *solver]) == 0
    return out


def test_flow_draws_the_fields_of_its_card(tmp_path, monkeypatch):
    check = zoo.load_metrics("ka2d-mini-flow")["check"]
    # One configuration is enough here; the slow test below draws them all.
    monkeypatch.setattr(Store, "indices", lambda self, split: np.array([check["configuration"]]))
    out = sampled(tmp_path, check["replicas"], "test", check)
    with Store.open(out) as store:
        lengths = np.linalg.norm(store.displacements(0), axis=-1)[:, :, store.species == 0]
    # Other machines round otherwise; a wrong weight or seed is off by a percent and more.
    assert lengths.mean((0, 2)) == pytest.approx(check["mean_length_A"], rel=2e-3)


@pytest.mark.slow
def test_flow_gives_the_metrics_of_its_card(tmp_path):
    released = zoo.load_metrics("ka2d-mini-flow")
    out = sampled(tmp_path, 32, "test", released["check"])
    report = tmp_path / "report"
    assert main(["compare", "ka2d-mini", str(out), "--split", "test", "--out", str(report)]) == 0
    found = json.loads((report / "metrics.json").read_text())
    for ours, theirs in zip(found["lags"], released["lags"], strict=True):
        for name in ("pearson", "mean_propensity", "W1", "chi4_iso", "overlap"):
            pair = [lag["species"]["A"]["generated"][name]["value"] for lag in (ours, theirs)]
            np.testing.assert_allclose(pair[0], pair[1], rtol=0.02)
