"""Heated runs: the temperature of each phase, fresh velocities, keys of the random numbers, refusals."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gensample.errors import ConfigError
from gensample.generators.heated import Heated, Phase
from gensample.physics.box import wrap
from gensample.simulate.programs import Torch

STEP = 0.005


@pytest.fixture(params=["lammps", "batches"])
def dynamics(request):
    return request.getfixturevalue(request.param)


def variance(fields):
    """Of a component, over particles and replicas, in units of a time step squared."""
    return fields.astype(np.float64).var() / STEP**2


def test_one_step_has_the_temperature_of_its_phase(dynamics, start):
    """u = v dt for one step: 8 replicas of 500 particles fix the variance to 1.6 %; forces add 0.1 %."""
    hot, own = [[0.9, STEP]], [[None, STEP]]
    fields = Heated([1.0, 2.0], [hot, own]).use(dynamics).draw(start, range(8), 0)
    assert fields.shape == (8, 2, 500, 2)
    assert fields.dtype == np.float32
    assert np.abs(fields.mean(2)).max() < 1e-6
    assert variance(fields[:, 0]) == pytest.approx(0.9, rel=0.05)
    assert variance(fields[:, 1]) == pytest.approx(start.temperature, rel=0.05)


def test_every_phase_has_fresh_velocities(dynamics, start):
    """Independent steps: variances add. Going on with the same ones would double the first's step."""
    fields = Heated([1.0], [[[0.6, STEP], [0.9, STEP], [None, STEP]]]).use(dynamics).draw(start, range(8), 0)
    assert variance(fields) == pytest.approx(0.6 + 0.9 + 0.45, rel=0.05)


def test_one_lag_alone(start):
    """Its own recipe and name of weights, whichever others there are; the generator itself stays as it is."""
    both = Heated([1.0, 2.0], [[[0.9, STEP]], [[None, STEP], [None, STEP]]])
    both.digest, batch = "given", Torch("cpu")
    one = both.at(2.0)
    assert one.reads.lags == one.lag_time == (2.0,)
    assert one.digest not in ("given", both.at(1.0).digest)
    expected = Heated([2.0], [[[None, STEP], [None, STEP]]]).use(batch).draw(start, [0], 5)
    np.testing.assert_array_equal(one.use(batch).draw(start, [0], 5), expected)
    assert both.lag_time == (1.0, 2.0)
    assert both.digest == "given"
    with pytest.raises(ConfigError, match=r"draws at lag times \[1.0, 2.0\], not at 3"):
        both.at(3.0)


def test_heat_leaves_by_friction_and_noise(start):
    """In the phase at the temperature of the data after hotter ones, and there alone."""
    seen = []

    class Still:
        def run(self, system, timestep, legs, folder):
            seen.extend((leg.temperature, leg.thermostat) for leg in legs)
            return [leg.positions[None] for leg in legs]

    stages = [[[None, 1.0]], [[0.8, 5.0], [0.6, 3.0], [None, 3.0]]]
    Heated([1.0, 10.0], stages).use(Still()).draw(start, [0], 0)
    assert seen == [(0.45, "nose-hoover"), (0.8, "nose-hoover"), (0.6, "nose-hoover"), (0.45, "langevin")]


def test_displacements_go_on_through_the_box(dynamics, start):
    """Of particles at the boundary, too, over two phases, as if the box lay elsewhere.

    At a temperature of its own: the noise of LAMMPS is given out by places in its memory.
    """
    stages = [[[0.9, 0.2], [0.5, 0.1]]]
    fields = Heated([1.0], stages).use(dynamics).draw(start, range(2), 0)
    torch = pytest.importorskip("torch")
    box = torch.from_numpy(start.box)
    moved = wrap(torch.from_numpy(start.positions + start.box / 2), box).numpy()
    elsewhere = type(start)(**{**vars(start), "positions": moved})
    again = Heated([1.0], stages).use(dynamics).draw(elsewhere, range(2), 0)
    assert np.abs(again - fields).max() < 0.02
    assert 0.05 < np.linalg.norm(fields, axis=-1).mean() < 0.5


def test_a_field_is_keyed_by_seed_row_replica_and_lag_alone(dynamics, start):
    heated = Heated([1.0, 10.0], [[[None, 0.01]], [[0.6, 0.02], [None, 0.01]]]).use(dynamics)
    fields = heated.draw(start, range(4), 7)
    assert np.allclose(heated.draw(start, [3, 1], 7), fields[[3, 1]], atol=1e-6)
    first = Heated([1.0], [[[None, 0.01]]]).use(dynamics)
    assert np.allclose(first.draw(start, [2], 7)[:, 0], fields[[2], 0], atol=1e-6)
    other = type(start)(**{**vars(start), "row": 4})
    flat = [f.reshape(-1) for f in (*fields[:, 0], *fields[:, 1])]
    flat += [heated.draw(start, [0], 8)[0, 0].reshape(-1), heated.draw(other, [0], 7)[0, 0].reshape(-1)]
    assert np.abs(np.corrcoef(flat) - np.eye(len(flat))).max() < 0.2


def test_cost_is_the_time_of_its_phases():
    heated = Heated([1.0, 10.0], [[[None, 1.0]], [[0.6, 5.0], [None, 3.0]]])
    assert [heated.cost(k) for k in range(2)] == [1.0, 8.0]
    assert heated.recipes[1] == (Phase(0.6, 5.0), Phase(None, 3.0))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"lag_time": [2.0, 1.0]}, "ascending"),
        ({"lag_time": "10"}, "ascending"),
        ({"lag_time": [1.0, -3.0]}, r"lag_time\[1\] must be positive"),
        ({"stages": [[[0.6, 1.0]]]}, "for each of 2 lags"),
        ({"stages": [[[0.6]], [[0.6, 1.0]]]}, "for each of 2 lags"),
        ({"stages": [[], [[0.6, 1.0]]]}, "for each of 2 lags"),
        ({"stages": None}, "for each of 2 lags"),
        ({"stages": [[[0.6, 0.0]], [[0.6, 1.0]]]}, "a time must be positive"),
        ({"stages": [[[-1, 1.0]], [[0.6, 1.0]]]}, "a temperature must be positive"),
        ({"stages": [[["hot", 1.0]], [[0.6, 1.0]]]}, "a temperature must be positive"),
        ({"stages": [[[0.6, 1e9]], [[0.6, 1.0]]]}, "steps"),
        ({"timestep": 1.0}, "timestep"),
        ({"domain": {"mixture": 3}}, "domain"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong, named):
    with pytest.raises(ConfigError, match=named):
        Heated(**{"lag_time": [1.0, 2.0], "stages": [[[None, 1.0]], [[0.6, 1.0]]], **wrong})


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3))
TREES = st.recursive(
    LEAVES, lambda x: st.one_of(st.lists(x, max_size=3), st.dictionaries(st.text(max_size=2), x))
)


@settings(max_examples=40)
@given(lag_time=TREES, stages=TREES, timestep=LEAVES, domain=TREES)
def test_whatever_a_config_says_is_made_or_refused(lag_time, stages, timestep, domain):
    for odd in ({"lag_time": lag_time}, {"stages": stages}, {"timestep": timestep}, {"domain": domain}):
        with suppress(ConfigError):
            Heated(**{"lag_time": [1.0, 2.0], "stages": [[[None, 1.0]], [[0.6, 1.0]]], **odd})
