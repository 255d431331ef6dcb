import json
import re

import numpy as np
import pytest
from tiny_ensembles import write as write_ensembles

from gensample.cli import main
from gensample.comparison import set_figures as figures
from gensample.comparison.result import Comparison
from gensample.data.dataset import Dataset, as_dataset
from gensample.data.positions import potential
from gensample.data.store import Contents, Store
from gensample.physics.mixtures import get_mixture
from gensample.report.style import chosen

SIDE = 6
BOOTSTRAP = ["--bootstrap", "20"]


def write(path, count=8, jitter=0.02, seed=1, temperature=0.5, split="test", propensity=False, **known):
    """Jittered lattices of ka2d, no dynamics; ``known`` may have log_density, variance, inherent, mixture."""
    rng = np.random.default_rng(seed)
    mixture = get_mixture(known.get("mixture", "ka2d"))
    n, length = SIDE**2, mixture.edge_length(SIDE**2)
    temperatures = np.atleast_1d(temperature).repeat(count)
    total = len(temperatures)
    grid = np.stack(np.meshgrid(*[np.arange(SIDE)] * 2, indexing="ij"), -1).reshape(-1, 2) * length / SIDE
    x = (grid + jitter * temperatures[:, None, None] * rng.normal(size=(total, n, 2))) % length
    inherent = known.get("inherent", False)
    contents = Contents(
        mixture=mixture.name,
        temperature=temperatures,
        truncation=known.get("truncation"),
        species=np.random.default_rng(99).permutation(mixture.species(n).numpy()),
        box=np.full(2, length),
        split=split,
        positions=x,
        times=[1.0] if propensity else (),
        inherent=x if inherent else None,
        inherent_attrs={"energy": -3 + jitter * rng.normal(size=total)} if inherent else None,
        propensity=rng.uniform(0.1, 0.3, (total, 1, n)) if propensity else None,
        extra_attrs={"request": json.dumps({"model": "runs/toy.ckpt", "steps": 8})},
    )
    more = {}
    if known.get("log_density"):
        more = {"log_density": rng.normal(size=total), "log_density_variance": np.full(total, 0.1)}
    Dataset.create(contents, path=path, more=more)
    return path


def compare(sim, gen, out, *words):
    return main(["compare", str(sim), str(gen), "--out", str(out), *BOOTSTRAP, *words])


@pytest.fixture
def without_figures(monkeypatch):
    monkeypatch.setattr("gensample.comparison.tables.all_plates", lambda content: iter(()))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """One temperature in common, another in the simulation alone; all that files can know."""
    folder = tmp_path_factory.mktemp("configurations")
    full = {"inherent": True, "propensity": True}
    sim = write(folder / "sim.h5", temperature=(0.4, 0.5), split="train", **full)
    gen = write(folder / "gen.h5", 6, 0.08, 2, temperature=0.5, log_density=True, **full)
    assert compare(sim, gen, folder / "report") == 0
    return folder / "report"


def test_the_report_is_complete(report):
    assert {p.name for p in report.iterdir()} == {"metrics.json", "index.html", "curves", "figures"}
    drawn = {p.stem for p in (report / "figures").glob("*.png")}
    assert {p.stem for p in (report / "figures").glob("*.svg")} == drawn
    assert drawn == {
        *("energy", "pair_distribution", "structure_factor", "closest", "coordination", "angles", "weights"),
        "propensity_0.5",
    }
    header, *lines = (report / "curves" / "pair_distribution.csv").read_text().splitlines()
    assert header == "temperature,species,source,x,value,lo,hi"
    assert {line.split(",")[2] for line in lines} == {"simulated", "generated", "reweighted"}


def test_energy_is_the_first_figure_and_the_page_is_self_contained(report):
    page = (report / "index.html").read_text()
    figures = re.findall(r'<figure id="([^"]*)"', page)
    assert figures[:2] == ["energy", "pair_distribution"]
    targets = re.findall(r'(?:src|href)="([^"]*)"', page)
    links = [t for t in targets if not t.startswith(("data:image/svg+xml;base64,", "#"))]
    assert links
    assert all((report / link).is_file() for link in links)
    assert not re.search(r"https?://|<script|@import|url\(", page)
    text = re.sub(r'src="[^"]*"', "", page)
    for words in (
        "toy.ckpt against simulation: configurations",
        "36 (23 A + 13 B)",
        "<dt>split</dt><dd>train",
    ):
        assert words in text
    glance = text[text.index('<section id="glance">') :]  # the verdict before it is in the order of its parts
    assert glance.index("Energy U/N: gap") < glance.index("g(r): distance")
    assert "fewer than 1,000 samples" in text


@pytest.mark.usefixtures("without_figures")
def test_metrics_are_those_of_each_common_temperature(tmp_path):
    sim = write(tmp_path / "sim.h5", temperature=(0.4, 0.5, 0.6))
    gen = write(tmp_path / "gen.h5", 6, 0.08, 2, temperature=(0.5, 0.6), log_density=True)
    assert compare(sim, gen, tmp_path / "report") == 0
    text = (tmp_path / "report" / "metrics.json").read_text()
    data = json.loads(text)
    assert "NaN" not in text
    assert "Infinity" not in text
    assert data["meta"]["kind"] == "configurations"
    assert [block["temperature"] for block in data["temperatures"]] == [0.5, 0.6]
    for block in data["temperatures"]:
        assert block["configurations"] == {"simulated": 8, "generated": 6}
        assert block["compared"] == 4
        gap = block["quantities"]["energy_gap"]["all"]["generated"]
        assert gap["value"] > gap["interval"][0] > 0
        assert block["weights"]["samples"] == 6
    with Store.open(gen) as store:
        rows = np.isclose(store.temperature, 0.6)
        u, _, _ = potential(store.positions[rows], store.species, store.box[rows], get_mixture("ka2d"))
    content = Comparison(data)
    assert content.get(1, "all", "generated", "energy").value == pytest.approx(u.mean())
    assert content.levels == [0.5, 0.6]
    assert content["all", 0.5]["energy_gap"].generated.value > 0
    assert not content.get(0, "all", "halves", "energy_gap").defined


@pytest.mark.usefixtures("without_figures")
def test_the_main_table_starts_with_the_energy_gap(tmp_path, capsys):
    sim = write(tmp_path / "sim.h5", temperature=(0.4, 0.5))
    gen = write(tmp_path / "gen.h5", 5, 0.08, 2, temperature=(0.4, 0.5))
    assert compare(sim, gen, tmp_path / "report", "--temperature", "0.5") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("T = 0.5: 5 generated, 8 simulated")
    assert lines[3].startswith("Energy U/N: gap")
    assert "✗" in lines[3]
    assert str(tmp_path / "report" / "index.html") in lines[-1]
    assert max(map(len, lines[:-1])) < 125
    assert not any("Effective sample size" in line for line in lines)


@pytest.mark.usefixtures("without_figures")
def test_a_simulated_file_with_dynamics_serves_too(tmp_path):
    """Only the generated file decides what is compared."""
    sim = write_ensembles(tmp_path / "sim.h5", particles=36, temperature=0.5)
    gen = write(tmp_path / "gen.h5")
    assert compare(sim, gen, tmp_path / "report", "--split", "test") == 0
    data = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert data["temperatures"][0]["configurations"]["simulated"] == 2


@pytest.mark.usefixtures("without_figures")
def test_a_predictor_gives_propensities_to_files_without_dynamics(tmp_path, capsys):
    sim, gen = write(tmp_path / "sim.h5", 3), write(tmp_path / "gen.h5", 4, seed=2)
    words = [sim, gen, tmp_path / "report", "--predictor", "ka2d-mini-botan"]
    assert compare(*words) == 2
    assert "temperature 0.5, trained on 0.45" in capsys.readouterr().err
    assert compare(*words, "--force") == 0
    data = json.loads((tmp_path / "report" / "metrics.json").read_text())
    found = data["temperatures"][0]["quantities"]["propensity_mean"]
    assert list(found) == [f"{a}, t = {t}" for t in (1, 10, 100) for a in "AB"]
    assert all(0 < entry["generated"]["value"] < 2 for entry in found.values())
    assert data["meta"]["predictor"] == "ka2d-mini-botan"
    assert "temperature 0.5" in data["meta"]["outside_domain"][0]


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        ({"temperature": 0.7}, [], "no temperature in common"),
        ({}, ["--temperature", "0.3"], "T = 0.3 is not in both"),
        ({}, ["--lags", "10"], "have no lag times"),
        ({}, ["--predictor", "no-such-model"], "no model called no-such-model"),
        ({}, ["--split", "val"], "split 'val'"),
        ({"truncation": "shift"}, [], "truncation"),
        ({"mixture": "ka2d-ternary"}, [], "has mixture"),
    ],
)
def test_bad_input_gets_one_line_and_leaves_nothing(tmp_path, capsys, change, words, message):
    sim, gen = write(tmp_path / "sim.h5", 3), write(tmp_path / "gen.h5", 3, **change)
    assert compare(sim, gen, tmp_path / "report", *words) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert re.search(message, lines[0])
    assert {p.name for p in tmp_path.iterdir()} == {"sim.h5", "gen.h5"}


def test_a_predictor_is_refused_for_displacements(tmp_path, capsys):
    sim = write_ensembles(tmp_path / "sim.h5")
    assert compare(sim, sim, tmp_path / "report", "--predictor", "ka2d-mini-botan") == 2
    assert "--predictor is for configurations" in capsys.readouterr().err


def test_figures_have_a_row_for_each_temperature(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("gensample.comparison.tables.all_plates", lambda content: seen.append(content) or ())
    sim, gen = (write(tmp_path / f"{k}.h5", 3, seed=k, temperature=(0.4, 0.5)) for k in (1, 2))
    assert compare(sim, gen, tmp_path / "report") == 0
    assert len(figures.energies(seen[0]).axes) == 2
    assert len(figures.pair_distribution(seen[0]).axes) == 2 * 2 * 3
    assert "T = 0.5" in figures.by_label(seen[0], "angles").axes[-1].get_title()


def test_many_temperatures_are_thinned_for_the_figures():
    assert chosen(range(1, 10)) == [0, 3, 5, 8]


def test_several_temperatures_of_a_file_are_told_apart(tmp_path):
    from gensample.comparison.pairing import common_temperatures

    sim = write(tmp_path / "sim.h5", 2, temperature=(0.4, 0.5))
    with Store.open(sim) as store:
        found = common_temperatures(as_dataset(store), as_dataset(store))
    assert [(t, a.tolist(), b.tolist()) for t, a, b in found] == [
        (0.4, [0, 1], [0, 1]),
        (0.5, [2, 3], [2, 3]),
    ]
