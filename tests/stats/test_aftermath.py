import numpy as np
import pytest
import torch
from comparison.views import structure

from gensample.physics.minimize import minimize
from gensample.physics.mixtures import get_mixture
from gensample.seeding import numpy_generator
from gensample.stats import futures

KA2D = get_mixture("ka2d")


@pytest.fixture(autouse=True)
def one_tau(monkeypatch):
    monkeypatch.setattr(futures, "TIMES", (0.05, 0.5, 1.0))


def glass(temperature, replicas=2):
    """Vibrations about one inherent structure, which it does not leave soon."""
    rng = np.random.default_rng(0)
    place = structure(rng, size=8, spacing=0.93)
    x = torch.from_numpy(place.positions + 0.1 * rng.normal(size=place.positions.shape))
    species, box = torch.from_numpy(place.species), torch.from_numpy(place.box)
    inherent = minimize(x[None], species, box, KA2D, tolerance=1e-3).positions.numpy()
    starts = inherent + 0.05 * temperature**0.5 * rng.normal(size=(replicas, 64, 2))
    return starts, place.species, place.box, KA2D, temperature


def keys(number=2):
    return [numpy_generator(1, r) for r in range(number)]


def test_a_future_that_overlaps_comes_apart_elsewhere():
    starts, *rest = glass(0.1)
    whole = futures.aftermath(starts, *rest, keys())
    starts[1, :20:2] = starts[1, 1:21:2] + 0.1  # ten pairs of cores
    broken = futures.aftermath(starts, *rest, keys())
    assert whole.energy.shape == whole.overlap.shape == (2, 3)
    assert (whole.overlap[:, 0] == 1).all()
    np.testing.assert_array_equal(broken.energy[0], whole.energy[0])
    np.testing.assert_array_equal(broken.overlap[0], whole.overlap[0])
    assert np.isfinite(broken.energy).all()
    assert broken.energy[1, 0] > whole.energy[1, 0] + 0.5
    assert broken.energy[1, 2] < broken.energy[1, 0]
    assert broken.overlap[1, 2] < whole.overlap[1, 2] - 0.05


def test_lattice_vectors_and_the_drift_of_the_draw_do_not_matter():
    starts, species, box, *rest = glass(0.2)
    found = futures.aftermath(starts, species, box, *rest, keys())
    moved = futures.aftermath(starts + 3 * box, species, box, *rest, keys())
    np.testing.assert_allclose(moved.energy, found.energy, atol=1e-6)
    np.testing.assert_allclose(moved.overlap, found.overlap, atol=1 / 64 + 1e-9)
