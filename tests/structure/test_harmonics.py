import numpy as np
import scipy.special
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gensample.structure.harmonics import angular_basis

DEGREES = range(0, 11)


def directions(count: int, dimension: int, seed: int = 0) -> Tensor:
    x = torch.randn(count, dimension, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x / x.norm(dim=-1, keepdim=True)


def scipy_harmonics(degree: int, m: int, direction: Tensor) -> np.ndarray:
    polar = np.arccos(direction[:, 2].numpy())
    azimuth = np.arctan2(direction[:, 1].numpy(), direction[:, 0].numpy())
    if hasattr(scipy.special, "sph_harm_y"):
        return scipy.special.sph_harm_y(degree, m, polar, azimuth)
    return scipy.special.sph_harm(m, degree, azimuth, polar)


def test_spherical_harmonics_against_scipy() -> None:
    """Real form from scipy's complex one: sqrt(2) Re and Im parts with the Condon-Shortley sign removed."""
    direction = directions(40, 3)
    for degree, basis in zip(DEGREES, angular_basis(direction, DEGREES), strict=True):
        for m in range(-degree, degree + 1):
            y = (-1) ** m * scipy_harmonics(degree, abs(m), direction) * np.sqrt(4 * np.pi / (2 * degree + 1))
            real = y.real if m == 0 else np.sqrt(2) * (y.real if m > 0 else y.imag)
            np.testing.assert_allclose(basis[:, degree + m], real, atol=1e-12)


def test_circular_functions_are_cosines_and_sines() -> None:
    angle = torch.linspace(-3, 3, 13, dtype=torch.float64)
    basis = angular_basis(torch.stack([angle.cos(), angle.sin()], -1), range(2, 9))
    for m, columns in zip(range(2, 9), basis, strict=True):
        torch.testing.assert_close(columns, torch.stack([(m * angle).cos(), (m * angle).sin()], -1))


def test_addition_theorem() -> None:
    """Products for two directions add up to the Legendre polynomial of their cosine (DLMF 14.30.9)."""
    a, b = directions(30, 3, 1), directions(30, 3, 2)
    for degree, x, y in zip(DEGREES, angular_basis(a, DEGREES), angular_basis(b, DEGREES), strict=True):
        legendre = scipy.special.eval_legendre(degree, (a * b).sum(-1).numpy())
        np.testing.assert_allclose((x * y).sum(-1), legendre, atol=1e-12)


def test_poles_are_regular() -> None:
    poles = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
    for degree, basis in zip(DEGREES, angular_basis(poles, DEGREES), strict=True):
        expected = torch.zeros(2, 2 * degree + 1)
        expected[:, degree] = torch.tensor([1.0, (-1.0) ** degree])
        torch.testing.assert_close(basis, expected)


@given(st.integers(0, 10**6), st.sampled_from([2, 3]), st.booleans())
def test_norm_of_a_sum_is_invariant_under_any_rotation_or_reflection(
    seed: int, dimension: int, flip: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.linalg.qr(torch.randn(dimension, dimension, generator=generator, dtype=torch.float64)).Q
    if flip:
        matrix = matrix * torch.tensor([-1.0] + [1.0] * (dimension - 1), dtype=torch.float64)
    x = directions(12, dimension, seed)
    for before, after in zip(
        angular_basis(x, range(1, 9)), angular_basis(x @ matrix.T, range(1, 9)), strict=True
    ):
        torch.testing.assert_close(before.sum(0).norm(), after.sum(0).norm())
