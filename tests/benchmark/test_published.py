"""Published numbers: the real file where it is at hand, a small one of the same form always."""

import json
from pathlib import Path

import pytest

from gensample.benchmark.published import PublishedCurves
from gensample.errors import DataError

REAL = Path(__file__).resolve().parents[3] / "shared/data/glassbench/published_curves.json"


def table(path, header, rows):
    return {"path": f"GlassBench/{path}", "header": header, "rows": rows}


@pytest.fixture
def small(tmp_path):
    tables = [
        table("KA_results/FIG1.dat", ["t", "BOTAN", "SE3"], [[1.3, 0.7, 0.6], [4120.0, 0.75, 0.81]]),
        table("KA_results/FIG5.dat", ["1/T", "SE30.44", "SE30.50"], [[2.0, 0.1, 0.2], [2.2727, 0.3, 0.4]]),
        table("KA_results/FIG7.dat", ["t0.44", "MD0.44", "SE30.44"], [[1.0, 3.0, 2.0]]),
        table("KA_results/rhomax_T0.44_MD.dat", ["none"], [[1.0, 0.9], [2.0]]),
    ]
    path = tmp_path / "curves.json"
    path.write_text(json.dumps({"source": "", "tables": tables}))
    return PublishedCurves.read(path)


def test_curves_by_model(small):
    curves = {"BOTAN": ([1.3, 4120.0], [0.7, 0.75]), "SE3": ([1.3, 4120.0], [0.6, 0.81])}
    assert small.pearson("KA") == {0.44: curves}
    assert small.chi4(0.44) == {"MD": ([1.0], [3.0]), "SE3": ([1.0], [2.0])}
    assert small.ceiling("KA", 0.44, "MD") == ([1.0], [0.9])
    assert small.transfer()["SE3"] == {(0.44, 0.5): 0.1, (0.5, 0.5): 0.2, (0.44, 0.44): 0.3, (0.5, 0.44): 0.4}


def test_what_is_not_there_is_said(small, tmp_path):
    with pytest.raises(DataError, match="no published curves of 'KA3'"):
        small.pearson("KA3")
    with pytest.raises(DataError, match="no published chi4"):
        small.chi4(0.3)
    (tmp_path / "other.json").write_text('{"a": 1}')
    with pytest.raises(DataError, match="holds no published curves"):
        PublishedCurves.read(tmp_path / "other.json")


@pytest.mark.skipif(not REAL.is_file(), reason="shared/data is absent")
def test_the_diagonal_of_the_transfer_is_the_curve_at_the_training_temperature():
    """FIG1 at t = 4120 and FIG5 trained and judged at 0.44 are one number for every model."""
    curves = PublishedCurves.read(REAL)
    models = curves.pearson("KA")[0.44]
    at = {model: dict(zip(*curve, strict=True))[4120.0] for model, curve in models.items()}
    assert at["BOTAN"] == pytest.approx(0.7551, abs=1e-4)
    matrices = curves.transfer()
    assert {m: round(v[0.44, 0.44], 4) for m, v in matrices.items()} == {m: round(at[m], 4) for m in matrices}
    assert curves.ceiling("KA", 0.44, "MD")[1][6] == pytest.approx(0.9433, abs=1e-4)
