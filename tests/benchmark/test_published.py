"""Published numbers: those that come with gensample, and a small file of the same form."""

import json

import pytest

from gensample.benchmark.published import PublishedNumbers
from gensample.errors import DataError


def table(path, header, rows):
    return {"path": f"GlassBench/{path}", "header": header, "rows": rows}


@pytest.fixture
def small(tmp_path):
    tables = [
        table("KA_results/FIG1.dat", ["t", "BOTAN", "SE3"], [[1.3, 0.7, 0.6], [4120.0, 0.75, 0.81]]),
        table("KA_results/FIG5.dat", ["1/T", "SE30.44", "SE30.50"], [[2.0, 0.1, 0.2], [2.2727, 0.3, 0.4]]),
        table("KA_results/FIG7.dat", ["t0.44", "MD0.44", "SE30.44"], [[1.0, 3.0, 2.0]]),
    ]
    path = tmp_path / "curves.json"
    path.write_text(json.dumps({"source": "", "tables": tables}))
    return PublishedNumbers.read("KA", path)


def test_curves_by_model(small):
    curves = {"BOTAN": ([1.3, 4120.0], [0.7, 0.75]), "SE3": ([1.3, 4120.0], [0.6, 0.81])}
    assert small.pearson == {"propensity": {0.44: curves}}
    assert small.chi4 == {0.44: {"MD": ([1.0], [3.0]), "SE3": ([1.0], [2.0])}}
    assert small.transfer["SE3"] == {(0.44, 0.5): 0.1, (0.5, 0.5): 0.2, (0.44, 0.44): 0.3, (0.5, 0.44): 0.4}


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(DataError, match="no published curves of 'KA3'"):
        PublishedNumbers.read("KA3")
    (tmp_path / "other.json").write_text('{"a": 1}')
    with pytest.raises(DataError, match="holds no published curves"):
        PublishedNumbers.read("KA", tmp_path / "other.json")
    (tmp_path / "few.json").write_text('{"tables": []}')
    with pytest.raises(DataError, match=r"the published curves lack KA_results/FIG1\.dat"):
        PublishedNumbers.read("KA", tmp_path / "few.json")


def test_the_diagonal_of_the_transfer_is_the_curve_at_the_training_temperature():
    """FIG1 at t = 4120 and FIG5 trained and judged at 0.44 are one number for every model."""
    ours = PublishedNumbers.read("KA")
    models = ours.pearson["propensity"][0.44]
    at = {model: dict(zip(*curve, strict=True))[4120.0] for model, curve in models.items()}
    assert at["BOTAN"] == pytest.approx(0.7551, abs=1e-4)
    found = {model: round(matrix[0.44, 0.44], 4) for model, matrix in ours.transfer.items()}
    assert found == {model: round(at[model], 4) for model in found}
    assert set(ours.chi4) == {0.44, 0.50, 0.56, 0.64}
    plane = PublishedNumbers.read("KA2D")
    assert {target: set(curves) for target, curves in plane.pearson.items()} == {
        "propensity": {0.30, 0.23},
        "bond_breaking": {0.30},
    }
    assert plane.chi4 == plane.transfer == {}
