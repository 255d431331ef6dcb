import pytest

from gensample.report.glossary import QUANTITIES
from gensample.report.metrics import Metrics, Number
from gensample.report.tables import Row, number, row, rows, to_html, to_markdown, to_text

QUANTITY = {q.name: q for q in QUANTITIES}


def verdict(name, *, sim=None, gen=None, best=None, width=0.01):
    def around(value):
        return Number(float("nan")) if value is None else Number(value, value - width, value + width)

    return Row(QUANTITY[name], around(sim), around(gen), around(best), ()).verdict


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("mean_propensity", {"sim": 1.0, "gen": 1.02}, ("+2.0 %", "good")),
        ("mean_propensity", {"sim": 1.0, "gen": 0.9}, ("−10 %", "off")),
        ("mean_propensity", {"sim": 1.0, "gen": 0.9, "width": 0.06}, ("−10 %", "near")),
        ("chi4_iso", {"sim": 10.0, "gen": 7.5}, ("−25 %", "good")),
        ("pearson", {"gen": 0.6, "best": 0.8}, ("75 % of best", "off")),
        ("pearson", {"gen": 0.72, "best": 0.8}, ("90 % of best", "good")),
        ("pearson", {"gen": 0.6, "best": 0.8, "width": 0.21}, ("75 % of best", "near")),
        ("pearson_pooled", {"gen": 0.6, "best": 0.8}, ("75 % of best", "none")),
        ("W1", {"gen": 0.03, "best": 0.02}, ("1.5 × floor", "good")),
        ("W1", {"gen": 0.06, "best": 0.02}, ("3.0 × floor", "off")),
        ("c2st", {"gen": 0.55, "best": 0.5}, ("", "good")),
        ("c2st", {"gen": 0.70, "best": 0.5}, ("", "off")),
        # a relative deviation of next to nothing, and values that do not exist, are not judged
        ("alpha2", {"sim": 0.05, "gen": 0.15}, ("", "none")),
        ("chi4_between", {"sim": None, "gen": 0.15}, ("", "none")),
        ("W1", {"gen": 0.03, "best": 0.0}, ("", "none")),
    ],
)
def test_verdicts(name, values, expected):
    assert verdict(name, **values) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Number(0.0), "0"),
        (Number(12.345), "12.3"),
        (Number(1234.5), "1234"),
        (Number(0.7071), "0.707"),
        (Number(-0.0421), "−0.042"),
        (Number(0.00763), "0.0076"),
        (Number(float("nan")), "–"),
        (Number(0.5, 0.4, 0.6), "0.500 [0.400, 0.600]"),
        (Number(0.5, float("nan"), 0.6), "0.500"),
    ],
)
def test_numbers_keep_two_or_three_digits(value, expected):
    assert number(value, interval=True) == expected


def scalar(value):
    return {"value": value, "interval": [value - 0.1, value + 0.1]}


@pytest.fixture
def metrics():
    """One lag with a pair, a scalar and its ceiling, a profile, and an undefined value."""
    generated = {
        "msd": {"value": [2.0, 3.0], "interval": [[1.9, 2.1], [2.9, 3.1]]},
        "pearson": scalar(0.6),
        "pearson_ceiling_sampler": scalar(0.8),
        "spearman": {"value": None, "interval": None},
        "corr_longitudinal": {
            "value": [[0.4, 0.3, None], [0.5, 0.2, None]],
            "interval": [[[0.3, 0.5], [0.2, 0.4], [None, None]], [[0.4, 0.6], [0.1, 0.3], [None, None]]],
        },
    }
    control = {"msd": {"value": [2.0, 7.0], "interval": None}, "pearson": scalar(0.1)}
    blocks = {"generated": generated, "climatology": control}
    return Metrics({"meta": {"r": [1.0, 2.0, 3.0]}, "lags": [{"time": 10.0, "species": {"A": blocks}}]})


def test_pairs_give_simulation_and_the_named_source(metrics):
    assert metrics.get(0, "A", "simulated", "msd") == (2.0, 1.9, 2.1)
    assert metrics.get(0, "A", "generated", "msd") == (3.0, 2.9, 3.1)
    assert metrics.get(0, "A", "climatology", "msd").value == 7.0
    assert not metrics.get(0, "A", "simulated", "pearson").defined
    assert not metrics.get(0, "A", "independent", "msd").defined


def test_profiles_are_read_at_the_nearest_distance(metrics):
    near, far = [q for q in QUANTITIES if q.name == "corr_longitudinal"]
    assert row(metrics, 0, "A", near).generated == (0.5, 0.4, 0.6)
    assert row(metrics, 0, "A", far).simulation == (0.3, 0.2, 0.4)


def test_undefined_rows_are_left_out(metrics):
    assert [r.quantity.name for r in rows(metrics, 0, "A")] == ["pearson", "msd"] + 2 * ["corr_longitudinal"]


def test_text_and_markdown_hold_value_target_and_control(metrics):
    text = to_text(metrics, names=None)
    line = next(line for line in text.splitlines() if line.startswith("Mean squared"))
    assert line.split()[3:] == ["2.00", "3.00", "[2.90,", "3.10]", "+50", "%", "✗", "–", "–", "7.00"]
    assert "| 10 | A | Mean squared displacement | 2.00 | 3.00 [2.90, 3.10] |" in to_markdown(
        metrics, names=None
    )


def test_html_explains_each_row(metrics):
    page = to_html(metrics, 0, "A")
    assert page.count("<tr>") == 5
    assert page.count('<th scope="row" title=') == 4
    assert '<td class="verdict off" title="outside the aim">75 % of best ✗</td>' in page
    assert "C<sub>L</sub>(1.1)" in page
