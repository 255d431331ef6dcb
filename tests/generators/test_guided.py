"""Guided runs: a temperature for each particle, from a field of log mobility."""

import numpy as np
import pytest
import torch

from gensample import zoo
from gensample.data.store import Store
from gensample.errors import ConfigError, DataError
from gensample.generators.base import starts
from gensample.generators.guided import LEVELS, Guided, factors
from gensample.generators.heated import Phase
from gensample.generators.mobility_field import fit_mobility_field
from gensample.release import keep_generator

STEP = 0.005
SHAPE = {"num_species": 2, "num_lags": 3}


@pytest.fixture(scope="module")
def data():
    with Store.open("ka2d-mini") as store:
        rows = store.indices("train")[:4]
        known = [np.asarray(store.displacements(int(row))) for row in rows]
        fields = dict(zip(rows.tolist(), known, strict=True))
        return starts(store, rows, store.inherent[rows]), fields


@pytest.fixture(scope="module")
def field(data):
    return fit_mobility_field(data[0], data[1].__getitem__)


@pytest.fixture
def guided(field):
    stages = [[[None, STEP]], [[0.9, STEP]], [[0.9, STEP], [None, STEP]]]
    made = Guided([1.0, 10.0, 100.0], stages, [0.0, 0.3, 0.3], {**SHAPE, "columns": field.mean.shape[1]})
    made.load_state_dict(field.state_dict())
    return made


def test_factors_are_levels_that_follow_the_field():
    expected = np.random.default_rng(0).normal(size=500)
    found = factors(expected, 0.1)
    assert len(np.unique(found)) == LEVELS
    # One standard deviation of the field is 10 %.
    assert np.log(found).std() == pytest.approx(0.1, rel=0.1)
    assert np.corrcoef(found, expected)[0, 1] > 0.9
    # A configuration that is to move more than those of the training split is hotter as a whole.
    np.testing.assert_allclose(factors(expected + 1.0, 0.1), found * np.exp(0.1))
    assert (factors(expected, 0.0) == 1.0).all()


@pytest.mark.parametrize("program", ["lammps", "batches"])
def test_particles_have_the_temperatures_of_their_levels(program, request, guided, data, field):
    """u = v dt for one step, of as many runs as fix the variance of a level to 4 %."""
    start = data[0][1]
    u = guided.use(request.getfixturevalue(program)).draw(start, range(12), 0)[:, 1]
    with torch.no_grad():
        expected = field.standardised(field.read(start))[:, 1]
    factor = factors(expected, 0.3)
    for level in np.unique(factor):
        variance = u[:, factor == level].astype(np.float64).var() / STEP**2
        assert variance == pytest.approx(max(0.9 * level, 0.45), rel=0.1)


def test_both_programs_go_the_same_way(lammps, batches, guided, data):
    """From the same velocities: chains of thermostats for the same particles."""
    guided.recipes = (guided.recipes[0], (Phase(0.9, 0.1),), guided.recipes[2])
    ours, theirs = (guided.use(each).draw(data[0][0], [0], 0)[:, 1] for each in (batches, lammps))
    assert np.abs(ours - theirs).max() < 2e-4 * np.abs(ours).max()


def test_a_folder_holds_the_field(tmp_path, guided, data):
    init = {
        **{"lag_time": [1.0, 10.0, 100.0], "gain": [0.0, 0.3, 0.3]},
        "stages": [[list(phase) for phase in recipe] for recipe in guided.recipes],
        "mobility": {**SHAPE, "columns": guided.mobility.mean.shape[1]},
    }
    block = {"class_path": "gensample.generators.guided.Guided", "init_args": init}
    keep_generator(tmp_path / "model", block, {}, "# a card\n", guided.state_dict())
    again = zoo.load_model(tmp_path / "model")
    for name, tensor in guided.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)
    found, known = again.read(data[0][0]), guided.read(data[0][0])
    assert found.keys() == known.keys() == {1, 2}
    assert all((found[lag] == known[lag]).all() for lag in found)
    (alone,) = again.at(100.0).read(data[0][0]).values()
    assert (alone == known[2]).all()
    (tmp_path / "model" / zoo.WEIGHTS).unlink()
    with pytest.raises(DataError, match="no weight file"):
        zoo.load_model(tmp_path / "model")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"gain": [0.1]}, "model.gain"),
        ({"gain": [0.1, -0.1, 0.0]}, "model.gain"),
        ({"mobility": {"num_species": 2}}, "model.mobility"),
        ({"mobility": {**SHAPE, "num_lags": 2, "columns": 5}}, "num_lags"),
        ({"mobility": {**SHAPE, "columns": 10**9}}, "columns"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong, named):
    right = {"gain": [0.1, 0.1, 0.1], "mobility": {**SHAPE, "columns": 5}}
    stages = [[[0.9, 1.0], [None, 1.0]]] * 3
    with pytest.raises(ConfigError, match=named):
        Guided([1.0, 10.0, 100.0], stages, **(right | wrong))
