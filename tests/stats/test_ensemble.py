import numpy as np
import pytest
import torch
from gaussian_ensembles import ensemble

from gensample.errors import DataError
from gensample.stats.dynamics import Ensemble, as_array


def good() -> dict:
    rng = np.random.default_rng(0)
    return {
        "positions": rng.uniform(0, 4, (5, 2)),
        "box": np.full(2, 4.0),
        "species": np.array([0, 1, 0, 0, 1]),
        "displacements": rng.normal(size=(3, 2, 5, 2)),
    }


def test_sizes():
    e = Ensemble(**good())
    assert (e.num_replicas, e.num_lags, e.num_particles, e.dimension, e.num_species) == (3, 2, 5, 2, 2)


def test_as_array_detaches_and_widens():
    x = torch.ones(3, dtype=torch.float32, requires_grad=True)
    assert as_array(x).dtype == np.float64


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("positions", np.zeros((5, 4)), "an ensemble needs"),
        ("box", np.ones(3), "an ensemble needs"),
        ("species", np.zeros(4, int), "an ensemble needs"),
        ("displacements", np.zeros((3, 5, 2)), "an ensemble needs"),
        ("displacements", np.zeros((0, 2, 5, 2)), "an ensemble needs"),
    ],
)
def test_bad_input_is_named_with_its_cure(name, value, message):
    with pytest.raises(DataError, match=message):
        Ensemble(**{**good(), name: value})


def test_synthetic_ensembles_are_valid():
    assert ensemble(np.random.default_rng(1)).num_particles == 36
