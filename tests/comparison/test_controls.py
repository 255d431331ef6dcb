import chi4
import numpy as np
import pytest
from gaussian_ensembles import ensemble

from gensample.comparison import sources as controls
from gensample.errors import DataError
from gensample.seeding import numpy_generator
from gensample.stats import dynamics
from gensample.stats.dynamics import magnitudes, propensity, split_variance


@pytest.fixture
def original():
    return ensemble(np.random.default_rng(0), replicas=8, joint=0.5)


def test_climatology_permutes_fields_within_species(original):
    u = original.displacements
    shuffled = controls.climatology(u, original.species, numpy_generator(1))
    for species in range(2):
        members = original.members(species)
        for r in range(len(u)):
            was, now = u[r][:, members].swapaxes(0, 1), shuffled[r][:, members].swapaxes(0, 1)
            assert sorted(map(bytes, was.copy())) == sorted(map(bytes, now.copy()))
    assert not np.array_equal(u, shuffled)


def test_climatology_loses_the_structure_and_keeps_the_overlap(original):
    u = original.displacements
    shuffled = controls.climatology(u, original.species, numpy_generator(1))
    assert (
        abs(split_variance(magnitudes(shuffled[:, 0])).delta) < split_variance(magnitudes(u[:, 0])).delta / 2
    )
    np.testing.assert_allclose(dynamics.overlap(shuffled), dynamics.overlap(u))


def test_independent_keeps_every_particle_and_breaks_every_field(original):
    u = original.displacements
    split = controls.independent(u, numpy_generator(1))
    np.testing.assert_allclose(propensity(split), propensity(u), rtol=1e-6)
    for i in range(5):
        assert sorted(map(bytes, u[:, :, i].copy())) == sorted(map(bytes, split[:, :, i].copy()))
    assert split[:, 0, 0].tolist() != u[:, 0, 0].tolist() or split[:, 0, 1].tolist() != u[:, 0, 1].tolist()


def test_independent_removes_common_motion():
    together = ensemble(np.random.default_rng(2), size=10, replicas=40, species=1, joint=0.95, scale=0.3)
    u = together.displacements[:, 0]
    split = controls.independent(together.displacements, numpy_generator(1))[:, 0]
    before, after = (chi4.within(dynamics.overlap(v), 100) for v in (u, split))
    assert after < 0.35 < before


def test_lags_of_a_replica_stay_together(original):
    """In a field where lag 1 is twice lag 0, both controls keep that."""
    u = original.displacements.copy()
    u[:, 1] = 2 * u[:, 0]
    for made in (
        controls.climatology(u, original.species, numpy_generator(1)),
        controls.independent(u, numpy_generator(1)),
    ):
        np.testing.assert_array_equal(made[:, 1], 2 * made[:, 0])


def test_halves_are_the_first_and_second_replicas(original):
    first, second = controls.halves(original.displacements[:7])
    np.testing.assert_array_equal(first, original.displacements[:3])
    np.testing.assert_array_equal(second, original.displacements[3:6])
    with pytest.raises(DataError, match="at least 4 replicas"):
        controls.halves(original.displacements[:3])


def test_same_seed_same_control(original):
    u = original.displacements
    for make in (
        lambda g: controls.climatology(u, original.species, g),
        lambda g: controls.independent(u, g),
    ):
        np.testing.assert_array_equal(make(numpy_generator(4)), make(numpy_generator(4)))
        assert not np.array_equal(make(numpy_generator(4)), make(numpy_generator(5)))
