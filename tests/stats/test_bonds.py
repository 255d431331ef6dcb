import numpy as np
import pytest
from gaussian_ensembles import jittered, lattice

from gensample.errors import ConfigError
from gensample.stats import pairs as bonds
from gensample.stats.pairs import initial_neighbors


def test_one_particle_that_leaves_breaks_its_four_bonds():
    x, box = lattice(6, 2)
    near = initial_neighbors(x, box, np.zeros(36, int), [[1.0]], 1.35)
    u = np.zeros((2, 36, 2))
    u[1, 14] = [2.5, 2.5]
    lost = bonds.bond_breaking(u, near)
    expected = np.zeros((2, 36))
    expected[1, 14] = 1.0
    expected[1, [13, 15, 8, 20]] = 0.25
    np.testing.assert_allclose(lost, expected)


def test_the_gap_between_the_cut_offs_forgives_vibrations():
    x, box = lattice(6, 2)
    near = initial_neighbors(x, box, np.zeros(36, int), [[1.0]], 1.35)
    u = np.zeros((1, 36, 2))
    u[0, 14, 0] = 0.6
    assert bonds.bond_breaking(u, near).sum() == 0
    assert bonds.bond_breaking(u, near, broken=1.5).sum() > 0


def test_moving_all_together_breaks_nothing_not_even_across_the_box():
    x, box = jittered(6, 3, np.random.default_rng(0))
    near = initial_neighbors(x, box, np.zeros(len(x), int), [[1.0]], 1.35)
    u = np.full((1, len(x), 3), 17.0)
    assert bonds.bond_breaking(u, near).max() == 0


def test_the_limit_scales_with_the_diameter_of_the_pair():
    x, box = np.array([[1.0, 1.0], [1.7, 1.0]]), np.full(2, 20.0)
    u = np.zeros((1, 2, 2))
    u[0, 1, 0] = 0.8  # from 0.7 to 1.5: beyond 1.7 * 0.8, within 1.7 * 1.0
    for sigma, expected in (([[1.0]], 0.0), ([[0.8]], 1.0)):
        near = initial_neighbors(x, box, np.zeros(2, int), sigma, 1.35)
        np.testing.assert_allclose(bonds.bond_breaking(u, near)[0], expected)


def test_particles_without_neighbours_have_no_value():
    x, box = np.array([[1.0, 1.0], [9.0, 9.0]]), np.full(2, 20.0)
    near = initial_neighbors(x, box, np.zeros(2, int), [[1.0]], 1.35)
    assert np.isnan(bonds.bond_breaking(np.zeros((1, 2, 2)), near)).all()


def test_a_limit_below_contact_is_refused():
    x, box = lattice(6, 2)
    near = initial_neighbors(x, box, np.zeros(36, int), [[1.0]], 1.35)
    with pytest.raises(ConfigError, match=r"1\.7 is usual"):
        bonds.bond_breaking(np.zeros((1, 36, 2)), near, broken=0.5)
