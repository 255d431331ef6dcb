"""The report of the benchmark: tables say what entries say, figures appear where there are data for them."""

import csv
import json

import numpy as np
import pytest

from gensample.benchmark.figures import Style, benchmark_plates, ranking
from gensample.benchmark.published import NOTHING, PublishedNumbers, at_lag
from gensample.benchmark.result import BenchmarkResult
from gensample.benchmark.table import transfer

TEMPERATURES = {"cold": 0.44, "hot": 0.8}
ROWS = {"BOTAN": "fit", "CAGE": "estimator", "density": "indicator"}


def entry(row, train, test, lag, species="A", size=None, value=0.5, **more):
    kind = ROWS[row]
    return {
        "row": row,
        "kind": kind,
        "input": "cage" if row == "CAGE" else "thermal",
        "target": "propensity",
        "train": train and train.split("+"),
        "train_size": size,
        "test": test,
        "temperature": TEMPERATURES.get(test, 1.0),
        "lag": lag,
        "species": species,
        "configurations": 5,
        "seconds": None if kind == "indicator" else 12.0,
        "predict_seconds": 1.0,
        "parameters": None if kind == "indicator" else 1234,
        "reference": "",
        **{name: [value, value - 0.1, value + 0.1] for name in ("pearson", "pearson_pooled", "spearman")},
        "spearman_pooled": [value, None, None],
        "ceiling": [0.9, 0.89, 0.91],
        "chi4": [2.0, 1.0, 3.0],
        "chi4_simulated": [4.0, 3.0, 5.0],
        "chi4_block": [1.0, 0.5, 1.5],
        "chi4_block_simulated": [2.0, 1.0, 3.0],
        **more,
    }


@pytest.fixture
def entries():
    found = []
    for row, value in (("BOTAN", 0.4), ("CAGE", 0.7), ("density", 0.2)):
        for species in "AB":
            for lag in (1.0, 10.0):
                trains = [None] if row == "density" else ["cold", "hot"]
                for train in trains:
                    for test in ("cold", "hot"):
                        shift = 0.0 if train in (None, test) else -0.15
                        found.append(entry(row, train, test, lag, species, value=value + shift + lag / 1000))
    found += [entry("CAGE", "cold", "cold", 10.0, size=n, value=0.5 + n / 100) for n in (1, 5)]
    return found


def curve(row, source, test="cold"):
    common = {
        "row": row,
        "input": "cage",
        "target": "propensity",
        "train": ["cold"],
        "test": test,
        "lag": 10.0,
    }
    return common | {"source": source, "r": [1.0, 2.0, 3.0], "c": [0.5, None, 0.1]}


PUBLISHED = PublishedNumbers(
    {"propensity": {0.44: {"SE3": ([1.0, 10.0], [0.6, 0.81])}}},
    {0.44: {"MD": ([1.0, 10.0], [2.0, 4.0]), "SE3": ([1.0, 10.0], [1.0, 3.0])}},
    {"SE3": {(0.44, 0.44): 0.8, (0.44, 0.5): 0.7}},
)


def markdown(entries, published=NOTHING):
    return BenchmarkResult("some", entries, published=published).table()


def test_tables(entries):
    table = markdown(entries, PUBLISHED)
    sections = [line for line in table.splitlines() if line.startswith("## ")]
    assert sections == [
        "## Pearson: cold, propensity",
        "## Pearson: hot, propensity",
        "## Pearson (A) against training configurations, propensity",
        "## Transfer: Pearson (A), longest lag, trained on / judged on, propensity",
    ]
    assert "| BOTAN | thermal | 0.401 [0.30, 0.50] | 0.401 | 0.401 [0.30, 0.50] | 0.401 | 0.410" in table
    assert "12 s | 1,234 |" in table
    assert "| ceiling (exact propensity) |  | 0.900 |" in table
    assert table.count("| SE3, published |  |  | 0.600 |") == 1  # of T = 0.44, not beside the hot ones
    assert (
        "| CAGE | cage | cold | cold | 10 | 0.510 [0.41, 0.61] | 0.550 [0.45, 0.65] | 0.710 [0.61, 0.81] |"
        in table
    )
    assert "| CAGE | cage | cold | 0.710 | 0.560 |" in table
    assert "| SE3, published |  | T=0.44 | 0.800 |  |" in table  # nothing published of the hot set
    lines = [line for line in table.splitlines() if line.startswith("|")]
    heads = [line for line in lines if line.startswith("| row")]
    assert {line.count("|") for line in lines} == {head.count("|") for head in heads}


def test_the_matrix_is_of_the_longest_lag(entries):
    assert transfer(entries, "BOTAN", "thermal", "propensity") == pytest.approx(
        {
            (("cold",), "cold"): 0.41,
            (("cold",), "hot"): 0.26,
            (("hot",), "cold"): 0.26,
            (("hot",), "hot"): 0.41,
        }
    )


def test_folder(entries, tmp_path):
    curves = [curve("CAGE", "predicted"), curve("CAGE", "simulated")]
    report = tmp_path / "report"
    result = BenchmarkResult("A <title>", entries, curves, PUBLISHED, ["by me"])
    assert result.write(report) == report / "index.html"
    names = {path.stem for path in (report / "figures").glob("*.png")}
    of_set = {f"{kind}-propensity-{test}" for kind in ("lags", "ranking", "chi4") for test in ("cold", "hot")}
    assert names == of_set | {"learning-propensity", "transfer-propensity", "correlations"}
    page = (report / "index.html").read_text()
    assert "A &lt;title&gt;" in page
    assert "<li>by me</li>" in page
    assert page.count("<img ") == len(names)
    rows = list(csv.DictReader((report / "table.csv").open()))
    assert len(rows) == len(entries)
    assert float(rows[0]["pearson_low"]) == pytest.approx(entries[0]["pearson"][1])
    content = json.loads((report / "metrics.json").read_text())
    assert content["entries"] == entries
    assert content["correlations"] == curves


def test_an_earlier_report_is_replaced_as_a_whole(entries, tmp_path):
    of_one = [e for e in entries if (e["row"], e["lag"], e["species"]) == ("BOTAN", 1.0, "A")]
    BenchmarkResult("first", of_one).write(tmp_path / "report")
    assert (tmp_path / "report/figures/transfer-propensity.png").exists()
    few = [e for e in entries if (e["row"], e["lag"]) == ("density", 1.0)]
    BenchmarkResult("second", few).write(tmp_path / "report")
    report = tmp_path / "report"
    assert not (report / "figures/transfer-propensity.png").exists()
    assert "first" not in (report / "index.html").read_text()


def test_without_estimates_cells_stay_empty():
    lonely = entry("BOTAN", "cold", "cold", 1.0, ceiling=[None] * 3, pearson=[np.nan, None, None])
    lonely["pearson"] = [None, None, None]
    assert "| BOTAN | thermal |  | 0.500 | 12 s | 1,234 |" in markdown([lonely])


def drawn(entries, published=NOTHING):
    """Names of the figures, each drawn and not written."""
    found = list(benchmark_plates(entries, [], published))
    for plate in found:
        plate.draw()
    return {plate.name for plate in found}


NOTHING = [None, None, None]


def test_bond_breaking_has_transfer_and_learning_but_no_chi4(entries):
    quiet = {"chi4": NOTHING, "chi4_simulated": NOTHING}
    quiet |= {f"{name.replace('chi4', 'chi4_block')}": NOTHING for name in quiet}
    bonds = [{**e, **quiet, "target": "bond_breaking"} for e in entries]
    names = drawn(bonds, PUBLISHED)
    assert {"learning-bond_breaking", "transfer-bond_breaking"} < names
    assert not any("chi4" in name for name in names)
    table = markdown(bonds, PUBLISHED)
    assert "published" not in table
    assert "| CAGE | cage | cold | 0.710 | 0.560 |" in table


def test_one_judged_elsewhere_alone_and_several_trained_together():
    """One test set that nobody trained on; and learning curves of two sets at once."""
    alone = [entry("CAGE", "cold", "hot", 10.0, value=0.3)]
    judged = {f"{kind}-propensity-hot" for kind in ("ranking", "chi4")}
    assert drawn(alone) == {"transfer-propensity"} | judged
    table = markdown(alone)
    assert "| CAGE | cage | cold | 0.300 |" in table
    assert "| CAGE (trained on cold) | cage | 0.300 [0.20, 0.40] |" in table
    joint = [
        entry("CAGE", train, test, 10.0, size=size, value=value)
        for train, value in (("cold+hot", 0.6), ("cold", 0.5))
        for size in (1, None)
        for test in train.split("+")
    ]
    assert "learning-propensity" in drawn(joint)
    table = markdown(joint)
    assert "| CAGE | cage | cold, hot | hot | 10 | 0.600 [0.50, 0.70] | 0.600 [0.50, 0.70] |" in table
    assert "| CAGE | cage | cold | cold | 10 | 0.500 [0.40, 0.60] | 0.500 [0.40, 0.60] |" in table


def test_one_configuration_has_no_interval():
    alone = markdown([entry("BOTAN", "cold", "cold", 1.0, configurations=1)])
    assert "| BOTAN | thermal | 0.500 | 0.500 | 12 s | 1,234 |" in alone


def test_bonds_and_rows_trained_on_everything_have_their_transfer(entries):
    joint = [entry("CAGE", "cold+hot", test, 10.0, value=0.65) for test in ("cold", "hot")]
    bonds = [{**e, "species": "A-A", "target": "elongation"} for e in entries if e["species"] == "A"]
    assert "| CAGE | cage | cold, hot | 0.650 | 0.650 |" in markdown([*entries, *joint])
    table = markdown(bonds, PUBLISHED)
    assert "| BOTAN | thermal | cold | 0.410 | 0.260 |" in table
    assert "published" not in table
    assert {"ranking-elongation-cold", "transfer-elongation"} < drawn(bonds, PUBLISHED)


def test_published_numbers_stand_at_their_lag_and_temperature(entries):
    of = [e for e in entries if e["test"] == "cold" and e["species"] == "A"]
    cold, hot = TEMPERATURES.values()
    assert PUBLISHED.pearson_at("propensity", cold) == {"SE3": ([1.0, 10.0], [0.6, 0.81])}
    assert PUBLISHED.chi4_at(cold) == {"SE3": ([1.0, 10.0], [2.0, 4.0], [1.0, 3.0])}
    assert at_lag(([1.0, 10.0], [0.6, 0.81]), 10.05) == 0.81
    assert at_lag(([1.0, 10.0], [0.6, 0.81]), 12.0) is None
    assert PUBLISHED.pearson_at("propensity", hot) == PUBLISHED.chi4_at(hot) == {}
    figure = ranking(of, Style(["BOTAN", "CAGE", "density"]), PUBLISHED.pearson_at("propensity", cold))
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names.index("SE3, published") > names.index("CAGE, cage")  # 0.81 above 0.71


def test_a_lag_without_a_score_leaves_a_gap():
    gap = [
        entry("BOTAN", "cold", "cold", lag, pearson=NOTHING if lag > 1 else [0.4, 0.3, 0.5])
        for lag in (1.0, 10.0)
    ]
    assert "lags-propensity-cold" in drawn(gap)


def test_a_wide_table_is_folded_between_lags_and_nothing_is_lost(entries):
    (table, *_) = BenchmarkResult("some", entries)._tables()
    pieces = table.pieces(5)
    assert [piece.head[2:] for piece in pieces] == [
        ["A, t = 1", "A, t = 1 pooled", "B, t = 1", "B, t = 1 pooled"],
        ["A, t = 10", "A, t = 10 pooled", "B, t = 10", "B, t = 10 pooled"],
        ["training", "parameters"],
    ]
    assert {piece.head[0] for piece in pieces} == {"row"}
    assert [line[2:] for line in pieces[1].lines] == [line[6:10] for line in table.lines]
    assert ["CAGE", "cage", "12 s", "1,234"] in pieces[2].lines
    assert not any("ceiling" in line[0] for line in pieces[2].lines)  # it has neither
    assert table.pieces(10) == [table]


def test_readings_tell_of_nothing_that_is_not_drawn(entries):
    def readings(published):
        return " ".join(plate.reading for plate in benchmark_plates(entries, [], published))

    without = PublishedNumbers({}, {}, {})
    assert "ublished" not in readings(without)
    assert "Open bars: published" in readings(PUBLISHED)
    for each in entries:
        each["ceiling"] = [None, None, None]
    assert "Grey" not in readings(without)
