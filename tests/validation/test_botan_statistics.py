"""Statistics of the public BOTAN data against the numbers in the project's design (section 5).

Those came from 15 configurations, 32 replicas each, of Shiba et al., J. Chem. Phys. 158, 084503 (2023),
T = 0.44, t = 4120; twelve of them are at hand here. Tolerances are half the 95 % interval of a bootstrap over
the twelve (given beside each number), which is generous, as most configurations are common to both sets.
"""

import chi4
import numpy as np
import pytest

from gensample.stats import dynamics, pairs, scores
from gensample.stats.dynamics import Ensemble

BOX = np.full(3, 15.05658)
EDGES = np.array([1.05, 1.15, 2.05, 2.15, 2.7, 2.8])
SHOWN = [0, 2, 4]  # the bins at r = 1.1, 2.1, 2.75; the others are the gaps between them


@pytest.fixture(scope="module")
def ensembles(shared_data):
    files = sorted((shared_data / "botan" / "T0.44").glob("*/isoconfig*.npz"))
    if len(files) != 12:
        pytest.skip("the twelve BOTAN configurations are not there")
    return [load(path) for path in files]


def load(path) -> Ensemble:
    with np.load(path) as data:
        u = data["positions"] - data["initial_positions"]
        u -= u.mean(axis=1, keepdims=True)
        return Ensemble(data["initial_positions"], BOX, data["types"], u[:, None])


@pytest.fixture(scope="module")
def lengths(ensembles):
    return [dynamics.magnitudes(e.displacements[:, 0, e.species == 0]) for e in ensembles]


@pytest.fixture(scope="module")
def split(lengths):
    found = [dynamics.split_variance(m) for m in lengths]
    return np.mean([s.delta for s in found]), np.mean([s.iso for s in found])


def test_predictability_and_ceilings(split):
    delta, iso = split
    assert dynamics.predictability(delta, iso) == pytest.approx(0.148, abs=0.027)  # [0.120, 0.175]
    assert dynamics.ceiling_exact(delta, iso / 32) == pytest.approx(0.921, abs=0.016)  # [0.902, 0.933]
    assert dynamics.ceiling_sampler(delta, iso / 32, iso / 32) == pytest.approx(0.847, abs=0.029)


def test_alpha2(lengths):
    moments = [np.mean([(m**k).mean() for m in lengths]) for k in (2, 4)]
    assert dynamics.alpha2_from_moments(*moments, 3) == pytest.approx(1.52, abs=0.26)  # [1.25, 1.78]


def test_distance_between_halves_of_the_replicas(lengths):
    """First sixteen against last sixteen replicas, all configurations pooled: 0.00767 for these twelve."""
    grid = scores.LENGTH_GRID
    first, second = (
        np.mean([scores.cdf_on(m[part].ravel(), grid) for m in lengths], axis=0)
        for part in (slice(16), slice(16, 32))
    )
    assert scores.wasserstein_from_gap(first - second, grid) == pytest.approx(0.0076, abs=2e-4)


def test_chi4(lengths):
    overlaps = [(m < dynamics.OVERLAP_LENGTH).mean(axis=1) for m in lengths]
    count = lengths[0].shape[1]
    within = np.mean([chi4.within(q, count) for q in overlaps])
    assert within == pytest.approx(13.1, abs=1.5)  # the interval of the design: 11.5-14.5
    assert chi4.between(overlaps, count) == pytest.approx(32, abs=26)  # [13, 64]


def test_chi4_of_the_independent_control(lengths):
    rng = np.random.default_rng(0)
    count = lengths[0].shape[1]
    shuffled = [rng.permuted(m, axis=0) < dynamics.OVERLAP_LENGTH for m in lengths]
    value = np.mean([chi4.within(stays.mean(axis=1), count) for stays in shuffled])
    assert value == pytest.approx(0.19, abs=0.03)


def test_displacement_correlations(ensembles, lengths, split):
    """Second digit of the design's values as tolerance: they are rounded, and read from other bins."""
    total = np.zeros((4, len(EDGES) - 1))
    for e in ensembles:
        members = e.species == 0
        close = pairs.close_pairs(e.positions[members], e.box, EDGES[-1])
        total += np.stack(pairs.correlation_sums(e.displacements[:, 0, members], close, EDGES))
    second = np.mean([(m**2).mean() for m in lengths])
    found = pairs.normalise(pairs.CorrelationSums(*total), second, split[1], 3)
    np.testing.assert_allclose(found.longitudinal[SHOWN], [0.25, 0.09, 0.05], atol=0.01)
    np.testing.assert_allclose(found.transverse[SHOWN], [0.06, 0.016, 0.008], atol=0.002)
    np.testing.assert_allclose(found.mobility[SHOWN], [0.29, 0.17, 0.12], atol=0.01)
