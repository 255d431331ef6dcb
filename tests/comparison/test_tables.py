import pytest

from gensample.comparison.quantities import OfFields, all_quantities
from gensample.comparison.result import NAN, Comparison, Number
from gensample.comparison.rows import MARKS, Row, digits, finding, row_of, rows, verdicts
from gensample.comparison.tables import cells, full_table, page_of, to_markdown, to_text

QUANTITY = {q.name: q for q in all_quantities(OfFields)}


def row(name, sim=None, gen=None, best=None, **known):
    nothing = Number(NAN)
    values = {"simulated": sim or nothing, "generated": gen or nothing}
    target = values["simulated"] if QUANTITY[name].kind == "pair" else best or nothing
    return Row(QUANTITY[name], "A", values, target, **known)


def verdict(name, *, sim=None, gen=None, best=None, width=0.01, **known):
    def around(value):
        return None if value is None else Number(value, value - width, value + width)

    return row(name, around(sim), around(gen), around(best), **known).verdict


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        # the whole interval has to be within the aim, or outside it
        ("mean_propensity", {"sim": 1.0, "gen": 1.02, "width": 0.002}, ("+2.0 %", "good")),
        ("mean_propensity", {"sim": 1.0, "gen": 1.02}, ("+2.0 %", "near")),
        ("mean_propensity", {"sim": 1.0, "gen": 1.0, "width": 0.05}, ("+0.0 %", "near")),
        (
            "mean_propensity",
            {"sim": 1.0, "gen": 1.0, "width": 0.05, "correlation": 0.999},
            ("+0.0 %", "good"),
        ),
        ("corr_longitudinal", {"sim": -0.4, "gen": -0.41}, ("+2.5 %", "good")),
        ("corr_longitudinal", {"sim": -0.4, "gen": -0.6}, ("+50 %", "off")),
        ("mean_propensity", {"sim": 1.0, "gen": 0.9}, ("−10 %", "off")),
        ("mean_propensity", {"sim": 1.0, "gen": 0.9, "width": 0.06}, ("−10 %", "near")),
        ("chi4_iso", {"sim": 10.0, "gen": 7.5}, ("−25 %", "good")),
        ("pearson", {"gen": 0.6, "best": 0.8}, ("75 % of best", "off")),
        ("pearson", {"gen": 0.72, "best": 0.8}, ("90 % of best", "good")),
        ("pearson", {"gen": 0.6, "best": 0.8, "width": 0.21}, ("75 % of best", "near")),
        # better than a perfect sampler, by less and by more than the interval
        ("pearson", {"gen": 0.81, "best": 0.8}, ("101 % of best", "good")),
        ("pearson", {"gen": 0.9, "best": 0.8}, ("112 % of best", "beyond")),
        ("crps_skill", {"gen": 0.176, "best": 0.1}, ("176 % of best", "beyond")),
        ("W1", {"gen": 0.01, "best": 0.02, "width": 0.001}, ("0.5 × floor", "beyond")),
        ("pearson_pooled", {"gen": 0.9, "best": 0.8}, ("112 % of best", "none")),
        ("pearson_pooled", {"gen": 0.6, "best": 0.8}, ("75 % of best", "none")),
        ("W1", {"gen": 0.03, "best": 0.02, "width": 0.001}, ("1.5 × floor", "good")),
        ("W1", {"gen": 0.03, "best": 0.02}, ("1.5 × floor", "near")),
        ("W1", {"gen": 0.06, "best": 0.02, "width": 0.001}, ("3.0 × floor", "off")),
        ("c2st", {"gen": 0.55, "best": 0.5}, ("", "good")),
        ("c2st", {"gen": 0.595, "best": 0.5}, ("", "near")),
        ("c2st", {"gen": 0.70, "best": 0.5}, ("", "off")),
        # deviations that are the same whatever the target
        ("future_energy", {"sim": -2.97, "gen": -2.969, "width": 0.002}, ("+0.001", "good")),
        ("future_energy", {"sim": -2.97, "gen": -2.96}, ("+0.010", "near")),
        ("future_energy", {"sim": -2.97, "gen": 1.3e5}, ("+1e+05", "off")),
        ("future_overlapping", {"sim": 0.0, "gen": 0.9}, ("+0.900", "off")),
        ("future_overlapping", {"sim": 0.0, "gen": 0.0, "width": 0.0}, ("+0.000", "good")),
        ("length_coverage_80", {"gen": 0.79, "best": 0.8}, ("−0.010", "good")),
        ("length_coverage_80", {"gen": 0.5, "best": 0.8}, ("−0.300", "off")),
        # what cannot be known is not ticked
        ("chi4_iso", {"sim": 10.0, "gen": 10.0, "draws": 2}, ("too few draws", "few")),
        ("chi4_iso", {"sim": 10.0, "gen": 10.0, "draws": 4}, ("+0.0 %", "good")),
        ("W1", {"gen": 0.02, "best": 0.02, "width": 0.001, "draws": 4}, ("too few draws", "few")),
        ("msd", {"sim": 1.0, "gen": 1.0, "width": float("nan")}, ("no interval", "few")),
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
    text, bounds = digits(value)
    assert text + (f" [{bounds[0]}, {bounds[1]}]" if bounds else "") == expected


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
    return Comparison({"meta": {"r": [1.0, 2.0, 3.0]}, "lags": [{"time": 10.0, "species": {"A": blocks}}]})


def test_pairs_give_simulation_and_the_named_source(metrics):
    assert metrics.get(0, "A", "simulated", "msd") == (2.0, 1.9, 2.1)
    assert metrics.get(0, "A", "generated", "msd") == (3.0, 2.9, 3.1)
    assert metrics.get(0, "A", "climatology", "msd").value == 7.0
    assert not metrics.get(0, "A", "simulated", "pearson").defined
    assert not metrics.get(0, "A", "independent", "msd").defined


def test_profiles_are_read_at_the_nearest_distance(metrics):
    near, far = row_of(metrics, 0, "A", QUANTITY["corr_longitudinal"])
    assert near.generated == (0.5, 0.4, 0.6)
    assert far.simulated == (0.3, 0.2, 0.4)
    assert (near.at, far.at) == (1.1, 2.1)


def test_a_comparison_is_asked_by_group_and_level(metrics):
    found = metrics["A", 10.0]
    assert list(found) == ["pearson", "msd", "corr_longitudinal", "corr_longitudinal(2.1)"]
    assert found["msd"].generated == (3.0, 2.9, 3.1)
    assert found["msd"].simulated.value == 2.0
    assert found["pearson"].target.value == 0.8
    with pytest.raises(KeyError, match="the groups are"):
        metrics["C", 10.0]


def test_undefined_rows_are_left_out(metrics):
    assert [r.quantity.name for r in rows(metrics, 0, "A")] == ["pearson", "msd"] + 2 * ["corr_longitudinal"]


def test_text_and_markdown_hold_value_target_and_control(metrics):
    text = to_text(metrics, main=False)
    line = next(line for line in text.splitlines() if line.startswith("Mean squared"))
    assert line.split()[3:] == ["2.00", "3.00", "[2.90,", "3.10]", "+50", "%", "✗", "–", "–", "7.00"]
    line = "| 10 | A | Mean squared displacement | 2.00 | 3.00 [2.90, 3.10] |"
    assert line in to_markdown(metrics, main=False)


def test_html_explains_each_row(metrics):
    table = full_table(metrics, 0, "A")
    assert len(table.rows) == 4
    assert all(line[0].title for line in table.rows)
    page = page_of(metrics, [], [])
    assert f'<td class="verdict near" title="{MARKS["near"]}">75 % of best ≈</td>' in page
    assert "C<sub>L</sub>(1.1)" in page


def test_what_is_too_good_is_said_everywhere(metrics):
    assert finding(metrics) == ""
    assert "perfect sampler" not in to_text(metrics)
    block = metrics.metrics["lags"][0]["species"]["A"]["generated"]
    block["pearson"] = {"value": 0.95, "interval": [0.94, 0.96], "correlation": 0.0}
    told = verdicts(metrics)
    assert "Propensity, Pearson (A, t = 10)" in told["finding"]
    assert "share replicas" in told["finding"]
    assert told["finding"] in to_text(metrics)
    assert '<p class="finding">! Propensity, Pearson' in page_of(metrics, [], [])
    marks = {entry["quantity"]: entry["verdict"] for entry in told["verdicts"]}
    assert marks == {"pearson": "beyond", "msd": "off", "corr_longitudinal": "near"}


def test_the_correlation_of_the_errors_is_read(metrics):
    block = metrics.metrics["lags"][0]["species"]["A"]["generated"]
    block["corr_longitudinal"]["correlation"] = [0.9, -0.5, None]
    near, far = row_of(metrics, 0, "A", QUANTITY["corr_longitudinal"])
    assert (near.correlation, far.correlation) == (0.9, -0.5)
    assert next(row_of(metrics, 0, "A", QUANTITY["pearson"])).correlation == 0.0


def test_draws_are_the_fewest_of_both_sides():
    counts = {"simulated": [32, 8], "generated": [4, 6], "harmonic": [2, 2]}
    metrics = Comparison({"meta": {"replicas": counts, "quenched": {"generated": [3, 5]}}, "lags": []})
    assert metrics.draws() == 4
    assert metrics.draws("inherent") == 3


def test_energies_have_the_decimals_of_their_aim():
    """Inherent energies are judged to 0.005: two decimals would hide it."""
    energy = row("inherent_energy", Number(-3.4045), Number(-3.4, -3.41, -3.39))
    assert cells(energy)[1:3] == ("−3.405", "−3.400 [−3.410, −3.390]")
    wild = row("future_energy", Number(-2.97), Number(121594.3, 13640, 590462))
    assert cells(wild)[2] == "121594 [13640, 590462]"
