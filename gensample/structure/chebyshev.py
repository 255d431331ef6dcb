"""Chebyshev series of functions, and polynomials of a matrix applied to vectors through its products alone.

Weisse et al., Rev. Mod. Phys. 78, 275 (2006).
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from gensample.errors import ConfigError

FIRST_NODES = 64
MAX_DEGREE = 16_384
"""Beyond it, products take minutes for hundreds of particles and longer than the dynamics for thousands."""


def chebyshev_nodes(number: int) -> Tensor:
    """The zeros of T_number, (number,) float64."""
    return torch.cos(math.pi * (torch.arange(number, dtype=torch.float64) + 0.5) / number)


def chebyshev_fit(values: Tensor, degree: int) -> Tensor:
    """Chebyshev coefficients (degree + 1, ...) from values (M, ...) at chebyshev_nodes(M), M > degree.

    c_k = (2 - delta_k0) / M sum_j f(x_j) cos(pi k (j + 1/2) / M), a cosine transform by one FFT of the values
    in the order 0, 2, 4, ..., 5, 3, 1 (Makhoul, IEEE Trans. Acoust. 28, 27 (1980)).
    """
    number = values.shape[0]
    transformed = torch.fft.fft(torch.cat([values[::2], values[1::2].flip(0)]), dim=0)[: degree + 1]
    angle = -0.5 * math.pi / number * torch.arange(degree + 1, device=values.device).to(values)
    turn = torch.polar(torch.ones_like(angle), angle).reshape(-1, *[1] * (values.ndim - 1))
    coefficients = 2 / number * (turn * transformed).real
    coefficients[0] /= 2
    return coefficients


def chebyshev_series(
    function: Callable[[Tensor], Tensor], low: float, high: float, tolerance: float
) -> Tensor:
    """Coefficients (degree + 1, J) of J functions on [low, high], of the lowest degree that is good enough.

    function: (M,) float64 to (M, J). The sum of the magnitudes of what is cut off, a bound of the error
    everywhere on the interval, is at most ``tolerance`` for each function. Raises ConfigError where that
    takes a degree above MAX_DEGREE.
    """
    number = FIRST_NODES
    while number <= 2 * MAX_DEGREE:
        points = 0.5 * (high + low) + 0.5 * (high - low) * chebyshev_nodes(number)
        coefficients = chebyshev_fit(function(points), number - 1)
        # left[k]: what a series that ends before k lacks.
        left = coefficients.abs().flip(0).cumsum(0).flip(0).amax(1)
        # Half the nodes without weight: what they cannot resolve would have shown there.
        if float(left[number // 2]) <= tolerance:
            return coefficients[: max(1, int((left > tolerance).sum()))]
        number *= 2
    raise ConfigError(
        f"a polynomial of degree {MAX_DEGREE} is not within {tolerance:g} of what it stands for on "
        f"[{low:.3g}, {high:.3g}]"
    )


def chebyshev_terms(product: Callable[[Tensor], Tensor], x: Tensor, degree: int) -> Iterator[Tensor]:
    """T_k(A) x for k = 0..degree, from products with a matrix A whose spectrum is in [-1, 1]."""
    low, high = x, x
    yield high
    for k in range(1, degree + 1):
        low, high = high, product(high) if k == 1 else 2 * product(high) - low
        yield high
