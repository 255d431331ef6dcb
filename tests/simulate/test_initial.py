import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gensample.simulate.start import lattice_melt, maxwell_boltzmann


def test_velocities_are_maxwell_boltzmann():
    v = maxwell_boltzmann(20000, 3, 0.44, np.random.default_rng(1))
    # Kolmogorov-Smirnov against the normal distribution of variance T; 60,000 values tell 1 % apart.
    assert stats.kstest(v.ravel() / np.sqrt(0.44), "norm").pvalue > 0.01
    assert stats.kstest(v.ravel() / np.sqrt(0.45), "norm").pvalue < 0.05
    assert np.abs(np.corrcoef(v.T) - np.eye(3)).max() < 0.03


def test_velocities_carry_no_momentum():
    v = maxwell_boltzmann(50, 2, 1.0, np.random.default_rng(1))
    assert np.abs(v.mean(0)).max() < 1e-15


def test_kinetic_temperature_of_small_systems_is_unbiased():
    # d (N - 1) degrees of freedom are left when the momentum is removed.
    generator = np.random.default_rng(2)
    kinetic = [(maxwell_boltzmann(5, 2, 0.5, generator) ** 2).sum() for _ in range(4000)]
    assert np.mean(kinetic) / (2 * (5 - 1)) == pytest.approx(0.5, rel=0.03)


@given(st.integers(1, 200), st.sampled_from([2, 3]), st.integers(0, 5))
def test_lattice_fills_the_box_without_overlap(particles, dimension, seed):
    box = np.full(dimension, 6.5)
    x = lattice_melt(particles, box, np.random.default_rng(seed))
    assert x.shape == (particles, dimension)
    assert ((x > 0) & (x < box)).all()
    side = np.ceil(round(particles ** (1 / dimension), 9))
    apart = np.abs(x[:, None] - x[None])
    distance = np.linalg.norm(np.minimum(apart, box - apart), axis=-1)[~np.eye(particles, dtype=bool)]
    assert distance.size == 0 or distance.min() > 6.5 / side - 1e-9


def test_lattice_is_disordered_by_its_generator():
    box = np.full(2, 7.0)
    first = lattice_melt(30, box, np.random.default_rng(0))
    assert (first == lattice_melt(30, box, np.random.default_rng(0))).all()
    assert (first != lattice_melt(30, box, np.random.default_rng(1))).any()
