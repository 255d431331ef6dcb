"""docs/extending.md: a predictor, a mixture, a format, a statistic and a prior, written to files outside the
package as the page has them, and used by commands and in Python.
"""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from lattices import write_glasses
from small_benchmark import small
from synthetic import write_dataset

import gensample as gs
from gensample.benchmark import benchmark
from gensample.cli import main
from gensample.comparison import quantities
from gensample.data import formats
from gensample.data.store import Store
from gensample.physics.mixtures import get_mixture
from gensample.predictors import base
from gensample.priors import PRIORS
from gensample.registry import PARTS
from gensample.sampling.solver import Solver

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "extending.md").read_text()
FILES = {
    name: text
    for text in re.findall(r"```(?:python|yaml)\n(.*?)```", PAGE, re.DOTALL)
    for name in re.findall(r"\A# (\S+)\n", text)
}
STATE = ("--temperature", "0.45")


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """A folder with the files of the page, on Python's path; nothing that they register stays."""
    quantities.all_quantities(quantities.OfFields)  # all are there before one is added
    monkeypatch.setattr(quantities, "_REGISTRY", dict(quantities._REGISTRY))
    monkeypatch.setattr(base, "_registered", dict(base.registered()))
    for table in (formats.FORMATS, PRIORS):
        for name in set(table):
            monkeypatch.setitem(table, name, table[name])
    known = set(formats.FORMATS), set(PRIORS)
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
        monkeypatch.delitem(sys.modules, Path(name).stem, raising=False)
    yield lambda *names: monkeypatch.setenv(PARTS, ",".join(names))
    for table, names in zip((formats.FORMATS, PRIORS), known, strict=True):
        for name in set(table) - names:
            del table[name]
    for name in FILES:
        sys.modules.pop(Path(name).stem, None)


def run(*words, code=0):
    assert main([str(word) for word in words]) == code


def test_the_page_has_all_five():
    assert set(FILES) == {
        *("crowding.py", "discs.yaml", "discs.py", "ring.py", "farthest.py", "lagwise.py"),
    }


def test_a_module_that_is_not_there_is_one_line(parts, capsys):
    parts("no_such_part")
    run("models", code=2)
    assert f"{PARTS} names 'no_such_part', which cannot be imported" in capsys.readouterr().err


def test_a_predictor(parts, tmp_path, capsys):
    """Trained, kept, restored and judged as a row of a benchmark; the same from Python."""
    parts("crowding")
    wide = write_dataset(tmp_path / "wide.h5", box=10.5)
    settings = {
        "rows": [{"name": "toy", "estimator": {"class_path": "Crowding"}}],
        "datasets": {"wide": {"dataset": str(wide), "lags": [10.0]}},
        "bootstrap": 10,
    }
    path = small(tmp_path, **settings)
    run("benchmark", path, "--out", tmp_path / "out")
    assert "| toy | thermal |" in capsys.readouterr().out
    result = benchmark(path, tmp_path / "out", train=False)
    assert {(e["row"], e["parameters"], e["lag"]) for e in result.entries} == {("toy", 2, 10.0)}
    assert all(-1 <= e["pearson"][0] <= 1 for e in result.entries)


def test_a_mixture_of_a_file(parts, tmp_path, capsys):
    """Imported, quenched; the dataset needs the file no more."""
    mine, data, quenched = (tmp_path / name for name in ("discs.yaml", "data.h5", "quenched.h5"))
    glass = write_glasses(tmp_path / "glass.h5", get_mixture(mine), 64, ("train",))
    frames = tmp_path / "frames.xyz"
    run("export", glass, "--format", "extxyz", "--configuration", 0, "--out", frames)
    frames.write_text(re.sub(' mixture="[^"]*"', "", frames.read_text()))
    run("import", frames, "--out", data, "--mixture", mine, *STATE)
    mine.unlink()
    run("quench", data, "--out", quenched, "--engine", "torch")
    with Store.open(quenched) as store:
        assert store.inherent is not None
        assert store.liquid.counts(64) == (24, 24, 16)
        assert store.liquid.sigma[2] == pytest.approx((1.05, 1.075, 1.1))
        assert store.liquid.masses == (1, 1, 2)
    capsys.readouterr()
    run("info", quenched)
    assert "discs" in capsys.readouterr().out


def test_a_mixture_in_python(parts, tmp_path):
    from discs import DISCS  # type: ignore[import-not-found]

    glass = write_glasses(tmp_path / "glass.h5", DISCS, 64, ("train",))
    one = gs.open_dataset(glass)[0]
    own = gs.Configuration(one.positions, one.species, one.box, mixture=DISCS, temperature=0.5)
    found = own.quench()
    assert (found.positions != own.positions).any()
    np.testing.assert_array_equal(found.positions, one.quench().positions)


def test_a_format(parts, tmp_path, capsys):
    """Written, recognised by its content, read again."""
    parts("ring")
    glass, file, out = write_glasses(tmp_path / "a.h5"), tmp_path / "a.dump", tmp_path / "b.h5"
    run("export", glass, "--format", "ring", "--configuration", 0, "--out", file)
    run("import", file, "--mixture", "ka2d", *STATE, "--out", out)
    assert "read 1 ring file" in capsys.readouterr().out
    with Store.open(glass) as before, Store.open(out) as after:
        np.testing.assert_array_equal(after.positions[0], before.positions[0])
    run("export", glass, "--format", "botan", "--out", tmp_path / "x", code=2)
    assert "botan files are read, not written; choose one of" in capsys.readouterr().err


def test_a_prior_and_a_statistic(parts, tmp_path, capsys):
    """A generator is trained with the prior and draws an ensemble, which the statistic judges, too."""
    parts("lagwise", "farthest")
    data = write_dataset(tmp_path / "data.h5", box=10.5)
    model = {"prior": "lagwise", "width": 8, "vectors": 4, "layers": 2, "conditioner": "none"}
    served = {"dataset": str(data), "target": "displacement", "cutoff": 1.6, "fields": 3}
    quiet = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
    config = {
        "model": {"class_path": "DisplacementTask", "init_args": model},
        "data": {"class_path": "KADataModule", "init_args": served},
        "trainer": {"max_epochs": 1, **quiet},
    }
    (tmp_path / "fit.yaml").write_text(yaml.safe_dump(config))
    run("fit", "--config", tmp_path / "fit.yaml", "--out", tmp_path / "run")
    checkpoint = tmp_path / "run" / "checkpoints" / "last.ckpt"
    words = ["--replicas", 4, "--seed", 1, "--steps", 2, "--split", "train", "--out", tmp_path / "gen.h5"]
    run("sample", checkpoint, "--data", data, *words)
    trained = gs.load_model(checkpoint)
    assert type(trained.prior).__name__ == "LagPrior"
    np.testing.assert_allclose(trained.prior.table, [0.1, 0.2, 0.3], rtol=0.1)

    report = tmp_path / "report"
    few = ["--bootstrap", 10, "--quench-replicas", 0, "--follow", 0, "--lags", 10]
    capsys.readouterr()
    run("compare", data, tmp_path / "gen.h5", "--split", "train", "--out", report, *few)
    assert "Longest displacement" in capsys.readouterr().out
    assert "Longest way that any particle of a configuration went" in (report / "index.html").read_text()
    assert "Longest displacement" in (report / "figures" / "displacements_A.svg").read_text()
    rows = [line.split(",") for line in (report / "curves" / "farthest.csv").read_text().splitlines()]
    values = {row[2]: [float(x) for x in row[4:]] for row in rows[1:] if row[1] == "A"}
    drawn = gs.open_dataset(tmp_path / "gen.h5")
    of = drawn.species == 0
    expected = np.mean([np.linalg.norm(drawn.fields(c)[:, 1, of], axis=-1).max() for c in range(3)])
    value, low, high = values["generated"]
    assert value == pytest.approx(expected, rel=1e-5)
    assert low < value < high
    assert values.keys() == {"simulated", "generated", "climatology", "independent"}
    memory = trained.sample(gs.open_dataset(data)["train"], replicas=4, seed=1, solver=Solver(steps=2))
    assert np.array_equal(memory.displacements, drawn.displacements)


def test_nothing_stays():
    assert "lagwise" not in PRIORS
    assert "ring" not in formats.FORMATS
    assert "Crowding" not in base.registered()
    assert get_mixture("ka2d").name == "ka2d"
