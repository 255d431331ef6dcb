import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.sparse import csr_array

from gensample.errors import ConfigError, DataError
from gensample.physics.box import minimum_image
from gensample.physics.minimize import minimize
from gensample.physics.mixtures import MIXTURES, get_mixture
from gensample.physics.neighbors import neighbor_list
from gensample.physics.potentials import energy_forces_virial, pair_potential
from gensample.structure.modes import (
    _PseudoInverse,
    affine_forces,
    debye_waller,
    hessian,
    modes,
    nonaffine_response,
    participation_ratio,
    shear_modulus,
    soft_mode_participation,
    vibrality,
    vibrality_from_hessian,
    zero_modes,
)

PARTICLES = {2: 44, 3: 160, "wahnstrom": 180, "soft-spheres": 180}


def start(name, seed=0):
    """Uniform positions, species and box at the mixture's density."""
    mixture = get_mixture(name)
    particles = PARTICLES.get(name, PARTICLES[mixture.dimension])
    box = torch.full((mixture.dimension,), mixture.edge_length(particles), dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    positions = torch.rand(particles, mixture.dimension, generator=generator, dtype=torch.float64) * box
    return positions, mixture.species(particles), box, mixture


def relaxed(positions, species, box, mixture):
    """Positions at the minimum."""
    minimum = minimize(positions[None], species, box, mixture, tolerance=1e-10)
    assert minimum.converged.all()
    return minimum.positions[0]


@pytest.fixture(scope="module")
def structures():
    """An inherent structure of every mixture: positions, species, box, mixture."""
    found = {}
    for name in MIXTURES:
        positions, *rest = start(name)
        found[name] = (relaxed(positions, *rest), *rest)
    return found


@pytest.fixture(scope="module")
def every_mode(structures):
    return {
        name: modes(hessian(*structures[name]), structures[name][3].dimension)
        for name in ("ka2d", "ka2d-ternary", "ka3d-fs")
    }


@pytest.mark.parametrize("name", MIXTURES)
def test_hessian_against_finite_differences_of_forces(structures, name):
    positions, species, box, mixture = structures[name]
    matrix = hessian(positions, species, box, mixture).toarray()
    chosen = torch.randperm(positions.numel(), generator=torch.Generator().manual_seed(1))[:40]
    steps = 1e-5 * torch.eye(positions.numel(), dtype=torch.float64)[chosen].reshape(40, *positions.shape)
    up, down = (
        energy_forces_virial(positions + sign * steps, species, box, mixture).forces for sign in (1, -1)
    )
    expected = -(up - down).reshape(40, -1) / 2e-5
    np.testing.assert_allclose(matrix[chosen], expected, rtol=1e-7, atol=1e-4)


@pytest.mark.parametrize("truncation", ["shift", "smooth"])
def test_another_truncation_far_from_a_minimum_in_a_tilted_box(truncation):
    """Forces of a crowded start, in a box whose tilt is not small."""
    positions, species, box, mixture = start("ka2d", seed=3)
    tilted = torch.cat([box, 0.3 * box[:1]])
    positions = minimize(positions[None], species, tilted, mixture, tolerance=10.0).positions[0]
    matrix = hessian(positions, species, tilted, mixture, truncation).toarray()
    steps = 1e-6 * torch.eye(88, dtype=torch.float64).reshape(88, 44, 2)
    up, down = (
        energy_forces_virial(positions + sign * steps, species, tilted, mixture, truncation).forces
        for sign in (1, -1)
    )
    np.testing.assert_allclose(matrix, -(up - down).reshape(88, 88) / 2e-6, rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("name", MIXTURES)
def test_hessian_is_symmetric_and_ignores_translations(structures, name):
    positions, species, box, mixture = structures[name]
    matrix = hessian(positions, species, box, mixture)
    assert matrix.dtype == np.float64
    assert (matrix != matrix.T).nnz == 0
    assert (matrix.data != 0).all()  # pairs beyond the range of their species take no room
    shift = np.tile(np.eye(mixture.dimension), (len(positions), 1))
    assert np.abs(matrix @ shift).max() < 1e-9
    found = modes(matrix, mixture.dimension)
    assert found.zeros == mixture.dimension
    assert (found.eigenvalues[mixture.dimension :] > 0.01).all()
    np.testing.assert_allclose(
        found.frequencies[mixture.dimension :] ** 2, found.eigenvalues[mixture.dimension :]
    )


@pytest.mark.parametrize("name", ["ka2d", "ka3d-fs"])
def test_lanczos_finds_the_lowest_modes(structures, every_mode, name):
    d = structures[name][3].dimension
    matrix, full = hessian(*structures[name]), every_mode[name]
    some = modes(matrix, d, 12)
    assert some.zeros == d
    assert some.eigenvectors.shape == (matrix.shape[0], d + 12)
    np.testing.assert_allclose(some.eigenvalues[d:], full.eigenvalues[d : d + 12], rtol=1e-9)
    overlaps = (some.eigenvectors * full.eigenvectors[:, : d + 12]).sum(0)[d:]
    np.testing.assert_allclose(np.abs(overlaps), 1.0, atol=1e-9)
    np.testing.assert_allclose(some.eigenvectors.T @ some.eigenvectors, np.eye(d + 12), atol=1e-9)
    np.testing.assert_array_equal(some.eigenvectors, modes(matrix, d, 12).eigenvectors)


def test_pseudo_inverse_of_any_forces(structures):
    """Also of those that push the centre of mass, which Lanczos vectors do by rounding."""
    matrix = hessian(*structures["ka2d"])
    forces = np.random.default_rng(1).normal(size=88) + 1.0
    expected = np.linalg.pinv(matrix.toarray(), rcond=1e-10, hermitian=True) @ forces
    np.testing.assert_allclose(_PseudoInverse(matrix, 2)(forces), expected, rtol=1e-9, atol=1e-12)


def plane_wave_eigenvalues(sites, waves, box, cutoff):
    """All eigenvalues of a Bravais lattice: D(k) summed over lattice vectors, LJ 2.5 written out in r."""
    r = np.linalg.norm(sites, axis=1)
    sites, r = sites[(r > 0) & (r < cutoff)], r[(r > 0) & (r < cutoff)]
    slope_at_cutoff = -48 / cutoff**13 + 24 / cutoff**7
    slope, curvature = -48 / r**13 + 24 / r**7 - slope_at_cutoff, 624 / r**14 - 168 / r**8
    outer = sites[:, :, None] * sites[:, None, :] / (r**2)[:, None, None]
    stiffness = (curvature - slope / r)[:, None, None] * outer
    stiffness = stiffness + (slope / r)[:, None, None] * np.eye(len(box))
    phases = 1 - np.cos(sites @ (2 * np.pi * waves / box).T)
    return np.linalg.eigvalsh(np.einsum("rk,rab->kab", phases, stiffness))


def triangular():
    """6 x 3 rectangular cells of two particles; a wave in 6 x 6 is counted once."""
    a = (2 / 3**0.5 / 1.2) ** 0.5
    box = a * np.array([6.0, 3 * 3**0.5])
    cell = a * np.array([[0, 0], [0.5, 0.75**0.5]])
    corners = np.array(list(itertools.product(range(6), range(3)))) * a * np.array([1, 3**0.5])
    numbers = np.array(list(itertools.product(range(-6, 7), repeat=2)))
    sites = numbers @ (a * np.array([[1, 0], [0.5, 0.75**0.5]]))
    waves = np.array(list(itertools.product(range(6), range(6))))
    return (corners[:, None] + cell).reshape(-1, 2), box, sites, waves, get_mixture("ka2d")


def face_centred():
    """4^3 cubic cells of four particles."""
    a = (4 / 1.2) ** (1 / 3)
    box = np.full(3, 4 * a)
    cell = a / 2 * np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])
    corners = a * np.array(list(itertools.product(range(4), repeat=3)))
    numbers = np.array(list(itertools.product(range(-6, 7), repeat=3)))
    waves = np.array(list(itertools.product(range(8), range(8), range(4))))
    return (corners[:, None] + cell).reshape(-1, 3), box, numbers @ cell[1:], waves, get_mixture("ka3d-fs")


@pytest.mark.parametrize("crystal", [triangular, face_centred])
def test_the_spectrum_of_a_crystal(crystal):
    """Every eigenvalue is that of a plane wave, every particle has the vibrality that their sum gives."""
    positions, box, sites, waves, mixture = crystal()
    d, n = mixture.dimension, len(positions)
    assert len(waves) == n
    expected = np.sort(plane_wave_eigenvalues(sites, waves, box, 2.5).ravel())
    arguments = (
        torch.from_numpy(positions),
        torch.zeros(n, dtype=torch.int64),
        torch.from_numpy(box),
        mixture,
    )
    matrix = hessian(*arguments)
    found = modes(matrix, d)
    assert found.zeros == d
    np.testing.assert_allclose(found.eigenvalues[d:], expected[d:], rtol=1e-9)
    np.testing.assert_allclose(vibrality(found), (1 / expected[d:]).sum() / n, rtol=1e-9)
    np.testing.assert_allclose(vibrality_from_hessian(matrix, d), (1 / expected[d:]).sum() / n, rtol=1e-9)
    # Each particle is a centre of inversion: a shear puts no force on it.
    assert float(affine_forces(*arguments).abs().max()) < 1e-9
    assert shear_modulus(*arguments).nonaffine == pytest.approx(0.0, abs=1e-12)


def pair_at_rest():
    """Two particles at the distance of no force in a wide box, a third beyond their reach; the stiffness."""
    mixture = get_mixture("ka2d")

    def slope(r):
        return -48 / r**13 + 24 / r**7 + 48 / 2.5**13 - 24 / 2.5**7

    r = brentq(slope, 1.05, 1.2, xtol=1e-15)
    positions = torch.tensor([[1.0, 1.0], [1.0 + 0.6 * r, 1.0 + 0.8 * r], [7.0, 7.0]], dtype=torch.float64)
    box = torch.tensor([12.0, 12.0], dtype=torch.float64)
    return positions, torch.zeros(3, dtype=torch.int64), box, mixture, 624 / r**14 - 168 / r**8


def test_two_joined_particles():
    """One stretching mode of eigenvalue 2 k: closed forms; the pair may turn, the third particle is loose."""
    *arguments, stiffness = pair_at_rest()
    matrix = hessian(*arguments)
    found = modes(matrix, 2)
    assert found.zeros == 5
    assert found.eigenvalues[5] == pytest.approx(2 * stiffness, rel=1e-12)
    assert participation_ratio(found.eigenvectors, 2)[5] == pytest.approx(2 / 3, rel=1e-9)
    np.testing.assert_allclose(vibrality(found), np.array([1, 1, 0]) / (4 * stiffness), rtol=1e-9)
    np.testing.assert_allclose(soft_mode_participation(found, 1), [0.5, 0.5, 0], atol=1e-9)
    for attempt in (lambda: modes(matrix, 2, 1), lambda: vibrality_from_hessian(matrix, 2)):
        with pytest.raises(DataError, match=r"more zero modes than|loose parts"):
            attempt()
    flat = csr_array(np.kron([[1.0, -1.0], [-1.0, 1.0]], [[3.0, 0.0], [0.0, 0.0]]))  # exactly singular
    with pytest.raises(DataError, match="more zero modes than"):
        modes(flat, 2, 1)
    alone = hessian(arguments[0][::2], arguments[1][::2], *arguments[2:])
    with pytest.raises(DataError, match="no two particles interact"):
        vibrality_from_hessian(alone, 2)
    assert modes(alone, 2).zeros == 4


def test_a_particle_without_neighbours_has_zero_modes_of_its_own():
    """Three rows of particles across a box, one particle far from them; numbered between the others."""
    mixture = get_mixture("ka2d")
    rows = torch.cartesian_prod(torch.arange(6), torch.arange(3)) * torch.tensor([1.05, 0.95])
    rows = rows + torch.tensor([0.5, 0.0]) * (torch.arange(18) % 3 == 1)[:, None]
    positions = torch.cat([rows[:5], torch.tensor([[3.0, 7.0]]), rows[5:]]).double()
    species = (torch.arange(19) % 5 == 2).long()
    box = torch.tensor([6.3, 12.0], dtype=torch.float64)
    matrix = hessian(relaxed(positions, species, box, mixture), species, box, mixture)
    full, some = modes(matrix, 2), modes(matrix, 2, 5)
    assert full.zeros == some.zeros == 4
    np.testing.assert_allclose(some.eigenvalues[4:], full.eigenvalues[4:9], rtol=1e-9)
    np.testing.assert_allclose(matrix @ some.eigenvectors[:, :4], 0.0, atol=1e-10)
    np.testing.assert_allclose(some.eigenvectors.T @ some.eigenvectors, np.eye(9), atol=1e-9)
    direct = vibrality_from_hessian(matrix, 2)
    np.testing.assert_allclose(direct, vibrality(full), rtol=1e-9, atol=1e-20)
    assert direct[5] == 0
    assert (np.delete(direct, 5) > 0).all()


def test_participation_ratio():
    e = np.zeros((12, 5))
    e[4, 0] = 1.0  # one particle of six
    e[:, 1] = 3.0  # all alike, not normalised
    e[:6, 2], e[:6, 3] = 0.5, [0.6, 0.8, 0.8, -0.6, 0, 1]  # half of them, along any direction
    e[[0, 2], 4] = [1.0, 2.0]
    np.testing.assert_allclose(participation_ratio(e, 2), [1 / 6, 1, 0.5, 0.5, 25 / (6 * 17)])


@pytest.mark.parametrize("name", ["ka2d", "ka3d-fs"])
def test_vibrality_without_modes_is_that_of_all_modes(structures, every_mode, name):
    d = structures[name][3].dimension
    matrix, full = hessian(*structures[name]), every_mode[name]
    expected = np.linalg.pinv(matrix.toarray(), rcond=1e-10, hermitian=True).diagonal().reshape(-1, d).sum(1)
    np.testing.assert_allclose(vibrality(full), expected, rtol=1e-9)
    np.testing.assert_allclose(vibrality_from_hessian(matrix, d), expected, rtol=1e-9)
    assert (vibrality(modes(matrix, d, 30)) < expected).all()


def test_debye_waller():
    """Samples of the harmonic Boltzmann distribution have this mean-square displacement, over all axes."""
    *arguments, stiffness = pair_at_rest()
    found = modes(hessian(*arguments), 2)
    amplitude = np.random.default_rng(0).normal(size=200_000) * np.sqrt(0.3 / (2 * stiffness))
    moved = amplitude * found.eigenvectors[:, 5:]
    simulated = (moved**2).mean(1).reshape(3, 2).sum(1)
    np.testing.assert_allclose(debye_waller(vibrality(found), 0.3), simulated, rtol=0.01, atol=1e-12)
    with pytest.raises(ConfigError, match="must not be negative"):
        debye_waller(vibrality(found), -0.1)


def test_soft_mode_participation(every_mode):
    """All modes share every particle alike, but for the translations; the lowest is that mode's own."""
    full = every_mode["ka2d"]
    np.testing.assert_allclose(soft_mode_participation(full, 86), 2 - 2 / 44, rtol=1e-9)
    lowest = (full.eigenvectors[:, 2].reshape(-1, 2) ** 2).sum(1)
    np.testing.assert_allclose(soft_mode_participation(full, 1), lowest)
    assert soft_mode_participation(full, 7).sum() == pytest.approx(7)
    for number in (0, 87):
        with pytest.raises(ConfigError, match="expected 1 to 86 soft modes"):
            soft_mode_participation(full, number)


def test_zero_modes_are_counted_on_both_sides():
    assert zero_modes(np.array([-2.0, -1e-9, 0.0, 1e-9, 1e-7]), 1e-8) == 3


def sheared(structure, plane, strain):
    """The structure after uniform shear, and after minimisation in the tilted box; that box."""
    positions, species, box, mixture = structure
    d = mixture.dimension
    tilt = {(0, 1): 0, (0, 2): 1, (1, 2): 2}[plane]
    tilted = torch.cat([box, torch.zeros(d * (d - 1) // 2, dtype=torch.float64)])
    tilted[d + tilt] = strain * box[plane[1]]
    moved = positions.clone()
    moved[:, plane[0]] += strain * positions[:, plane[1]]
    return moved, relaxed(moved, species, tilted, mixture), tilted


def stress(positions, species, box, mixture, plane):
    """Sum over pairs of V' x y / r."""
    (i, j), vectors = neighbor_list(positions, box, mixture.cutoff)
    distance = vectors.norm(dim=1)
    sigma, epsilon = (
        torch.tensor(t, dtype=torch.float64)[species[i], species[j]] for t in (mixture.sigma, mixture.epsilon)
    )
    slope = pair_potential(distance, sigma, epsilon, mixture)[1]
    volume = box[: mixture.dimension].prod()
    return float((0.5 * slope * vectors[:, plane[0]] * vectors[:, plane[1]] / distance).sum() / volume)


@pytest.mark.parametrize(("name", "plane"), [("ka2d-ternary", (0, 1)), ("ka2d", (0, 1)), ("ka3d-fs", (0, 2))])
def test_modulus_and_response_against_a_strained_minimum(structures, name, plane):
    positions, species, box, mixture = structure = structures[name]
    h = 1e-5
    found, stresses = [], []
    for strain in (-h, h):
        moved, minimum, tilted = sheared(structure, plane, strain)
        apart = minimum_image(minimum - moved, tilted)
        found.append(apart - apart.mean(0))
        stresses.append(stress(minimum, species, tilted, mixture, plane))
    modulus = shear_modulus(positions, species, box, mixture, plane)
    assert modulus.total == pytest.approx((stresses[1] - stresses[0]) / (2 * h), rel=1e-4)
    assert modulus.total == modulus.affine - modulus.nonaffine
    assert modulus.nonaffine > 1
    response = nonaffine_response(positions, species, box, mixture, plane)
    torch.testing.assert_close(response, (found[1] - found[0]) / (2 * h), rtol=1e-4, atol=1e-4)
    assert float(response.mean(0).abs().max()) < 1e-12
    assert float(response.abs().max()) > 0.1


@pytest.mark.parametrize("plane", [(0, 1), (2, 0)])
def test_affine_forces_are_those_of_a_uniform_shear(structures, plane):
    """Off a minimum as well: the derivative of the forces, by automatic differentiation."""
    positions, species, box, mixture = structures["ka3d-fs"]
    generator = torch.Generator().manual_seed(5)
    positions = positions + 0.02 * torch.randn(positions.shape, generator=generator, dtype=torch.float64)
    (i, j), vectors = neighbor_list(positions, box, mixture.cutoff)
    sigma, epsilon = (
        torch.tensor(t, dtype=torch.float64)[species[i], species[j]] for t in (mixture.sigma, mixture.epsilon)
    )
    unit = torch.zeros(3, 3, dtype=torch.float64)
    unit[plane[1], plane[0]] = 1.0

    def forces(strain):
        strained = vectors + strain * vectors @ unit
        distance = strained.norm(dim=1)
        slope = pair_potential(distance, sigma, epsilon, mixture)[1]
        return torch.zeros_like(positions).index_add(0, i, (slope / distance)[:, None] * strained)

    zero, one = (torch.tensor(x, dtype=torch.float64) for x in (0.0, 1.0))
    _, expected = torch.func.jvp(forces, (zero,), (one,))
    found = affine_forces(positions, species, box, mixture, plane)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    assert float(found.abs().max()) > 10


def test_a_saddle_is_refused(structures):
    """A disturbed minimum: both solvers count its negative eigenvalues, without and with diagonalisation."""
    positions, species, box, mixture = structures["ka2d"]
    generator = torch.Generator().manual_seed(0)
    disturbed = positions + 0.1 * torch.randn(positions.shape, generator=generator, dtype=torch.float64)
    matrix = hessian(disturbed, species, box, mixture)
    negative = int((np.linalg.eigvalsh(matrix.toarray()) < -1e-6).sum())
    assert negative > 1
    for number in (None, 4):
        with pytest.raises(DataError, match=f"has {negative} negative eigenvalues .* Minimise further"):
            modes(matrix, 2, number)
    with pytest.raises(DataError, match="not positive definite"):
        vibrality_from_hessian(matrix, 2)
    with pytest.raises(DataError, match="saddle"):
        shear_modulus(disturbed, species, box, mixture)


def test_bad_input_is_refused(structures):
    positions, species, box, mixture = structures["ka2d"]
    matrix = hessian(positions, species, box, mixture)
    for number in (0, 87):
        with pytest.raises(ConfigError, match=f"expected 1 to 86 modes beside the zero modes, got {number}"):
            modes(matrix, 2, number)
    with pytest.raises(DataError, match=r"one configuration \(N, 2\), got \(1, 44, 2\)"):
        hessian(positions[None], species, box, mixture)
    with pytest.raises(DataError, match="44 particles need species"):
        hessian(positions, species[1:], box, mixture)
    with pytest.raises(ConfigError, match="unknown truncation"):
        hessian(positions, species, box, mixture, "cut")
    for plane in ((0, 0), (0, 2), (-1, 0)):
        with pytest.raises(ConfigError, match="two different axes below 2"):
            affine_forces(positions, species, box, mixture, plane)
