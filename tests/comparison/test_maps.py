import numpy as np
import pytest
from matplotlib.colors import Normalize

from gensample.comparison.maps import SLAB, discs, typical_configuration, visible, with_images
from gensample.comparison.result import Propensities
from gensample.report.style import canvas


def propensities(simulated, generated, dimension=2):
    count, _, particles = simulated.shape
    x = np.random.default_rng(0).uniform(-10, 20, (count, particles, dimension))
    box, species = np.full((count, dimension), 10.0), np.zeros(particles, int)
    return Propensities(simulated, generated, x, box, species, np.ones(1), range(count))


def test_the_median_configuration_is_shown_not_the_best():
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(5, 1, 400))
    noise = np.array([0.1, 3.0, 1.0, 0.3, 9.0])[:, None, None] * rng.normal(size=truth.shape)
    assert typical_configuration(propensities(truth, truth + noise)) == 2


def test_a_slab_of_the_middle_is_shown_in_three_dimensions():
    mu = np.zeros((1, 1, 4000))
    p = propensities(mu, mu, dimension=3)
    shown = visible(p, 0)
    height = np.mod(p.positions[0, shown, 2], 10.0)
    assert height.min() > 5 - SLAB / 2
    assert height.max() < 5 + SLAB / 2
    assert shown.mean() == pytest.approx(SLAB / 10, abs=0.03)
    assert visible(propensities(mu, mu), 0).all()


def test_discs_at_the_edge_have_images_on_the_other_side():
    x = np.array([[5.0, 4.0], [7.0, 7.0], [0.1, 4.0], [9.9, 7.9]])
    mu = np.zeros((1, 1, 4))
    p = Propensities(mu, mu, x[None], np.array([[10.0, 8.0]]), np.zeros(4, int), np.ones(1), [0])
    at, which = with_images(p, 0, np.array([True, False, True, True]))
    assert np.bincount(which).tolist() == [1, 0, 2, 4]
    assert sorted(map(tuple, at[which == 2].round(6))) == [(0.1, 4.0), (10.1, 4.0)]


def test_discs_have_the_diameters_of_the_mixture():
    x = np.array([[5.0, 4.0], [7.0, 7.3]])
    mu = np.zeros((1, 1, 2))
    p = Propensities(mu, mu, x[None], np.array([[10.0, 8.0]]), np.array([0, 1]), np.array([0.6, 1.5]), [0])
    _, axes = canvas(1, 1, 2.0)
    drawn = discs(axes[0, 0], p, 0, np.array([True, True]), mu[0, 0], Normalize(0, 1))
    # The second reaches over the upper edge, the first over none.
    assert drawn.get_widths().tolist() == [1.5, 0.6, 1.5]
