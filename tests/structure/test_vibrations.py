import itertools

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import torch

from gensample.errors import DataError
from gensample.physics.minimize import minimize
from gensample.physics.mixtures import get_mixture
from gensample.structure.modes import dynamical_matrix, hessian, modes, soft_mode_participation
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


def diatomic_chain(cells, stiffness, masses):
    """Hessian and masses of a periodic chain of springs along x and across, two kinds in turn."""
    size = 2 * cells
    line = 2 * np.eye(size) - np.roll(np.eye(size), 1, 0) - np.roll(np.eye(size), -1, 0)
    matrix = np.kron(line, np.diag([stiffness, 0.5 * stiffness]))
    return scipy.sparse.csr_array(matrix), np.tile(np.array(masses), cells)


def test_a_chain_of_two_masses_has_its_acoustic_and_optical_branch():
    """w^2 = k (1/m + 1/M) -+ k sqrt((1/m + 1/M)^2 - 4 sin^2(q a / 2) / (m M)): C. Kittel, chapter 4."""
    (m, big), cells, k = (1.0, 3.0), 7, 5.0
    matrix, masses = diatomic_chain(cells, k, (m, big))
    wave = np.pi * np.arange(cells) / cells
    half = np.sqrt((1 / m + 1 / big) ** 2 - 4 * np.sin(wave) ** 2 / (m * big))
    branches = np.concatenate([1 / m + 1 / big - half, 1 / m + 1 / big + half])
    expected = np.sort(np.concatenate([k * branches, 0.5 * k * branches]))
    found = modes(matrix, 2, masses=masses)
    assert found.zeros == 2
    np.testing.assert_allclose(found.eigenvalues, expected, rtol=1e-9, atol=1e-9)
    # Only a degenerate pair could be cut in two.
    some = modes(matrix, 2, 6, masses)
    np.testing.assert_allclose(some.eigenvalues[2:], expected[2:8], rtol=1e-9)
    np.testing.assert_allclose(some.eigenvectors.T @ some.eigenvectors, np.eye(8), atol=1e-9)
    low, high = spectral_range(dynamical_matrix(matrix, 2, masses), 2, masses)
    assert 0.9 * expected[2] < low < expected[2] < expected[-1] < high < 1.05 * expected[-1]


@pytest.mark.parametrize("limit", [1000, 0])
def test_two_masses_on_a_spring_swing_with_the_reduced_mass(limit):
    """Memory c(k / mu) of the relative motion; variances of equilibrium do not know the masses."""
    k, masses, g, time = 9.0, np.array([1.0, 4.0]), torch.tensor([0.7]).double(), 0.4
    spring = scipy.sparse.csr_array(np.kron([[1.0, -1.0], [-1.0, 1.0]], k * np.eye(2)))
    v0 = torch.tensor([[0.1, 0.0], [-0.1, 0.0]], dtype=torch.float64)
    vibrations = Vibrations(spring, v0, masses, dense_limit=limit, tolerance=1e-9)
    c = response(torch.tensor([k * (1 + 1 / 4)]).double(), g, time).memory.item()
    moved = vibrations.relaxation(time, g)[0]
    torch.testing.assert_close(moved, (c - 1) * v0, rtol=0, atol=1e-8)
    unit, zero = torch.eye(4, dtype=torch.float64).reshape(4, 2, 2), torch.zeros(4, 2, 2).double()
    deviations = [
        vibrations.fluctuations(time, g, torch.stack(white))[0][0].flatten(1)
        for white in ((unit, zero), (zero, unit))
    ]
    covariance = sum(each.T @ each for each in deviations)
    equilibrium = torch.from_numpy(np.linalg.pinv(spring.toarray()))
    torch.testing.assert_close(covariance, (1 - c**2) * equilibrium, rtol=0, atol=1e-8)
    found = modes(spring, 2, masses=masses)
    np.testing.assert_allclose(soft_mode_participation(found, 2), [2 * 4 / 5, 2 * 1 / 5], atol=1e-9)


def test_detailed_balance_of_two_masses():
    matrix, masses = diatomic_chain(4, 20.0, (1.0, 2.5))
    equilibrium, size = torch.from_numpy(np.linalg.pinv(matrix.toarray())), len(masses)
    unit, zero = torch.eye(2 * size).double().reshape(-1, size, 2), torch.zeros(2 * size, size, 2).double()
    g, time = torch.tensor([0.4]).double(), 1.3
    rows = [Vibrations(matrix, each, masses).relaxation(time, g)[0] for each in unit]
    memory = (torch.stack(rows) + unit - unit.mean(1, keepdim=True)).flatten(1).T
    vibrations = Vibrations(matrix, unit[0], masses)
    parts = [
        vibrations.fluctuations(time, g, torch.stack(white))[0][0].flatten(1)
        for white in ((unit, zero), (zero, unit))
    ]
    joint = memory @ equilibrium
    torch.testing.assert_close(joint, joint.T, rtol=0, atol=1e-9)
    torch.testing.assert_close(
        sum(part.T @ part for part in parts) + joint @ memory.T, equilibrium, rtol=0, atol=1e-9
    )
