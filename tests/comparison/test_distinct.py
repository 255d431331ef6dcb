import numpy as np
import pytest

from gensample.comparison.pairing import check_configurations, check_distinct
from gensample.errors import DataError


@pytest.fixture
def fields():
    """Simulated (5, 2, 30, 2) and generated (4, 2, 30, 2)."""
    u = 0.2 * np.random.default_rng(0).normal(size=(9, 2, 30, 2)).astype(np.float32)
    return u[:5], u[5:]


def test_other_fields_pass(fields):
    check_distinct(*fields, 0)


@pytest.mark.parametrize("rounding", [0.0, 2.0**-10])
@pytest.mark.parametrize("lag", [0, 1])
def test_a_simulated_field_in_the_sample_is_found(fields, lag, rounding):
    sim, gen = fields
    copied = sim[3, lag]
    gen[2, lag] = np.round(copied / rounding) * rounding if rounding else copied
    with pytest.raises(
        DataError, match=rf"simulated replica 3 and generated replica 2 of configuration 7 .*{lag}"
    ):
        check_distinct(sim, gen, 7)


def test_a_field_twice_in_the_sample_is_found(fields):
    sim, gen = fields
    gen[3] = gen[1]
    with pytest.raises(DataError, match="generated replica 1 and generated replica 3"):
        check_distinct(sim, gen, 0)


def test_fields_that_share_their_first_particles_are_two(fields):
    sim, gen = fields
    gen[0, :, :-1] = sim[0, :, :-1]
    check_distinct(sim, gen, 0)


def test_small_displacements_are_not_taken_for_equal(fields):
    sim, gen = (1e-4 * u for u in fields)
    check_distinct(sim, gen, 0)
    gen[0] = sim[0]
    with pytest.raises(DataError, match="one field"):
        check_distinct(sim, gen, 0)


def test_a_copied_structure_is_found_whatever_its_image():
    x = np.random.default_rng(0).uniform(0, 5, size=(7, 20, 2))
    box = np.full((7, 2), 5.0)
    sim, gen = x[:4], x[4:]
    check_configurations(sim, gen, box[:4], box[4:])
    gen[1] = sim[2] + [5.0, -10.0] + 1e-6
    with pytest.raises(DataError, match="simulated configuration 2 and generated configuration 1"):
        check_configurations(sim, gen, box[:4], box[4:])
    check_configurations(sim[:, :15], x[4:6], box[:4], box[4:6])  # sets of other N have none in common
    with pytest.raises(DataError, match="generated configuration 0 and generated configuration 2"):
        check_configurations(sim[:, :15], x[[4, 6, 4]], box[:4], box[4:])
