import numpy as np
import pytest
import torch
from gaussian_ensembles import ensemble

from gensample.errors import DataError
from gensample.stats.ensemble import Ensemble, as_array


def good() -> dict:
    rng = np.random.default_rng(0)
    return {
        "positions": rng.uniform(0, 4, (5, 2)),
        "box": np.full(2, 4.0),
        "species": np.array([0, 1, 0, 0, 1]),
        "displacements": rng.normal(size=(3, 2, 5, 2)),
    }


def test_sizes_and_members():
    e = Ensemble(**good())
    assert (e.num_replicas, e.num_lags, e.num_particles, e.dimension, e.num_species) == (3, 2, 5, 2, 2)
    assert e.members(1).tolist() == [1, 4]
    assert e.displacements.dtype == np.float32
    assert e.fields(1).dtype == np.float64
    assert e.fields(1).shape == (3, 5, 2)


def test_torch_tensors_are_the_same_ensemble():
    a, b = Ensemble(**good()), Ensemble(**{k: torch.as_tensor(v) for k, v in good().items()})
    for name in good():
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_as_array_detaches_and_widens():
    x = torch.ones(3, dtype=torch.float32, requires_grad=True)
    assert as_array(x).dtype == np.float64


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("positions", np.zeros((2, 5, 2)), "one configuration at a time"),
        ("positions", np.zeros((5, 4)), "shape"),
        ("box", np.ones(3), "edge lengths"),
        ("box", np.array([4.0, -1.0]), "positive"),
        ("species", np.zeros(4, int), "species must have shape"),
        ("species", np.array([1, 2, 1, -1, 2]), "subtract the lowest"),
        ("displacements", np.zeros((3, 5, 2)), "add an axis"),
        ("displacements", np.zeros((0, 2, 5, 2)), "at least one replica"),
        ("displacements", np.full((3, 2, 5, 2), np.nan), "not finite"),
        ("positions", np.full((5, 2), np.inf), "not finite"),
    ],
)
def test_bad_input_is_named_with_its_cure(name, value, message):
    with pytest.raises(DataError, match=message):
        Ensemble(**{**good(), name: value})


def test_synthetic_ensembles_are_valid():
    assert ensemble(np.random.default_rng(1)).num_particles == 36
