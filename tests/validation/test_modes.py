"""Inherent structures of the dataset that comes with the package are minima: their spectrum says so."""

import numpy as np
import pytest
import torch

from gensample.data.store import Store
from gensample.physics.minimize import minimize
from gensample.physics.mixtures import get_mixture
from gensample.structure.modes import hessian, modes, shear_modulus, vibrality, vibrality_from_hessian


@pytest.fixture(scope="module")
def structure():
    """The first inherent structure, minimised further: positions, species, box, mixture."""
    with Store.open("ka2d-mini") as store:
        arrays = (store.inherent[:1], store.species, store.box[0])
    positions, species, box = (torch.from_numpy(np.asarray(array)) for array in arrays)
    mixture = get_mixture("ka2d")
    minimum = minimize(positions, species, box, mixture, tolerance=1e-9)
    assert minimum.converged.all()
    return minimum.positions[0], species.long(), box, mixture


def test_two_zero_modes_and_no_negative_eigenvalue(structure):
    found = modes(hessian(*structure), 2)
    assert found.zeros == 2
    assert np.abs(found.eigenvalues[:2]).max() < 1e-9
    assert found.eigenvalues[2] > 0.1


def test_routes_agree(structure):
    """Few modes by Lanczos and vibrality by Cholesky against all modes."""
    matrix = hessian(*structure)
    full, some = modes(matrix, 2), modes(matrix, 2, 10)
    np.testing.assert_allclose(some.eigenvalues[2:], full.eigenvalues[2:12], rtol=1e-9)
    np.testing.assert_allclose(vibrality_from_hessian(matrix, 2), vibrality(full), rtol=1e-9)


def test_it_resists_shear(structure):
    modulus = shear_modulus(*structure)
    assert 0 < modulus.total < modulus.affine
