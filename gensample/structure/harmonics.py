"""Angular functions of directions in the plane and in space, without scipy, on any device."""

import math

import torch
from torch import Tensor


def angular_basis(direction: Tensor, degrees: range) -> list[Tensor]:
    """Orthogonal angular functions of unit vectors (E, d), one tensor (E, 2 or 2l + 1) per degree.

    In 2D cos(m theta) and sin(m theta); in 3D the real spherical harmonics. Within a degree the squares for a
    single direction sum to one, and a rotation or reflection mixes its functions orthogonally, so that the
    norm of any weighted sum over neighbours is invariant: Steinhardt, Nelson and Ronchetti, Phys. Rev. B 28,
    784 (1983).
    """
    return _circular(direction, degrees) if direction.shape[-1] == 2 else _spherical(direction, degrees)


def _circular(direction: Tensor, degrees: range) -> list[Tensor]:
    powers = _complex_powers(direction[:, 0], direction[:, 1], degrees[-1])
    return [torch.stack(powers[m], -1) for m in degrees]


def _spherical(direction: Tensor, degrees: range) -> list[Tensor]:
    """sqrt(4 pi / (2l + 1)) Y_lm in real form, m = -l..l, from normalised Legendre functions.

    The factor sin(theta)^m goes with exp(i m phi) as (x + i y)^m, which leaves polynomials in z that are
    regular at the poles. Recursion in l: NIST Digital Library of Mathematical Functions, 14.10.3 and 14.30.
    """
    x, y, z = direction.unbind(-1)
    powers = _complex_powers(x, y, degrees[-1])
    legendre = _legendre(z, degrees[-1])
    result = []
    for degree in degrees:
        scale = math.sqrt(1.0 / (2 * degree + 1))
        cosines = [legendre[degree, m] * powers[m][0] for m in range(1, degree + 1)]
        sines = [legendre[degree, m] * powers[m][1] for m in range(degree, 0, -1)]
        columns = torch.stack([*sines, legendre[degree, 0] / math.sqrt(2), *cosines], -1)
        result.append(columns * (scale * math.sqrt(2)))
    return result


def _complex_powers(x: Tensor, y: Tensor, highest: int) -> list[tuple[Tensor, Tensor]]:
    """Real and imaginary part of (x + i y)^m for m = 0..highest."""
    powers = [(torch.ones_like(x), torch.zeros_like(x))]
    for _ in range(highest):
        real, imaginary = powers[-1]
        powers.append((real * x - imaginary * y, real * y + imaginary * x))
    return powers


def _legendre(z: Tensor, highest: int) -> dict[tuple[int, int], Tensor]:
    """Associated Legendre functions over sin(theta)^m, normalised to 1 at (0, 0) and 4 pi on the sphere."""
    table = {(0, 0): torch.ones_like(z)}
    for m in range(highest + 1):
        if m > 0:
            table[m, m] = table[m - 1, m - 1] * math.sqrt((2 * m + 1) / (2 * m))
        if m < highest:
            table[m + 1, m] = z * table[m, m] * math.sqrt(2 * m + 3)
        for degree in range(m + 2, highest + 1):
            a = math.sqrt((4 * degree**2 - 1) / (degree**2 - m**2))
            b = math.sqrt(((degree - 1) ** 2 - m**2) / (4 * (degree - 1) ** 2 - 1))
            table[degree, m] = a * (z * table[degree - 1, m] - b * table[degree - 2, m])
    return table
