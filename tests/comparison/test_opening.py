import numpy as np
import pytest

from gensample.comparison.maps import choose_moves
from gensample.comparison.opening import count_words, in_text, seconds, sentence, verdict
from gensample.comparison.pairing import core_seconds
from gensample.comparison.result import Comparison, Propensities
from gensample.comparison.tables import cost_table, page_of, ratio_words
from gensample.report.page import Picture
from gensample.stats.dynamics import Ensemble


def pair(generated, width=0.001):
    bounds = [[0.999, 1.001], [generated - width, generated + width]]
    return {"value": [1.0, generated], "interval": bounds, "correlation": 0.0}


def metrics(*lags, **meta):
    """One species; each lag a dict of the generated block."""
    entries = [
        {"time": 10.0**k, "species": {"A": {"generated": block}, "all": {"generated": whole}}}
        for k, (block, whole) in enumerate(lags)
    ]
    told = {
        "replicas": {"simulated": [8], "generated": [8]},
        "quenched": {"simulated": [8], "generated": [8]},
    }
    return Comparison({"meta": {"configurations": 12, **told, **meta}, "lags": entries})


def test_the_sentence_names_right_and_wrong_with_futures_first_and_counts_the_rest():
    found = metrics(
        ({"mean_propensity": pair(1.0), "overlap": pair(2.0), "hops": pair(1.0, 0.5)}, {}),
        ({"mean_propensity": pair(1.0), "overlap": pair(1.0), "hops": pair(0.2)}, {}),
    )
    assert sentence(found) == (
        "Right: mean propensity; wrong: share of hops (t = 10), overlap (t = 1) (species A)."
    )
    assert sentence(metrics(({"overlap": pair(1.0, 0.5)}, {}))) == (
        "1 cannot be decided with these data (species A)."
    )


def test_a_terminal_has_the_sentence_and_the_cost():
    costs = {"simulated": 50.0, "generated": None}
    text = in_text(metrics(({"overlap": pair(2.0)}, {}), core_seconds=costs))
    assert text.splitlines() == [
        "Wrong: overlap (species A).",
        "Core-seconds of a replica, to its longest lag: simulated 50, generated not recorded.",
    ]


def test_labels_with_a_comma_go_into_brackets():
    block = {
        "pearson": {"value": 0.2, "interval": [0.19, 0.21]},
        "pearson_ceiling_sampler": {"value": 0.8, "interval": [0.79, 0.81]},
    }
    assert sentence(metrics((block, {}), ({}, {}))) == "Wrong: propensity (Pearson; t = 1) (species A)."


def test_nothing_judged_is_said():
    assert "too few" in sentence(metrics(({}, {})))
    assert "too few" in sentence(Comparison({"meta": {}, "lags": []}))


def test_costs_beside_each_other():
    costs = {"simulated": 50.0, "generated": 5.0, "slow": 100.0, "file": None}
    assert texts(costs) == [
        ["simulated", "50", ""],
        ["generated", "5", "10 %"],
        ["slow", "100", "2 ×"],
        ["file", "not recorded", ""],
    ]
    assert texts({"simulated": None, "generated": 5.0})[1] == ["generated", "5", ""]
    assert (seconds(0.1234), seconds(12345.6), ratio_words(0.0123)) == ("0.123", "12346", "1.2 %")
    assert cost_table(Comparison({"lags": []})) is None


def texts(costs):
    return [[cell.text for cell in line] for line in cost_table(metrics(core_seconds=costs)).rows]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"core_seconds_per_replica": 46.0, "core_seconds": 1e9}, 46.0),
        ({"core_seconds": 12.0}, 3.0),
        ({}, None),
    ],
)
def test_the_cost_of_a_replica_is_read_or_divided(attributes, expected):
    class Store:
        attrs = attributes
        done = np.array([[True, True], [True, True], [False, False]])

    assert core_seconds(Store()) == expected


def test_the_page_opens_with_sentence_picture_and_cost_and_ends_with_the_settings():
    found = metrics(({"overlap": pair(2.0)}, {}), core_seconds={"simulated": 50.0, "generated": 5.0})
    pictures = [Picture("other", "Other", "x.", b""), Picture("moves", "What moves", "y.", b"")]
    page = page_of(found, pictures, [])
    order = [
        "0 of 1 main quantities agree",
        "Does not agree",
        "<b>overlap</b>",
        'id="moves"',
        'class="cost"',
        'id="glance"',
        'id="other"',
        'id="compared"',
    ]
    places = [page.index(words) for words in order]
    assert places == sorted(places)
    assert page.count('id="moves"') == 1


def ensemble(u, h=None):
    x = np.random.default_rng(0).uniform(0, 5, u.shape[2:])
    return Ensemble(x, np.full(2, 5.0), np.zeros(len(x), int), u, inherent_displacements=h)


def test_the_picture_shows_hops_where_both_know_them_and_the_median_field():
    u = np.zeros((3, 2, 10, 2))
    for r, count in enumerate((7, 2, 4)):
        u[r, 1, :count, 0] = 0.5
    h, mu = u[:2] * 2, np.random.default_rng(0).random((1, 2, 10))
    p = Propensities(mu, mu, np.zeros((1, 10, 2)), np.ones((1, 2)), np.zeros(10, int), np.ones(1), [0])
    moves = choose_moves({"simulated": [ensemble(u)], "generated": [ensemble(u)]}, p)
    assert not moves.inherent
    np.testing.assert_allclose(moves.fields["simulated"], u[2, 1])
    moves = choose_moves({"simulated": [ensemble(u, h)], "generated": [ensemble(u)]}, p)
    assert not moves.inherent
    moves = choose_moves({"simulated": [ensemble(u, h)], "generated": [ensemble(u, h)]}, p)
    assert moves.inherent
    np.testing.assert_allclose(moves.fields["generated"], h[1, 1])


def test_the_verdict_says_by_how_much_at_the_worst_lag_beside_what_is_possible():
    skill = {"value": 0.6, "interval": [0.59, 0.61]}
    best = {"value": 0.8, "interval": [0.79, 0.81]}
    first = {"overlap": pair(1.0), "pearson": skill, "pearson_ceiling_sampler": best}
    found = metrics(
        (first, {}), ({"overlap": pair(1.5)}, {}), ({"overlap": pair(1.0), "mean_propensity": pair(1.0)}, {})
    )
    parts = {part.heading: list(part.lines) for part in verdict(found)}
    assert parts == {
        "Does not agree": [
            ("propensity (Pearson; t = 1)", "0.600, at best 0.800 (75\u00a0% of best)"),
            ("overlap (t = 10)", "1.50, simulation 1.00 (+50\u00a0%)"),
        ],
        "Agrees": [("mean propensity (t = 100)", "1.00, simulation 1.00 (+0.0\u00a0%)")],
    }
    assert count_words(found).startswith("1 of 3 main quantities agree with simulation; 2 do not (species A")
