"""Functions of a Hessian applied to displacement fields: from all its modes, or by polynomials of it.

f(H) x = sum over modes of f(lambda) e (e . x), for fields x without drift: translations are projected out.
With masses the dynamical matrix takes the place of H, and fields are displacements times the masses' roots.
"""

import warnings
from collections.abc import Callable
from typing import Protocol

import numpy as np
import scipy.sparse
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch import Tensor

from gensample.errors import DataError
from gensample.seeding import numpy_generator
from gensample.structure.chebyshev import chebyshev_series, chebyshev_terms
from gensample.structure.modes import Array, drift, dynamical_matrix, modes, saddle_error, zero_tolerance

Function = Callable[[Tensor], Tensor]
"""From eigenvalues (M,) to the values (M, J) of J functions of them, float64."""

DENSE_LIMIT = 3000
"""Degrees of freedom up to which all modes are found, in a time that grows as their cube."""


class MatrixFunctions(Protocol):
    """Applies functions of one Hessian."""

    def apply(self, functions: Function, fields: Tensor, tolerance: float) -> Tensor:
        """J functions of the Hessian applied to each of F fields (F, N, d), (J, F, N, d) float64.

        Fields lose their drift. ``tolerance``: error of the functions' values that is good enough. Raises
        ConfigError for functions that no polynomial of reasonable degree comes close to.
        """


def matrix_functions(
    hessian: scipy.sparse.csr_array,
    dimension: int,
    *,
    masses: Array | None = None,
    dense_limit: int = DENSE_LIMIT,
    device: torch.device | str = "cpu",
) -> MatrixFunctions:
    """Exact up to ``dense_limit`` degrees of freedom, by polynomials beyond; DataError for a saddle."""
    small = hessian.shape[0] <= dense_limit
    return (Exact if small else Polynomial)(hessian, dimension, device, masses)


class Exact:
    """From the eigenvectors; the tolerance does not matter."""

    def __init__(
        self,
        hessian: scipy.sparse.csr_array,
        dimension: int,
        device: torch.device | str = "cpu",
        masses: Array | None = None,
    ) -> None:
        found = modes(hessian, dimension, masses=masses)
        self._root = roots(masses, device)
        self._values = torch.from_numpy(np.where(found.frequencies > 0, found.eigenvalues, 0.0))
        self._vectors = torch.from_numpy(found.eigenvectors).to(device)

    def apply(self, functions: Function, fields: Tensor, tolerance: float) -> Tensor:
        """See `MatrixFunctions`."""
        values = functions(self._values).T.to(fields.device)
        amplitudes = self._vectors.T @ columns(fields, self._root)
        return fields_of(self._vectors @ (values.unsqueeze(2) * amplitudes), fields, self._root)


class Polynomial:
    """By Chebyshev series on the range of the spectrum: products with the sparse Hessian, no eigenvectors.

    ``low`` and ``high`` enclose the spectrum without its translations; ``degree`` is that of the last series.
    """

    def __init__(
        self,
        hessian: scipy.sparse.csr_array,
        dimension: int,
        device: torch.device | str = "cpu",
        masses: Array | None = None,
    ) -> None:
        hessian = dynamical_matrix(hessian, dimension, masses)
        self.low, self.high = spectral_range(hessian, dimension, masses)
        self._root = roots(masses, device)
        self.degree = 0
        shift, scale = 0.5 * (self.high + self.low), 0.5 * (self.high - self.low)
        scaled = ((hessian - shift * scipy.sparse.eye_array(hessian.shape[0])) / scale).tocsr()
        parts = (torch.from_numpy(part).to(device) for part in (scaled.indptr, scaled.indices, scaled.data))
        self._matrix = sparse_matrix(*parts)

    def apply(self, functions: Function, fields: Tensor, tolerance: float) -> Tensor:
        """See `MatrixFunctions`."""
        series = chebyshev_series(functions, self.low, self.high, tolerance).to(fields.device)
        self.degree, x = len(series) - 1, columns(fields, self._root)
        total = x.new_zeros(series.shape[1], *x.shape)
        terms = chebyshev_terms(lambda vectors: self._matrix @ vectors, x, self.degree)
        for weights, term in zip(series, terms, strict=True):
            for sum_, weight in zip(total, weights, strict=True):
                sum_.add_(term, alpha=float(weight))
        return fields_of(total, fields, self._root)


def roots(masses: Array | None, device: torch.device | str) -> Tensor | None:
    """Of masses (N,), as a column; None: all are 1."""
    return None if masses is None else torch.from_numpy(masses**0.5).to(device).unsqueeze(1)


def columns(fields: Tensor, root: Tensor | None) -> Tensor:
    """Fields (F, N, d) less their drift, as columns (N d, F)."""
    return _centred(fields.double(), root).flatten(1).T.contiguous()


def fields_of(vectors: Tensor, like: Tensor, root: Tensor | None) -> Tensor:
    """Columns (J, N d, F) as fields (J, F, N, d), less the drift that rounding left."""
    return _centred(vectors.transpose(1, 2).reshape(-1, *like.shape), root)


def _centred(fields: Tensor, root: Tensor | None) -> Tensor:
    """Fields (..., N, d) without translations."""
    if root is None:
        return fields - fields.mean(-2, keepdim=True)
    return fields - root * (root * fields).sum(-2, keepdim=True) / root.square().sum()


def spectral_range(
    hessian: scipy.sparse.csr_array, dimension: int, masses: Array | None = None
) -> tuple[float, float]:
    """An interval with all eigenvalues but those of the translations, by the Lanczos method (ARPACK).

    Its ends are 1 % beyond the extreme eigenvalues, found to as much; the lower one is 0 where there are
    further zero modes. With masses (N,) the matrix is the dynamical one. Raises DataError for a saddle.
    """
    root = None if masses is None else masses[:, None] ** 0.5
    size, tolerance = hessian.shape[0], zero_tolerance(hessian)
    if not tolerance:
        raise DataError("no two particles interact: the Hessian is zero")
    start = numpy_generator(0).standard_normal(size)
    high = 1.02 * float(eigsh(hessian, k=1, which="LA", tol=1e-2, v0=start, return_eigenvectors=False)[0])

    def lifted(x: np.ndarray) -> np.ndarray:
        # The translations, of eigenvalue 0, moved to the upper end.
        vectors = x.reshape(-1, dimension)
        shift = np.broadcast_to(drift(vectors, root), vectors.shape)
        product: np.ndarray = hessian @ x.ravel() + high * shift.ravel()
        return product

    operator = LinearOperator((size, size), matvec=lifted, dtype=np.float64)
    try:
        lowest = float(
            eigsh(operator, k=1, which="SA", tol=1e-2, v0=start, ncv=40, return_eigenvectors=False)[0]
        )
    except ArpackNoConvergence:  # further zero modes: relative to them nothing converges
        return 0.0, high
    if lowest < -tolerance:
        raise saddle_error(1, f"the lowest is {lowest:.3g}")
    return max(0.0, 0.98 * lowest), high


def sparse_matrix(pointer: Tensor, index: Tensor, values: Tensor) -> Tensor:
    """Square sparse matrix by rows, of the dtype and device of its values."""
    size = len(pointer) - 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "CSR support is in beta"
        return torch.sparse_csr_tensor(pointer, index, values, (size, size))
