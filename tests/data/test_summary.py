"""`gensample info`: numbers against direct computation, and every kind of broken file refused."""

import json

import numpy as np
import pytest
from liquid import make_liquid
from synthetic import write_dataset

from gensample.cli import main
from gensample.data.dataset import Dataset
from gensample.data.store import Contents
from gensample.data.summary import inspect


def write(path, liquid, complete=True, **more):
    u = liquid.without_drift
    known = {"species": liquid.species, "box": liquid.box, "positions": liquid.positions[None], "seed": 7}
    known |= {"times": [1.0, 10.0], "replicas": len(u), "split": "train", "source": "a test"}
    contents = Contents(mixture="ka3d", temperature=0.44, **known | more)
    Dataset.create(contents, {(0, r): u[r] for r in range(len(u) if complete else len(u) - 1)}, path)
    return path


@pytest.fixture
def liquid():
    return make_liquid("ka3d", lags=2)


def pair_sum(liquid):
    """U/N and W/N of the energy-shifted mixture by a plain double loop over pairs."""
    sigma, epsilon = np.array([[1, 0.8], [0.8, 0.88]]), np.array([[1, 1.5], [1.5, 0.5]])
    i, j = np.triu_indices(len(liquid.species), 1)
    dx = liquid.positions[i] - liquid.positions[j]
    r = np.linalg.norm(dx - liquid.edge * np.round(dx / liquid.edge), axis=1)
    a, b = liquid.species[i], liquid.species[j]
    q, e = r / sigma[a, b], epsilon[a, b]
    inside = q < 2.5
    q, e = q[inside], e[inside]
    energy = (4 * e * (q**-12 - q**-6 - 2.5**-12 + 2.5**-6)).sum()
    virial = (24 * e * (2 * q**-12 - q**-6)).sum() / 3
    return energy / len(liquid.species), virial / len(liquid.species)


def test_summary_of_a_known_dataset(tmp_path, liquid):
    inherent = (liquid.positions[None] + 0.01) % liquid.edge
    path = write(tmp_path / "a.h5", liquid, inherent=inherent, inherent_attrs={"minimiser": "none"})
    s = inspect(path)
    assert s["species"] == {"A": 173, "B": 43}
    assert s["complete"]
    assert s["splits"] == {"train": {"configurations": 1, "replicas": [3], "planned": 3, "complete": 3}}
    energy, virial = pair_sum(liquid)
    assert s["energy"]["thermal"]["mean"] == pytest.approx(energy, rel=1e-9)
    assert s["energy"]["inherent"]["mean"] == pytest.approx(energy, rel=1e-9), "a shift changes no energy"
    assert s["energy"]["pressure"]["mean"] == pytest.approx(1.2 * (0.44 + virial), rel=1e-9)
    for k, lag in enumerate(s["lags"]):
        for name, kind in (("A", 0), ("B", 1)):
            u = liquid.without_drift[:, k, liquid.species == kind]
            length = np.linalg.norm(u, axis=-1)
            assert lag["species"][name]["msd"] == pytest.approx((length**2).mean(), rel=1e-5)
            assert lag["species"][name]["overlap"] == pytest.approx((length < 0.3).mean())
            assert lag["species"][name]["mean_displacement"] == pytest.approx(length.mean(), rel=1e-5)
    assert json.loads(json.dumps(s)) == s


def test_command_prints_what_a_physicist_looks_for(tmp_path, liquid, capsys):
    path = write(tmp_path / "a.h5", liquid)
    assert main(["info", str(path)]) == 0
    said = capsys.readouterr().out
    energy, _ = pair_sum(liquid)
    for words in (
        "173 A, 43 B",
        "truncation shift",
        f"U/N = {energy:.4f}",
        "overlap(0.3)",
        "3 of 3",
        "a test",
    ):
        assert words in said
    assert said.endswith("valid\n")
    assert main(["info", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seed"] == 7


def test_incomplete_dataset_is_valid_and_says_so(tmp_path, liquid, capsys):
    path = write(tmp_path / "a.h5", liquid, complete=False)
    assert main(["info", str(path)]) == 0
    said = capsys.readouterr().out
    assert "2 of 3" in said
    assert "not complete" in said


def test_small_box_leaves_energies_out(tmp_path, capsys):
    path = write_dataset(tmp_path / "a.h5", box=4.0)
    assert main(["info", str(path)]) == 0
    assert "not computed" in capsys.readouterr().out


def test_averages_only(tmp_path, liquid):
    propensity = np.stack([np.full((1, 216), 0.1), np.full((1, 216), 0.2)], axis=1)
    liquid.displacements = liquid.displacements[:0]
    path = write(tmp_path / "a.h5", liquid, propensity=propensity, displacements=False)
    s = inspect(path)
    assert s["averages"] == ["propensity"]
    assert s["lags"][1]["species"]["A"] == {"mean_displacement": pytest.approx(0.2)}


def test_absent_file(capsys):
    assert main(["info", "nowhere.h5"]) == 2
    assert "no dataset and no model at nowhere.h5" in capsys.readouterr().err


def test_published_energy_of_the_botan_configurations(shared_data, tmp_path, capsys):
    # -6.2118(31) per particle over 15 configurations: DESIGN section 4, from the public data itself.
    out = tmp_path / "b.h5"
    assert main(["import", str(shared_data / "botan" / "T0.44" / "test"), "--out", str(out)]) == 0
    s = inspect(out)
    # 0.0031 sqrt(15 / 2) = 0.0085 is the error of two configurations; the other truncation is 0.82 off.
    assert s["energy"]["thermal"]["mean"] == pytest.approx(-6.2118, abs=0.026)
    assert s["splits"]["test"] == {"configurations": 2, "replicas": [32], "planned": 64, "complete": 64}
