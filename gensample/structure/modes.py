"""Normal modes of inherent structures, and what the harmonic approximation derives from them.

Modes are those of the dynamical matrix M^-1/2 H M^-1/2, whose eigenvalues are squared frequencies: of the
Hessian H itself unless masses are given. What displacements less their mean do in equilibrium (vibrality,
Debye-Waller factors), and what a strain does, follows from the Hessian alone, whatever the masses. Degrees of
freedom are numbered particle by particle: particle 0 with its d components, then particle 1, and so on.
Functions of positions take and give torch tensors on any device; what follows from the Hessian is numpy and
scipy, on the CPU.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.sparse
import torch
from scipy.linalg import lapack
from scipy.sparse.linalg import LinearOperator, SuperLU, eigsh, splu
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.physics.box import volume as box_volume
from gensample.physics.listed_forces import check_particles
from gensample.physics.mixtures import Mixture
from gensample.physics.neighbors import batched_neighbor_list
from gensample.physics.potentials import pair_curvature, pair_potential
from gensample.seeding import numpy_generator

Array: TypeAlias = npt.NDArray[np.float64]

ZERO = 1e-10
"""Eigenvalues below this fraction of their mean count as zero: rounding leaves 1e-15, sound waves 1e-4."""


class Modes(NamedTuple):
    """Normal modes in ascending order of eigenvalue."""

    eigenvalues: Array  # (modes,)
    frequencies: Array  # (modes,) square root of the eigenvalue, exactly 0 for zero modes
    eigenvectors: Array  # (d N, modes) orthonormal columns
    dimension: int

    @property
    def zeros(self) -> int:
        """Number of zero modes: d translations, d for each particle without neighbours, and loose parts."""
        return int((self.frequencies == 0).sum())


class ShearModulus(NamedTuple):
    """Athermal shear modulus, total = affine - nonaffine."""

    affine: float  # what a uniform deformation would cost
    nonaffine: float  # what the particles gain by relaxing, never negative in a minimum
    total: float


def hessian(
    positions: Tensor, species: Tensor, box: Tensor, mixture: Mixture, truncation: str | None = None
) -> scipy.sparse.csr_array:
    """Second derivatives of the potential energy, (d N, d N) float64, symmetric to the last bit.

    positions: (N, d); species: (N,); box: as the neighbour list takes it; truncation: overrides the
    mixture's. Blocks of a pair are -[(V'' - V'/r) n n^T + (V'/r) 1], those of a particle with itself minus
    the sum of its pairs' (Maloney and Lemaitre, Phys. Rev. E 74, 016118 (2006)). The jump of V' at the
    cut-off of the truncation "shift" is left out. Raises DataError for shapes, species or positions that do
    not fit the mixture, ConfigError for an unknown truncation or a box shorter than twice the range.
    """
    return _assemble(_bonds(positions, species, box, mixture, truncation), len(positions))


def dynamical_matrix(
    hessian: scipy.sparse.csr_array, dimension: int, masses: Array | None
) -> scipy.sparse.csr_array:
    """M^-1/2 H M^-1/2 for masses (N,); None: all are 1, the Hessian itself."""
    if masses is None:
        return hessian
    scale = scipy.sparse.diags_array(np.repeat(masses**-0.5, dimension))
    return (scale @ hessian @ scale).tocsr()


def modes(
    hessian: scipy.sparse.csr_array, dimension: int, number: int | None = None, masses: Array | None = None
) -> Modes:
    """Normal modes of a minimum: all of them, or the zero modes and the lowest `number` others.

    All by dense diagonalisation: seconds at d N = 1000, but minutes and several times 8 (d N)^2 bytes at
    12,288. Some by the Lanczos method (ARPACK) on the pseudo-inverse of the Hessian, which a sparse LU
    factorisation with one particle held in place applies exactly: this is shift-inversion about zero, and the
    translations, which would make it singular, are projected out. Degenerate modes, as in crystals, are
    safe with all modes only. masses: (N,), 1 unless given; an eigenvector then holds displacements times the
    roots of the masses. Raises DataError for a saddle, or for more zero modes than translations and
    particles without neighbours when `number` is given; ConfigError for a `number` that the Hessian lacks.
    """
    hessian = dynamical_matrix(hessian, dimension, masses)
    if number is not None:
        return _lowest(hessian, dimension, number, masses)
    values, vectors = scipy.linalg.eigh(hessian.toarray(), overwrite_a=True)
    tolerance = zero_tolerance(hessian)
    if values[0] < -tolerance:
        raise saddle_error(int((values < -tolerance).sum()), f"the lowest is {values[0]:.3g}")
    return _with_frequencies(values, vectors, dimension, zero_modes(values, tolerance))


def zero_modes(eigenvalues: Array, tolerance: float) -> int:
    """Number of eigenvalues whose magnitude is within the tolerance."""
    return int((np.abs(eigenvalues) <= tolerance).sum())


def participation_ratio(eigenvectors: Array, dimension: int) -> Array:
    """Fraction of the particles that take part in each mode: 1 if all move alike, 1/N if one moves alone.

    eigenvectors: (d N, modes), columns of any norm. Returns (modes,): (sum_i |e_i|^2)^2 / (N sum_i |e_i|^4),
    Schober and Ruocco, Philos. Mag. 84, 1361 (2004).
    """
    squares = _squares(eigenvectors, dimension)
    return squares.sum(0) ** 2 / (len(squares) * (squares**2).sum(0))


def vibrality(modes: Modes) -> Array:
    """Susceptibility of each particle to motion in the normal modes, (N,): sum of |e_i|^2 / omega^2.

    Zero modes are left out; a particle without neighbours moves in these alone and has 0. From some of the
    modes it is a lower bound. Of modes without masses. Tong and Xu, Phys. Rev. E 90, 010401 (2014); Richard
    et al., Phys. Rev. Materials 4, 113609 (2020).
    """
    inner = modes.frequencies > 0
    squares = _squares(modes.eigenvectors[:, inner], modes.dimension)
    return squares @ (1.0 / modes.eigenvalues[inner])


def vibrality_from_hessian(hessian: scipy.sparse.csr_array, dimension: int) -> Array:
    """The vibrality of all modes (N,) without finding them: traces of the pseudo-inverse's own blocks.

    With one particle held in place the Hessian is positive definite; its inverse G by dense Cholesky, padded
    with zeros, gives the pseudo-inverse P G P, P the projector that removes translations. Several times
    cheaper than all modes; takes 8 (d N)^2 bytes. Raises DataError for a saddle, or for more zero modes than
    translations and particles without neighbours.
    """
    rows = _with_neighbors(hessian, dimension)
    size = len(rows) // dimension
    factor = hessian[rows[dimension:]][:, rows[dimension:]].toarray(order="F")
    factor, failed = lapack.dpotrf(factor, lower=1, overwrite_a=1, clean=0)
    if failed or (factor.diagonal() ** 2 <= zero_tolerance(hessian)).any():
        raise DataError(
            "the Hessian is not positive definite beside the translations, so this is no minimum or it has "
            "loose parts: minimise further, or let the normal modes tell which"
        )
    shifts = np.tile(np.eye(dimension), (size - 1, 1))
    shifted = scipy.linalg.cho_solve((factor, True), shifts)
    inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    # Of each degree of freedom (i, alpha) the entry alpha of its row of the shifts.
    diagonal = np.einsum("iaa->ia", shifted.reshape(-1, dimension, dimension))
    own = inverse.diagonal().reshape(-1, dimension) - 2 / size * diagonal
    padded = np.concatenate([np.zeros((1, dimension)), own])
    result = np.zeros(hessian.shape[0] // dimension)
    result[rows[::dimension] // dimension] = padded.sum(1) + np.trace(shifts.T @ shifted) / size**2
    return result


def debye_waller(vibrality: Array, temperature: float) -> Array:
    """Mean-square displacement of each particle in the harmonic approximation, T times its vibrality, (N,).

    <|u_i|^2> = T sum over modes of |e_i|^2 / omega^2 by equipartition (k_B = 1), summed over all d
    components: divide by d for the motion along one axis. The centre of mass is at rest. Raises ConfigError
    for a negative temperature.
    """
    if not temperature >= 0:
        raise ConfigError(f"the temperature must not be negative, got {temperature}")
    return temperature * vibrality


def soft_mode_participation(modes: Modes, number: int) -> Array:
    """Share of each particle in the lowest `number` non-zero modes, (N,): sum of |e_i|^2.

    Widmer-Cooper, Perry, Harrowell and Reichman, Nat. Phys. 4, 711 (2008). Adds up to `number` over the
    particles. Raises ConfigError when there are fewer such modes.
    """
    inner = np.flatnonzero(modes.frequencies > 0)
    if not 1 <= number <= len(inner):
        raise ConfigError(f"expected 1 to {len(inner)} soft modes, as many as were computed, got {number}")
    return _squares(modes.eigenvectors[:, inner[:number]], modes.dimension).sum(1)


def affine_forces(
    positions: Tensor,
    species: Tensor,
    box: Tensor,
    mixture: Mixture,
    plane: tuple[int, int] = (0, 1),
    truncation: str | None = None,
) -> Tensor:
    """Forces per unit of strain that a uniform simple shear puts on the particles, (N, d) float64.

    Xi_i = -d^2 U / (d gamma d r_i), Maloney and Lemaitre, Phys. Rev. E 74, 016118 (2006); the shear moves
    component plane[0] by gamma times component plane[1]. Shapes and errors as `hessian`, and ConfigError for
    a plane that is not two different axes.
    """
    bonds = _bonds(positions, species, box, mixture, truncation)
    return _affine_forces(bonds, len(positions), *_axes(plane, mixture.dimension))


def nonaffine_response(
    positions: Tensor,
    species: Tensor,
    box: Tensor,
    mixture: Mixture,
    plane: tuple[int, int] = (0, 1),
    truncation: str | None = None,
) -> Tensor:
    """Displacement of each particle per unit of quasistatic strain, beyond the uniform shear, (N, d) float64.

    H^-1 Xi with the centre of mass at rest (Maloney and Lemaitre 2006, as `affine_forces`), on the positions'
    device. Raises as `affine_forces`, and DataError where the Hessian is not that of a minimum.
    """
    bonds = _bonds(positions, species, box, mixture, truncation)
    return _response(bonds, _affine_forces(bonds, len(positions), *_axes(plane, mixture.dimension)))


def shear_modulus(
    positions: Tensor,
    species: Tensor,
    box: Tensor,
    mixture: Mixture,
    plane: tuple[int, int] = (0, 1),
    truncation: str | None = None,
) -> ShearModulus:
    """Slope of the shear stress with the strain of quasistatic simple shear, before anything yields.

    mu = (1/V) [d^2 U / d gamma^2 - Xi H^-1 Xi], Maloney and Lemaitre, Phys. Rev. E 74, 016118 (2006); the
    stress is (1/V) sum over pairs of V' x y / r, so the initial stress is part of the affine term. Shapes and
    errors as `nonaffine_response`.
    """
    x, y = _axes(plane, mixture.dimension)
    bonds = _bonds(positions, species, box, mixture, truncation)
    forces = _affine_forces(bonds, len(positions), x, y)
    volume = float(box_volume(box.double(), mixture.dimension))
    affine = float((bonds.stiffness[:, x, x] * bonds.vectors[:, y] ** 2).sum()) / volume
    nonaffine = float((forces * _response(bonds, forces)).sum()) / volume
    return ShearModulus(affine, nonaffine, affine - nonaffine)


class _Bonds(NamedTuple):
    """Interacting pairs, once each: what is computed once is the same for both to the last bit."""

    i: Tensor  # (pairs,)
    j: Tensor  # (pairs,)
    vectors: Tensor  # (pairs, d) from i to j
    stiffness: Tensor  # (pairs, d, d) second derivatives of V with respect to the vector


def _bonds(
    positions: Tensor, species: Tensor, box: Tensor, mixture: Mixture, truncation: str | None
) -> _Bonds:
    if positions.ndim != 2:
        raise DataError(f"expected one configuration (N, {mixture.dimension}), got {tuple(positions.shape)}")
    batch, box = check_particles(positions[None], species, box, mixture)
    (i, j), vectors = batched_neighbor_list(batch, box, mixture.cutoff)
    distance, kinds = vectors.norm(dim=-1), species.long().to(i.device)
    sigma, epsilon = (vectors.new_tensor(t)[kinds[i], kinds[j]] for t in (mixture.sigma, mixture.epsilon))
    near = (i < j) & (distance < mixture.cutoff_factor * sigma)
    i, j, vectors, distance, sigma, epsilon = (t[near] for t in (i, j, vectors, distance, sigma, epsilon))
    potential = (distance, sigma, epsilon, mixture, truncation)
    tension = (pair_potential(*potential)[1] / distance)[:, None, None]
    normal = vectors / distance[:, None]
    along = (pair_curvature(*potential)[:, None, None] - tension) * (normal[:, :, None] * normal[:, None, :])
    return _Bonds(i, j, vectors, along + tension * torch.eye(vectors.shape[1]).to(vectors))


def _assemble(bonds: _Bonds, particles: int) -> scipy.sparse.csr_array:
    """The Hessian, from blocks in order of row and column."""
    # Summed on the CPU: a GPU adds in any order, and not the same for both halves of a symmetric block.
    i, j, stiffness = bonds.i.cpu(), bonds.j.cpu(), bonds.stiffness.cpu()
    d, every = stiffness.shape[1], torch.arange(particles)
    own = stiffness.new_zeros(particles, d, d).index_add_(0, i, stiffness).index_add_(0, j, stiffness)
    row, column = torch.cat([i, j, every]), torch.cat([j, i, every])
    order = (row * particles + column).argsort()
    blocks = torch.cat([-stiffness, -stiffness, own])[order].numpy()
    starts = np.concatenate([[0], row.bincount(minlength=particles).cumsum(0).numpy()])
    shape = (particles * d, particles * d)
    return scipy.sparse.bsr_array((blocks, column[order].numpy(), starts), shape=shape).tocsr()


def _affine_forces(bonds: _Bonds, particles: int, x: int, y: int) -> Tensor:
    pulls = bonds.stiffness[:, :, x] * bonds.vectors[:, y, None]
    forces = pulls.new_zeros(particles, pulls.shape[1])
    return forces.index_add_(0, bonds.i, pulls).index_add_(0, bonds.j, -pulls)


def _response(bonds: _Bonds, forces: Tensor) -> Tensor:
    """Displacements (N, d) under forces (N, d)."""
    inverse = _PseudoInverse(_assemble(bonds, len(forces)), forces.shape[1])
    return torch.from_numpy(inverse(forces.cpu().numpy().ravel())).reshape(forces.shape).to(forces)


def _axes(plane: tuple[int, int], dimension: int) -> tuple[int, int]:
    """The plane, if it is one."""
    x, y = plane
    if x == y or not (0 <= x < dimension and 0 <= y < dimension):
        raise ConfigError(f"a shear plane is two different axes below {dimension}, got {tuple(plane)}")
    return x, y


class _PseudoInverse:
    """Inverse of a minimum's Hessian among displacements that leave the centre of mass at rest.

    One particle is held in place, which leaves a positive definite matrix as sparse as the Hessian;
    removing the mean of its solution gives the pseudo-inverse exactly. Particles without
    neighbours get 0. With masses (N,) the matrix is the dynamical one, whose translations are as their roots.
    """

    def __init__(self, hessian: scipy.sparse.csr_array, dimension: int, masses: Array | None = None) -> None:
        self.rows, self._dimension = _with_neighbors(hessian, dimension), dimension
        self.root = None if masses is None else masses[self.rows[::dimension] // dimension, None] ** 0.5
        held = self.rows[dimension:]
        self._factors = _factorise(hessian[held][:, held].tocsc(), zero_tolerance(hessian))

    def __call__(self, forces: Array) -> Array:
        """Displacements (d N,) under forces (d N,), whose mean is ignored."""
        result = np.zeros(len(forces))
        result[self.rows] = self.inner(forces[self.rows])
        return result

    def inner(self, forces: Array) -> Array:
        """The same for the particles with neighbours alone."""
        solution = np.zeros(len(forces))
        solution[self._dimension :] = self._factors.solve(self._centred(forces)[self._dimension :])
        return self._centred(solution)

    def _centred(self, x: Array) -> Array:
        vectors = x.reshape(-1, self._dimension)
        return (vectors - drift(vectors, self.root)).ravel()


def drift(vectors: Array, root: Array | None) -> Array:
    """The translation in vectors (N, d): their mean, or their part along the roots (N, 1) of the masses."""
    if root is None:
        return np.asarray(vectors.mean(0))
    return np.asarray(root * (root * vectors).sum(0) / (root**2).sum())


def _lowest(hessian: scipy.sparse.csr_array, dimension: int, number: int, masses: Array | None) -> Modes:
    inner = len(_with_neighbors(hessian, dimension)) - dimension
    if not 1 <= number <= inner:
        raise ConfigError(f"expected 1 to {max(inner, 0)} modes beside the zero modes, got {number}")
    inverse = _PseudoInverse(hessian, dimension, masses)
    size = len(inverse.rows)
    operator = LinearOperator((size, size), matvec=inverse.inner, dtype=np.float64)
    # The default start is random. Any vector with a part of every mode leads to the same modes: a fixed one
    # makes the last bits and the signs repeat as well.
    generator = numpy_generator(0)
    start = inverse.inner(generator.standard_normal(size))
    reciprocals, vectors = eigsh(operator, k=number, which="LA", v0=start)
    ascending = np.argsort(-reciprocals)
    zeros = _zero_vectors(inverse, hessian.shape[0], dimension)
    others = np.zeros((hessian.shape[0], number))
    others[inverse.rows] = vectors[:, ascending]
    values = np.concatenate([np.zeros(zeros.shape[1]), 1.0 / reciprocals[ascending]])
    return _with_frequencies(values, np.concatenate([zeros, others], 1), dimension, zeros.shape[1])


def _zero_vectors(inverse: _PseudoInverse, size: int, dimension: int) -> Array:
    """Translations of the particles with neighbours, then those of each other one."""
    rows, root = inverse.rows, inverse.root
    loose = np.setdiff1d(np.arange(size), rows)
    vectors = np.zeros((size, dimension + len(loose)))
    if root is None:
        vectors[rows, rows % dimension] = (len(rows) // dimension) ** -0.5
    else:
        vectors[rows, rows % dimension] = np.repeat(root[:, 0], dimension) * (root**2).sum() ** -0.5
    vectors[loose, dimension + np.arange(len(loose))] = 1.0
    return vectors


def _with_frequencies(values: Array, vectors: Array, dimension: int, zeros: int) -> Modes:
    """Modes whose first `zeros` are the zero modes."""
    return Modes(values, np.sqrt(np.where(np.arange(len(values)) < zeros, 0.0, values)), vectors, dimension)


def _with_neighbors(hessian: scipy.sparse.csr_array, dimension: int) -> npt.NDArray[np.int64]:
    """Rows of the particles that interact with any other; DataError if none does."""
    own = hessian.diagonal().reshape(-1, dimension)
    if not own.any():
        raise DataError("no two particles interact: the Hessian is zero")
    return np.flatnonzero((own != 0).any(1).repeat(dimension))


def zero_tolerance(hessian: scipy.sparse.csr_array) -> float:
    """Below this an eigenvalue is zero, from the mean of all eigenvalues."""
    return ZERO * float(np.abs(hessian.diagonal()).mean())


def _factorise(matrix: scipy.sparse.csc_array, tolerance: float) -> SuperLU:
    """LU factors of a symmetric matrix; DataError unless it is positive definite."""
    try:
        # Pivots from the diagonal, L D L^T, have the signs of the eigenvalues (Sylvester).
        factors = splu(
            matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
    except RuntimeError:  # a pivot is exactly zero
        raise _too_loose() from None
    pivots = factors.U.diagonal()
    if (pivots < -tolerance).any():
        raise saddle_error(int((pivots < -tolerance).sum()), "counted without computing them")
    if (pivots <= tolerance).any():
        raise _too_loose()
    return factors


def _too_loose() -> DataError:
    return DataError(
        "the Hessian has more zero modes than translations and particles without neighbours: compute all "
        "modes (number=None), which counts them"
    )


def saddle_error(count: int, detail: str) -> DataError:
    """What to say of a Hessian with negative eigenvalues."""
    return DataError(
        f"the Hessian has {count} negative eigenvalues ({detail}): a saddle, not a minimum. Minimise "
        "further, to a residual force of 1e-8 or less, with the same mixture and truncation"
    )


def _squares(eigenvectors: Array, dimension: int) -> Array:
    """Squared length |e_i|^2 of each particle's part in each mode, (N, modes)."""
    return (eigenvectors.reshape(-1, dimension, eigenvectors.shape[1]) ** 2).sum(1)
