"""What the sources of a comparison hold, inherent displacements included."""

import numpy as np
import pytest
from gaussian_ensembles import ensemble, redraw

from gensample.comparison.sources import check_names, sources_of
from gensample.errors import ConfigError
from gensample.stats.dynamics import Ensemble


@pytest.fixture
def simulated():
    e = ensemble(np.random.default_rng(0), replicas=6)
    energies = np.arange(12.0).reshape(6, 2)
    return Ensemble(
        e.positions, e.box, e.species, e.displacements, e.positions, 2 * e.displacements, energies
    )


@pytest.fixture
def found(simulated):
    drawn = redraw(simulated, np.random.default_rng(1), replicas=4)
    return sources_of(0, {"simulated": simulated, "generated": drawn, "other": drawn}, seed=3)


def test_halves_keep_fields_and_energies_together(simulated, found):
    for name, rows in (("first half", slice(0, 3)), ("second half", slice(3, 6))):
        np.testing.assert_array_equal(found[name].u, simulated.displacements[rows])
        np.testing.assert_array_equal(found[name].h, simulated.inherent_displacements[rows])
        np.testing.assert_array_equal(found[name].energies, simulated.inherent_energies[rows])


def test_few_quenched_fields_leave_the_halves_without(simulated):
    few = Ensemble(
        simulated.positions,
        simulated.box,
        simulated.species,
        simulated.displacements,
        inherent_displacements=simulated.inherent_displacements[:3],
        inherent_energies=simulated.inherent_energies[:3],
    )
    drawn = redraw(few, np.random.default_rng(1))
    found = sources_of(0, {"simulated": few, "generated": drawn}, seed=3)
    assert found["first half"].h is None
    assert len(found["first half"].u) == 3


def test_controls_shuffle_inherent_displacements_and_have_no_energies(simulated, found):
    """Climatology keeps every field's values, independent every particle's."""
    for name, axis in (("climatology", 2), ("independent", 0)):
        fields = found[name]
        assert fields.energies is None
        length = np.linalg.norm(fields.h, axis=-1)
        original = np.linalg.norm(simulated.inherent_displacements, axis=-1)
        assert not np.array_equal(length, original)
        np.testing.assert_array_equal(np.sort(length, axis=axis), np.sort(original, axis=axis))


def test_names_that_are_taken_are_refused():
    check_names({"harmonic": 0})
    for name in ("simulated", "generated", "first half", "independent", "all"):
        with pytest.raises(ConfigError, match="has such a source itself"):
            check_names({name: 0})
