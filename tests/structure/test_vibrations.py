import itertools

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import torch

from gensample.errors import DataError
from gensample.physics.minimize import minimize
from gensample.physics.mixtures import get_mixture
from gensample.structure.modes import hessian
from gensample.structure.spectral import Exact, Polynomial, matrix_functions, spectral_range
from gensample.structure.vibrations import Vibrations, response

DAMPINGS = torch.tensor([0.0, 0.3, 2.0, 6.0, 90.0], dtype=torch.float64)


def langevin(eigenvalue, damping, time):
    """Mean of (v, v') from unit v(0) or v'(0), and covariance at unit temperature, by matrix exponentials."""
    drift = np.array([[0.0, 1.0], [-eigenvalue, -damping]])
    noise = np.diag([0.0, 2.0 * damping])
    # Van Loan, IEEE Trans. Autom. Control 23, 395 (1978): the integral of e^{As} Q e^{A's}.
    blocks = scipy.linalg.expm(np.block([[-drift, noise], [np.zeros((2, 2)), drift.T]]) * time)
    mean = blocks[2:, 2:].T
    return mean, mean @ blocks[:2, 2:]


@pytest.mark.parametrize("time", [0.01, 1.0, 3.0])
def test_the_response_is_that_of_langevin_dynamics(time):
    # 9 is where damping 6 is critical.
    values = torch.tensor([0.5, 9.0, 30.0, 200.0], dtype=torch.float64)
    found = response(values, DAMPINGS, time)
    for (i, value), (j, damping) in itertools.product(enumerate(values), enumerate(DAMPINGS)):
        if damping * time > 8:
            continue  # the reference has lost its digits
        mean, covariance = langevin(float(value), float(damping), time)
        assert float(found.memory[i, j]) == pytest.approx(mean[0, 0], abs=1e-8)
        assert float(found.push[i, j]) == pytest.approx(mean[0, 1], rel=1e-6, abs=1e-9)
        assert float(found.kicks[i, j]) ** 2 == pytest.approx(covariance[0, 0], rel=1e-5, abs=1e-10)


def test_the_variance_is_what_is_left_of_equipartition():
    values = torch.logspace(-2, 3.3, 200, dtype=torch.float64)
    for time in (0.1, 1.0, 100.0):
        c, s, r, o = response(values, DAMPINGS, time)
        torch.testing.assert_close(s**2 + r**2, (1 - c**2) / values[:, None], rtol=1e-4, atol=1e-12)
        torch.testing.assert_close(o, (1 - c) / values[:, None].sqrt())


def test_without_stiffness_particles_are_free():
    c, s, r, o = response(torch.zeros(1, dtype=torch.float64), DAMPINGS[1:], 2.0)
    g, t = DAMPINGS[1:], 2.0
    x = g * t
    torch.testing.assert_close(c[0], torch.ones_like(g), rtol=0, atol=1e-5)
    torch.testing.assert_close(s[0], -torch.expm1(-x) / g, rtol=1e-5, atol=0)
    # Ornstein-Uhlenbeck: variance of the position from a given velocity, at unit temperature.
    wanted = (2 * x - 3 + 4 * torch.exp(-x) - torch.exp(-2 * x)) / g**2
    torch.testing.assert_close(r[0] ** 2, wanted, rtol=1e-5, atol=0)
    assert float(o.abs().max()) < 2e-3 * t


@pytest.fixture(scope="module")
def glass():
    """Hessian of an inherent structure of 160 particles in three dimensions, and a displacement from it."""
    mixture, generator = get_mixture("ka3d-fs"), torch.Generator().manual_seed(0)
    box = torch.full((3,), mixture.edge_length(160), dtype=torch.float64)
    positions = torch.rand(160, 3, generator=generator, dtype=torch.float64) * box
    species = mixture.species(160)
    found = minimize(positions[None], species, box, mixture, tolerance=1e-8).positions[0]
    displacement = 0.1 * torch.randn(160, 3, generator=generator, dtype=torch.float64)
    return hessian(found, species, box, mixture), displacement


@pytest.mark.parametrize("time", [0.05, 1.0, 30.0])
def test_polynomials_give_the_fields_of_all_modes(glass, time):
    damping, white = DAMPINGS[2:4], torch.randn(3, 4, 160, 3, dtype=torch.float64)
    dense, sparse = (Vibrations(*glass, dense_limit=limit, tolerance=1e-7) for limit in (1000, 0))
    assert isinstance(dense.functions, Exact)
    assert isinstance(sparse.functions, Polynomial)
    torch.testing.assert_close(
        sparse.relaxation(time, damping), dense.relaxation(time, damping), rtol=0, atol=1e-7
    )
    both = (each.fluctuations(time, damping, white) for each in (sparse, dense))
    for ours, theirs in zip(*both, strict=True):
        assert float(theirs.abs().mean()) > 1e-3
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-7)


def test_the_degree_grows_with_the_digits_and_the_lag(glass):
    white, degrees = torch.randn(3, 1, 160, 3, dtype=torch.float64), {}
    for time, tolerance in itertools.product((0.1, 1.0, 5.0), (1e-2, 1e-6)):
        vibrations = Vibrations(*glass, dense_limit=0, tolerance=tolerance)
        vibrations.functions.apply(
            lambda value, time=time: response(value, DAMPINGS[1:2], time).push, white[0], tolerance
        )
        degrees[time, tolerance] = vibrations.functions.degree
    # cos(w t) of w^2: half of its radians at the stiffest mode, and a few for the digits.
    radians = vibrations.functions.high**0.5
    assert degrees[0.1, 1e-2] < degrees[1.0, 1e-2] < degrees[5.0, 1e-2] < 5.0 * radians / 2
    assert all(degrees[t, 1e-2] < degrees[t, 1e-6] < radians * t / 2 + 40 for t in (0.1, 1.0, 5.0))


def matrices(vibrations, size, dimension, time, damping, rest):
    """Mean of v(t) as a matrix on v(0), and covariance of v(t) at unit temperature, from unit vectors."""
    unit = torch.eye(size * dimension, dtype=torch.float64).reshape(-1, size, dimension)
    zero = torch.zeros_like(unit)
    moves = []
    for k in range(3):
        white = torch.stack([unit if k == m else zero for m in range(3)])
        moving, offset = vibrations.fluctuations(time, damping, white)
        moves.append((moving if k < 2 else rest**0.5 * offset)[0].flatten(1))
    covariance = (1 - rest) * sum(move.T @ move for move in moves)
    memory = vibrations.functions.apply(lambda value: response(value, damping, time).memory, unit, 1e-9)
    projector = (unit - unit.mean(1, keepdim=True)).flatten(1)
    return rest * projector + (1 - rest) * memory[0].flatten(1), covariance


@pytest.mark.parametrize("limit", [1000, 0])
@pytest.mark.parametrize("rest", [0.0, 0.2])
def test_detailed_balance_on_a_harmonic_crystal(limit, rest):
    # A square lattice of 4 x 4 unit masses, springs along and across every bond: periodic, with translations.
    side, dimension = 4, 2
    along, across = 50.0, 7.0
    size = side * side
    full = np.zeros((size, dimension, size, dimension))
    for x, y, axis in itertools.product(range(side), range(side), range(2)):
        i, j = x * side + y, ((x + 1) % side * side + y, x * side + (y + 1) % side)[axis]
        block = np.diag([along, across] if axis == 0 else [across, along])
        for a, b, sign in ((i, i, 1), (j, j, 1), (i, j, -1), (j, i, -1)):
            full[a, :, b, :] += sign * block
    full = full.reshape(size * dimension, -1)
    vibrations = Vibrations(
        scipy.sparse.csr_array(full), torch.zeros(size, dimension), dense_limit=limit, tolerance=1e-9
    )
    equilibrium = torch.from_numpy(np.linalg.pinv(full))
    for time, g in ((0.3, 1.0), (2.0, 0.4), (50.0, 3.0)):
        memory, covariance = matrices(vibrations, size, dimension, time, torch.tensor([g]).double(), rest)
        joint = memory @ equilibrium
        # p(v0) p(v | v0) = p(v) p(v0 | v): equilibrium is kept, and the joint covariance is symmetric.
        torch.testing.assert_close(joint, joint.T, rtol=0, atol=1e-8)
        torch.testing.assert_close(covariance + joint @ memory.T, equilibrium, rtol=0, atol=1e-7)
        # Longitudinal plane waves along x have the eigenvalue 2 k (1 - cos q).
        phase = 0.5 * np.pi * (torch.arange(size).double() // side)
        wave = (phase.cos()[:, None] * torch.tensor([1.0, 0.0]).double()).flatten()
        c = response(torch.tensor([2 * along]).double(), torch.tensor([g]).double(), time).memory.item()
        wanted = (rest + (1 - rest) * c) * wave
        torch.testing.assert_close(memory @ wave, wanted, rtol=0, atol=1e-8)


def test_the_range_holds_the_spectrum_and_a_saddle_is_refused(glass):
    matrix, _ = glass
    values = np.linalg.eigvalsh(matrix.toarray())[3:]
    low, high = spectral_range(matrix, 3)
    assert 0.9 * values[0] < low < values[0] < values[-1] < high < 1.05 * values[-1]
    saddle = (matrix - 2 * values[0] * scipy.sparse.eye_array(len(values) + 3)).tocsr()
    for limit in (1000, 0):
        with pytest.raises(DataError, match="a saddle, not a minimum"):
            matrix_functions(saddle, 3, dense_limit=limit)


def test_a_particle_without_neighbours_flies_freely(glass):
    matrix, _ = glass
    loose = scipy.sparse.block_diag([matrix, np.zeros((3, 3))], format="csr")
    white = torch.zeros(3, 1, 161, 3, dtype=torch.float64)
    white[0, 0, -1, 0] = 1.0
    for limit in (1000, 0):
        vibrations = Vibrations(scipy.sparse.csr_array(loose), torch.zeros(161, 3), dense_limit=limit)
        moved, _ = vibrations.fluctuations(0.1, DAMPINGS[:1], white)
        # t times the velocity, less the drift.
        assert float(moved[0, 0, -1, 0]) == pytest.approx(0.1 * 160 / 161, rel=1e-3)
