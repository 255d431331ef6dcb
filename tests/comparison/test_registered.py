import numpy as np
from matplotlib.figure import Figure

from gensample.comparison.content import Content
from gensample.comparison.metrics import Metrics
from gensample.comparison.registered_figures import _limit, draw_functions, draw_numbers, functions, numbers
from gensample.report.style import look_of


def pair(value, spread=0.1):
    bounds = [[np.add(v, -spread).tolist(), np.add(v, spread).tolist()] for v in value]
    interval = [np.transpose(b).tolist() for b in bounds]
    return {"value": value, "interval": interval, "correlation": 0.0}


def content():
    """Two lags of one species: a number beside another source, one without a value, and a function."""
    blocks = {
        "generated": {
            "cr_msd": pair([1.0, 2.0]),
            "s4_length": {"value": [None, None], "interval": [None, None]},
            "s4": pair([[1.0, 2.0], [3.0, 4.0]]),
            "length_ranks": {"value": [1.0, 1.1], "interval": [[0.9, 1.1], [1.0, 1.2]]},
        },
        "mine": {"cr_msd": pair([1.0, 3.0])},
    }
    lags = [{"time": t, "species": {"A": blocks}} for t in (1.0, 10.0)]
    rows = [
        {"time": t, "species": "A", "source": s, "x": x, "value": x, "lo": x - 0.1, "hi": x + 0.1}
        for t in (1.0, 10.0)
        for s in ("simulated", "generated", "mine")
        for x in (0.5, 1.0)
    ]
    metrics = Metrics({"meta": {"beside": ["mine"]}, "lags": lags})
    return Content(metrics, {"s4": rows, "length_ranks": rows})


def test_whatever_has_a_value_is_drawn_with_all_sources():
    found = content()
    (of,) = numbers(found, ("future", "inherent", "displacements"))
    assert (of[0], of[1], [q.name for q in of[2]]) == ("displacements", "A", ["cr_msd"])
    axes = draw_numbers(found, "A", of[2]).axes[0]
    assert [line.get_label() for line in axes.lines] == ["simulation", "generated", "mine"]
    by_axis = {
        tuple(q.name for q in quantities): (group, quantities) for group, quantities in functions(found)
    }
    assert set(by_axis) == {("length_ranks",), ("s4",)}
    ranks, s4 = (draw_functions(found, *by_axis[names]) for names in (("length_ranks",), ("s4",)))
    assert [line.get_label() for line in ranks.axes[0].lines] == ["calibrated", "generated", "mine"]
    assert len(s4.axes) == 2


def test_the_name_of_a_file_is_no_formula():
    axes = Figure().subplots()
    axes.plot([0, 1], label=look_of(r"a$\no$b").label)
    axes.legend()
    axes.figure.draw_without_rendering()
    assert look_of("one") == look_of("one") != look_of("two")


def limits(*series):
    axes = Figure().subplots()
    _limit(axes, [np.array(s, dtype=float) for s in series])
    return axes, axes.get_ylim()


def test_wide_intervals_do_not_hide_the_values():
    _, (low, high) = limits([[1.0, 0.5, 1e9]], [[2.0, -1e9, np.nan]])
    assert -4.0 < low < 0.5
    assert 2.0 < high < 6.0


def test_energies_of_overlapping_particles_are_on_a_logarithmic_scale():
    axes, (low, high) = limits([[-3.0, -3.1, -2.9]], [[1e13, -1e14, 1e14]])
    assert axes.get_yscale() == "symlog"
    assert low < -3.0
    assert high > 1e13


def test_one_value_without_an_interval_has_room():
    _, (low, high) = limits([[2.0, np.nan, np.nan]], [[2.0, np.nan, np.nan]])
    assert low < 2.0 < high
