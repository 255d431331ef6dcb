import numpy as np
from gaussian_ensembles import jittered, lattice

from gensample.stats.pairs import cage_relative, initial_neighbors


def near(x, box):
    return initial_neighbors(x, box, np.zeros(len(x), int), [[1.0]], 1.35)


def test_agrees_with_a_loop_over_the_neighbours():
    rng = np.random.default_rng(0)
    x, box = jittered(5, 3, rng)
    u, around = rng.normal(size=(4, len(x), 3)), near(x, box)
    expected = u.copy()
    for i in range(len(x)):
        expected[:, i] -= u[:, around.other[around.start[i] : around.start[i + 1]]].mean(axis=1)
    np.testing.assert_allclose(cage_relative(u, around), expected, atol=1e-12)


def test_long_waves_vanish_and_single_moves_stay():
    """A wave of length L on a square lattice keeps 1 - (1 + cos k) / 2 of itself, a lone move all."""
    x, box = lattice(20, 2)
    wave = np.zeros((1, 400, 2))
    wave[0, :, 0] = np.sin(2 * np.pi * x[:, 1] / box[1])
    left = (1 - np.cos(2 * np.pi / 20)) / 2
    np.testing.assert_allclose(cage_relative(wave, near(x, box)), left * wave, atol=1e-12)
    lone = np.zeros((1, 400, 2))
    lone[0, 7, 0] = 1.0
    assert cage_relative(lone, near(x, box))[0, 7, 0] == 1.0


def test_a_particle_without_neighbours_keeps_its_displacement():
    x, box = np.array([[1.0, 1.0], [9.0, 9.0], [9.0, 10.0]]), np.full(2, 20.0)
    u = np.arange(12.0).reshape(2, 3, 2)
    np.testing.assert_allclose(cage_relative(u, near(x, box))[:, 0], u[:, 0])
