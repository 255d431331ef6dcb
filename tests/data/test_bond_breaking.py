"""Bond-breaking propensities served in place of displacements, against a count by hand."""

import numpy as np
import pytest
import torch
from lattices import write_glasses
from synthetic import BOX, LAGS, served, write_dataset

from gensample.data.store import Store
from gensample.data.views import BondBreakingView
from gensample.errors import ConfigError
from gensample.physics.mixtures import get_mixture
from gensample.stats.pairs import BOND_BROKEN, BOND_FORMED


@pytest.fixture
def path(tmp_path):
    return write_dataset(tmp_path / "small.h5")


def counted(path, row):
    """Fraction lost (R, K, N), pair by pair."""
    with Store.open(path) as store:
        x, u, species = store.positions[row], store.displacements(row).astype(float), store.species
    sigma = np.array(get_mixture("ka2d").sigma)[species[:, None], species[None]]
    apart = x[None] - x[:, None]
    apart -= BOX * np.round(apart / BOX)
    near = (np.linalg.norm(apart, axis=-1) < BOND_FORMED * sigma) & ~np.eye(len(x), dtype=bool)
    after = np.linalg.norm(apart + u[:, :, None, :] - u[:, :, :, None], axis=-1)
    lost = (after > BOND_BROKEN * sigma) & near
    return lost.sum(-1) / np.maximum(near.sum(-1), 1)


def test_mean_and_spread_over_replicas_against_a_count(path):
    expected = counted(path, 1)
    assert 0.02 < expected.mean() < 0.98
    module = served(path, quantity="bond_breaking", cutoff=1.5)
    np.testing.assert_allclose(module.per_particle("propensity", [1])[0], expected.mean(0).T, atol=1e-6)
    np.testing.assert_allclose(module.per_particle("spread", [1])[0], expected.std(0, ddof=1).T, atol=1e-6)
    batch = module.batch([1], generator=None)
    torch.testing.assert_close(batch.propensity, module.per_particle("propensity", [1])[0])


def test_chosen_lags_only(path):
    module = served(path, quantity="bond_breaking", cutoff=1.5, lags=[LAGS[1]])
    np.testing.assert_allclose(
        module.per_particle("propensity", [1])[0, :, 0], counted(path, 1).mean(0)[1], atol=1e-6
    )


def averages_only(tmp_path, bonds):
    u = np.random.default_rng(0).uniform(size=(2, 2, 2, 20))
    averages = {"propensity": u[0], "bond_breaking": u[1] if bonds else None}
    path = tmp_path / f"averages-{bonds}.h5"
    return write_glasses(path, particles=20, times=[1.0, 2.0], **averages)


def test_stored_averages(tmp_path):
    path = averages_only(tmp_path, bonds=True)
    module = served(path, quantity="bond_breaking", cutoff=1.5)
    with Store.open(path) as store:
        np.testing.assert_allclose(
            module.per_particle("propensity", [0])[0].T, store.bond_breaking[0], atol=1e-6
        )


def test_neither_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="neither displacements nor"):
        BondBreakingView(averages_only(tmp_path, bonds=False))
