import json
import re
import shutil

import numpy as np
import pytest
from sheared import write_shear
from tiny_ensembles import write

from gensample.cli import main
from gensample.comparison.pairing import choose_pairs, common_lags, pair_configurations
from gensample.comparison.result import Comparison
from gensample.data.dataset import as_dataset
from gensample.data.store import Store
from gensample.errors import DataError
from gensample.physics.mixtures import get_mixture
from gensample.report.page import BESIDE, check_target, write_folder
from gensample.seeding import numpy_generator
from gensample.simulate.quench import quench_fields
from gensample.stats.futures import aftermath

BOOTSTRAP = ["--bootstrap", "20", "--quench-replicas", "0", "--follow", "0"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Simulation of three configurations, and draws for the last two in the other order."""
    folder = tmp_path_factory.mktemp("compare")
    sim = write(folder / "sim.h5")
    request = json.dumps({"model": "runs/toy.ckpt", "split": "test", "method": "heun2", "steps": 8})
    made = {"request": request, "nfe": 16, "log": "x" * 500}
    gen = write(folder / "gen.h5", chosen=(2, 1), dynamics=2, replicas=4, stated=True, **made)
    return sim, gen


@pytest.fixture(scope="module")
def report(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "report"
    words = ["--out", str(folder), "--lags", "10", *BOOTSTRAP]
    assert main(["compare", *map(str, files), *words]) == 0
    return folder


@pytest.fixture(scope="module")
def quenched(files, tmp_path_factory):
    """Two of the fields of each configuration quenched, and another file beside, in another order."""
    folder = tmp_path_factory.mktemp("quenched")
    other = write(folder / "wide.h5", chosen=(1, 2), dynamics=3, replicas=3, scale=1.5)
    words = ["--out", str(folder / "report"), "--lags", "10", "--bootstrap", "20", "--quench-replicas", "2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gensample.comparison.tables.all_plates", lambda content: iter(()))
        assert main(["compare", *map(str, files), *words, "--beside", str(other)]) == 0
    return folder / "report"


def test_the_report_is_complete(report):
    assert {p.name for p in report.iterdir()} == {"metrics.json", "index.html", "curves", "figures"}
    drawn = {p.stem for p in (report / "figures").glob("*.png")}
    assert {p.stem for p in (report / "figures").glob("*.svg")} == drawn
    assert drawn >= {
        "propensity_maps",
        "propensity_correlation",
        "propensity_scatter",
        "propensity_histogram",
    }
    assert drawn >= {
        "van_hove",
        "log_displacement",
        "chi4",
        "correlations_A",
        "correlations_B",
        "skill",
        "moments",
        "moves",
        "field",
        "future_all",
        "displacements_A",
    }
    assert any(name.startswith("functions_") for name in drawn)
    header, *lines = (report / "curves" / "van_hove.csv").read_text().splitlines()
    assert header == "time,species,source,x,value,lo,hi"
    assert {line.split(",")[2] for line in lines} >= {"simulated", "generated"}


def test_the_page_is_self_contained(report):
    page = (report / "index.html").read_text()
    targets = re.findall(r'(?:src|href)="([^"]*)"', page)
    links = [t for t in targets if not t.startswith(("data:image/svg+xml;base64,", "#"))]
    assert links
    assert all((report / link).is_file() for link in links)
    assert len(targets) - len(links) >= 12
    assert not re.search(r"https?://|<script|@import|url\(", page)


def test_the_page_says_what_was_compared(report):
    page = (report / "index.html").read_text()
    for words in (
        "<h1>runs/toy.ckpt against simulation</h1>",
        "<dt>nfe</dt><dd>16</dd>",
        "<dt>method</dt><dd>heun2</dd>",
        "64 (42 A + 22 B)",
        "t = 10 τ, species B",
    ):
        assert words in page
    assert "xxx" not in re.sub(r'src="[^"]*"', "", page)


def test_metrics_round_trip(report):
    metrics = Comparison.load(report)
    assert metrics.levels == [10.0]
    assert metrics.species == ["A", "B"]
    assert metrics.meta["configurations"] == 2
    assert metrics.meta["split"] == "test"
    assert metrics.meta["generated"]["replicas"] == 4
    text = (report / "metrics.json").read_text()
    assert json.loads(text) == metrics.metrics
    assert "NaN" not in text


def test_metrics_are_those_of_the_paired_configurations(files, report):
    metrics = Comparison.load(report)
    sim, gen = (Store.open(path) for path in files)
    a = sim.species == 0
    for store, chosen, source in ((sim, (1, 2), "simulated"), (gen, (1, 0), "generated")):
        expected = np.mean([(store.displacements(c)[:, 1, a] ** 2).sum(-1).mean() for c in chosen])
        assert metrics.get(0, "A", source, "msd").value == pytest.approx(expected, rel=1e-5)
        store.close()


def test_the_main_table_is_printed(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("gensample.comparison.tables.all_plates", lambda content: iter(()))
    out = tmp_path / "report"
    words = ["--out", str(out), "--split", "test", *BOOTSTRAP]
    assert main(["compare", *map(str, files), *words]) == 0
    text = capsys.readouterr().out
    assert "t = 1 τ, species A" in text
    assert "t = 10 τ, species A" in text
    assert "Propensity, Pearson" in text
    assert "(species A)." in text
    assert "simulated not recorded, generated not recorded" in " ".join(text.split())
    assert str(out / "index.html") in text
    table = [line for line in text.splitlines() if "index.html" not in line and not line.startswith("!")]
    assert max(map(len, table)) < 125


def test_equal_positions_pair_files_that_do_not_say(files, tmp_path):
    gen = write(tmp_path / "gen.h5", chosen=(2, 0), replicas=4)
    with Store.open(files[0]) as sim, Store.open(gen) as other:
        assert pair_configurations(sim, other) == [(0, 1), (2, 0)]
        assert choose_pairs(as_dataset(sim)["train"], as_dataset(other)) == [(0, 1)]


def test_lags_are_matched_by_time(files, tmp_path):
    gen = write(tmp_path / "gen.h5", times=(0.5, 1.0, 10.0), replicas=4)
    with Store.open(files[0]) as sim, Store.open(gen) as other:
        assert common_lags(sim, other) == [(0, 1), (1, 2)]
        assert common_lags(sim, other, [10.0]) == [(1, 2)]


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        ({"structure": 5}, [], "sampled from"),
        ({"structure": 5, "stated": True}, [], "is not configuration 0"),
        ({"particles": 60}, [], "60|39 A"),
        ({"times": (3.0,)}, [], "no lag time in common"),
        ({}, ["--lags", "7"], "not in both files"),
        ({}, ["--split", "val"], "no configuration in split 'val'"),
        ({}, ["--temperature", "0.3"], "no configuration at T = 0.3"),
        ({}, ["--bootstrap", "0"], "--bootstrap must be a whole number from 1"),
        ({}, ["--seed", "-1"], "--seed must be a whole number from 0"),
        ({"replicas": 1}, [], "replicas"),
        ({"chosen": (0,)}, ["--split", "test"], "no configuration of the split test"),
    ],
)
def test_bad_input_gets_one_line_and_leaves_nothing(files, tmp_path, capsys, change, words, message):
    gen = write(tmp_path / "gen.h5", **{"replicas": 4, "dynamics": 2, **change})
    out = tmp_path / "report"
    assert main(["compare", str(files[0]), str(gen), "--out", str(out), *words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert re.search(message, lines[0])
    assert [p.name for p in tmp_path.iterdir()] == ["gen.h5"]


@pytest.mark.parametrize(
    ("change", "attributes", "message"),
    [
        ({"temperature": 0.5}, {}, "has T = 0.45, its partner 0 .* 0.5"),
        ({}, {"truncation": "shift"}, "has truncation force-shift, .* has shift"),
        ({}, {"mixture": "ka2d-ternary"}, "has mixture ka2d, .* has ka2d-ternary"),
        ({}, {"density": 1.1}, "has density 1.2, .* has 1.1"),
        ({"chosen": (2, 2)}, {}, "configurations 0 and 1 of .* are both configuration 2"),
    ],
)
def test_other_systems_are_not_paired(files, tmp_path, change, attributes, message):
    gen = write(tmp_path / "gen.h5", **{"replicas": 4, "dynamics": 2, "stated": True, **change})
    with Store.open(files[0]) as sim, Store.open(gen) as other:
        for name, value in attributes.items():
            other = Other(other, name, value)
        with pytest.raises(DataError, match=message):
            pair_configurations(sim, other)


class Other:
    """A store that says something else of one thing: the door has its own opinion of such files."""

    def __init__(self, store, name, value):
        self._store = store
        setattr(self, name, value)

    def __getattr__(self, name):
        return getattr(self._store, name)


@pytest.mark.parametrize("replicas", [2, 6])
def test_a_sample_of_simulated_fields_is_refused(files, tmp_path, capsys, replicas):
    gen = write(tmp_path / "gen.h5", replicas=replicas)
    assert main(["compare", str(files[0]), str(gen), "--out", str(tmp_path / "report"), *BOOTSTRAP]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "simulated replica 0 and generated replica 0 of configuration 0 are one field" in line
    assert not (tmp_path / "report").exists()


def test_chi4_in_all_is_the_sum_of_its_parts(report):
    block = Comparison.load(report).metrics["lags"][0]["species"]["A"]["generated"]
    parts = np.add(block["chi4_iso"]["value"], block["chi4_between"]["value"])
    np.testing.assert_allclose(block["chi4_total"]["value"], parts)


def test_verdicts_are_in_the_metrics(report):
    data = Comparison.load(report).metrics
    assert data["finding"] == ""
    assert {v["quantity"] for v in data["verdicts"]} >= {"pearson", "W1", "chi4_iso", "c2st"}
    few = {v["quantity"] for v in data["verdicts"] if v["verdict"] == "few"}
    assert few == {"W1", *(f"overlap_coverage_{level}" for level in (50, 80, 95))}


def test_several_temperatures_must_be_told_apart(tmp_path):
    warm = np.array([0.4, 0.5, 0.5])
    sim = write(tmp_path / "sim.h5", temperature=warm)
    with Store.open(sim) as store:
        assert choose_pairs(as_dataset(store), as_dataset(store), 0.5) == [(1, 1), (2, 2)]
    assert main(["compare", str(sim), str(sim), "--out", str(tmp_path / "report")]) == 2


def test_foreign_folders_are_refused_before_any_work(files, tmp_path, capsys):
    (tmp_path / "card.md").touch()
    assert main(["compare", *map(str, files), "--out", str(tmp_path)]) == 2
    assert "choose another --out" in capsys.readouterr().err


def test_sheared_glasses_are_no_ensemble(tmp_path, capsys):
    sheared = str(write_shear(tmp_path / "shear.h5"))
    assert main(["compare", sheared, sheared, "--out", str(tmp_path / "report")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "directions in place of replicas" in line
    assert not (tmp_path / "report").exists()


def test_fields_that_nobody_quenched_are_quenched_in_part(quenched, files):
    metrics = Comparison.load(quenched)
    assert metrics.meta["quenched"] == {name: [2, 2] for name in ("simulated", "generated", "wide")}
    assert metrics.draws("inherent") == 2
    with Store.open(files[0]) as sim:
        u = [sim.displacements(c)[:2, 1] for c in (1, 2)]
        x, box, species, mixture = sim.positions, sim.box, sim.species, get_mixture(sim.mixture)
        minima = [
            quench_fields(x[c], x[c], species, box[c], mixture, f) for c, f in zip((1, 2), u, strict=True)
        ]
    expected = np.mean([energies for _, energies in minima])
    assert metrics.get(0, "all", "simulated", "inherent_energy").value == pytest.approx(expected, abs=1e-6)
    assert 0 < metrics.get(0, "A", "generated", "hops").value <= 1


def test_what_happens_next_is_told_of_every_source_that_is_no_control(quenched, files):
    metrics = Comparison.load(quenched)
    assert metrics.meta["followed"] == {name: [1, 1] for name in ("simulated", "generated", "wide")}
    assert metrics.entry(0, "all", "halves", "next_overlap") is None
    with Store.open(files[0]) as sim:
        found = [
            aftermath(
                (sim.positions[c] + sim.displacements(c)[:1, 1]).astype(np.float64),
                sim.species,
                sim.box[c],
                get_mixture(sim.mixture),
                float(sim.temperature[c]),
                [numpy_generator(0, 5, place, 0, 0)],
            )
            for place, c in enumerate((1, 2))
        ]
    for name, of in (("next_energy", "energy"), ("next_overlap", "overlap")):
        expected = np.mean([getattr(each, of)[0, -1] for each in found])
        assert metrics.get(0, "all", "simulated", name).value == pytest.approx(expected, abs=1e-6)


def test_inherent_displacements_of_a_file_are_used_as_they_are(files, quenched, tmp_path, monkeypatch):
    """All of them, whatever `--quench-replicas` says, and nothing else where that is 0."""
    monkeypatch.setattr("gensample.comparison.tables.all_plates", lambda content: iter(()))
    sim = tmp_path / "sim.h5"
    assert main(["quench", str(files[0]), "--out", str(sim)]) == 0
    assert main(["quench", str(sim), "--futures"]) == 0
    words = ["--out", str(tmp_path / "report"), "--lags", "10", *BOOTSTRAP]
    assert main(["compare", str(sim), str(files[1]), *words]) == 0
    metrics = Comparison.load(tmp_path / "report")
    assert metrics.meta["quenched"] == {"simulated": [6, 6]}
    assert metrics.entry(0, "A", "generated", "hops") is None
    assert metrics.get(0, "A", "halves", "hops").defined
    assert main(["compare", str(sim), str(files[1]), *words, "--quench-replicas", "2"]) == 0
    metrics, other = Comparison.load(tmp_path / "report"), Comparison.load(quenched)
    assert metrics.meta["quenched"] == {"simulated": [6, 6], "generated": [2, 2]}
    ours, theirs = (m.get(0, "A", "generated", "hops").value for m in (metrics, other))
    assert ours == pytest.approx(theirs, abs=0.02)  # another structure may have been found for x itself


def test_another_file_is_shown_beside(quenched):
    metrics = Comparison.load(quenched)
    assert metrics.beside == ["wide"]
    assert metrics.meta["further"]["wide"]["replicas"] == 3
    sim, wide = (metrics.get(0, "A", source, "msd").value for source in ("simulated", "wide"))
    assert wide > 1.5 * sim
    assert "wide" in metrics.table().splitlines()[0]
    assert metrics.get(0, "A", "wide", "hops").defined


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        (["{folder}/gen.h5", "{folder}/gen.h5"], "a name of its own for each source, got gen, gen"),
        (["{folder}/halves.h5"], "halves: the comparison has such a source itself"),
        (["{folder}/part.h5"], "has no fields of configuration 2"),
        (["{folder}/short.h5"], "no lag time"),
        (["{folder}/none.h5"], "none.h5"),
    ],
)
def test_what_cannot_be_shown_beside_is_refused(files, tmp_path, capsys, beside, message):
    write(tmp_path / "halves.h5", replicas=3, dynamics=3)
    write(tmp_path / "part.h5", chosen=(1,), replicas=3, dynamics=3)
    write(tmp_path / "short.h5", times=(3.0,), replicas=3, dynamics=3)
    words = ["--out", str(tmp_path / "report"), "--beside", *(b.format(folder=tmp_path) for b in beside)]
    assert main(["compare", *map(str, files), *words, *BOOTSTRAP]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert re.search(message, line)
    assert not (tmp_path / "report").exists()


def test_what_was_drawn_for_a_report_outlives_it(report, tmp_path):
    folder = tmp_path / "report"
    shutil.copytree(report, folder)
    (folder / BESIDE).mkdir()
    (folder / BESIDE / "harmonic.h5").write_text("fields")
    check_target(folder)
    write_folder(folder, {}, {}, [], lambda pictures, curves: "page")
    assert (folder / BESIDE / "harmonic.h5").read_text() == "fields"
    shutil.rmtree(folder)
    (folder / BESIDE).mkdir(parents=True)
    check_target(folder)


def test_a_model_beside_is_drawn_once_and_kept(files, tmp_path, monkeypatch):
    monkeypatch.setattr("gensample.comparison.tables.all_plates", lambda content: iter(()))
    folder = tmp_path / "report"
    words = [*map(str, files), "--out", str(folder), "--lags", "10", "--beside", "harmonic", *BOOTSTRAP]
    assert main(["compare", *words]) == 0
    metrics = Comparison.load(folder)
    drawn = folder / BESIDE / "harmonic.h5"
    with Store.open(drawn) as store:
        assert store.done.sum(axis=1).tolist() == [4, 4]
        assert store.times.tolist() == [1.0, 10.0]
    assert metrics.get(0, "A", "harmonic", "msd").defined
    assert metrics.meta["core_seconds"]["harmonic"] > 0
    made = drawn.stat().st_mtime_ns
    assert main(["compare", *words]) == 0
    assert drawn.stat().st_mtime_ns == made
    assert Comparison.load(folder).metrics["lags"] == metrics.metrics["lags"]
