import pytest

from gensample.comparison.quantities import OfSets, all_quantities
from gensample.comparison.result import NAN, Comparison, Number
from gensample.comparison.rows import Row, digits, rows
from gensample.comparison.tables import page_of, to_text, weight_table

QUANTITY = {q.name: q for q in all_quantities(OfSets)}


def verdict(name, *, sim=None, gen=None, halves=None, width=0.01, sd=0.02):
    def around(value):
        return Number(NAN) if value is None else Number(value, value - width, value + width)

    q = QUANTITY[name]
    target = Number(0.0) if q.kind == "gap" else around(halves if q.kind == "floor" else sim)
    return Row(q, "all", {"simulated": around(sim), "generated": around(gen)}, target, sd=sd).verdict


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("energy_gap", {"gen": 0.1}, ("+5 sd", "off")),
        ("energy_gap", {"gen": 0.004, "width": 0.001}, ("+0.2 sd", "good")),
        ("energy_gap", {"gen": -0.01}, ("−0.5 sd", "near")),
        ("energy_gap", {"gen": 0.1, "sd": 0.0}, ("", "none")),
        ("energy_gap", {"gen": None}, ("", "none")),
        ("energy_W1", {"gen": 0.03, "halves": 0.02}, ("1.5 × halves", "good")),
        ("energy_W1", {"gen": 0.2, "halves": 0.02}, ("10.0 × halves", "off")),
        ("energy_W1", {"gen": 0.03, "halves": None}, ("", "none")),
        ("closest", {"sim": 1.0, "gen": 0.9}, ("−10 %", "off")),
        ("closest", {"sim": 1.0, "gen": 0.97, "width": 0.02}, ("−3.0 %", "near")),
        ("coordination", {"sim": 1.0, "gen": 1.0 + 1e-6}, ("+0.0 %", "good")),
        ("heat_capacity_excess", {"sim": 1.0, "gen": 400.0}, ("× 400", "off")),
        ("energy", {"sim": 1.0, "gen": 2.0}, ("", "none")),
    ],
)
def test_verdicts(name, values, expected):
    assert verdict(name, **values) == expected


@pytest.mark.parametrize(
    ("value", "places", "expected"),
    [
        (Number(-2.97504, -2.98, -2.97), 4, "−2.9750 [−2.9800, −2.9700]"),
        (Number(3.2e9, 1e9, 5e9), 4, "3.2e+09"),
        (Number(110228.8636), 4, "110229"),
        (Number(NAN), 4, "–"),
        (Number(0.5), None, "0.500"),
    ],
)
def test_decimals(value, places, expected):
    text, bounds = digits(value, places)
    shown = f"{text} [{bounds[0]}, {bounds[1]}]" if bounds and abs(value.value) < 1e6 else text
    assert shown == expected


def entry(value, interval=None):
    return {"value": value, "interval": interval}


@pytest.fixture
def content():
    """Energies alone, one of them infinite."""
    quantities = {
        "energy_gap": {"all": {"generated": entry(None), "reweighted": entry(0.3, [0.2, 0.4])}},
        "energy": {"all": {"simulated": entry(-3.0, [-3.1, -2.9]), "generated": entry(None)}},
        "energy_median": {"all": {"simulated": entry(-3.0), "generated": entry(5e3)}},
        "energy_sd": {"all": {"simulated": entry(0.05), "generated": entry(None)}},
        "energy_not_finite": {"all": {"simulated": entry(0.0), "generated": entry(2.0)}},
    }
    weights = {
        "samples": 10,
        "size": 0.0,
        "fraction": 0.0,
        "largest": None,
        "log_std": None,
        "not_finite": 10,
        "enough": False,
    }
    block = {
        "temperature": 0.5,
        "configurations": {"simulated": 7, "generated": 10},
        "quantities": quantities,
        "particles": {"simulated": 36, "generated": 36},
        "compared": 3,
        "weights": weights,
    }
    return Comparison({"temperatures": [block]})


def test_infinite_energies_are_never_left_out(content):
    assert [row.quantity.name for row in rows(content, 0, main=True)] == [
        "energy_gap",
        "energy",
        "energy_median",
        "energy_not_finite",
    ]
    assert rows(content, 0)[0].verdict == ("infinite", "off")
    text = to_text(content)
    assert "∞" in text
    assert "Energy U/N: infinite" in text
    assert "10 generated, 7 simulated" in text
    page = page_of(content, [], [])
    assert "Energy U/N: std. dev." in page
    assert "0.2000 … 0.4000" in page


def test_weights_without_a_finite_one_are_told(content):
    assert "weights not finite: 10" in to_text(content)
    assert weight_table(content).rows[0][-1].text == "fewer than 1,000 samples: indicative only"
    content.blocks[0]["weights"] = None
    assert weight_table(content) is None
    assert "Effective" not in to_text(content)
    assert "reweighted</th>" not in page_of(content, [], [])
