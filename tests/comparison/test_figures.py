from collections import defaultdict
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from gensample.comparison.figures import all_plates, known, limit
from gensample.comparison.result import Comparison
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
    metrics = Comparison({"meta": {"beside": ["mine"]}, "lags": lags})
    return replace(metrics, curves=defaultdict(list, {"s4": rows, "length_ranks": rows}))


def test_whatever_has_a_value_is_drawn_with_all_sources():
    found = content()
    drawn = {plate.name: plate.draw for plate in all_plates(found)}
    assert {
        name for name in drawn if name.startswith(("future", "inherent", "displacements", "functions"))
    } == {
        "displacements_A",
        "functions_1_A",
        "functions_2_A",
    }
    assert not known(found, "A", "s4_length")
    assert labels(drawn["displacements_A"]) == ["simulation", "generated", "mine"]
    assert labels(drawn["functions_1_A"]) == ["calibrated", "generated", "mine"]
    assert len(drawn["functions_2_A"]().axes) == 2


def labels(draw):
    return [line.get_label() for line in draw().axes[0].lines]


def test_the_name_of_a_file_is_no_formula():
    axes = Figure().subplots()
    axes.plot([0, 1], label=look_of(r"a$\no$b").label)
    axes.legend()
    axes.figure.draw_without_rendering()
    assert look_of("one") == look_of("one") != look_of("two")


def limits(*series):
    axes = Figure().subplots()
    limit(axes, [np.array(s, dtype=float) for s in series])
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
