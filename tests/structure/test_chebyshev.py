import numpy as np
import pytest
import torch
from numpy.polynomial import chebyshev as reference

from gensample.errors import ConfigError
from gensample.structure.chebyshev import (
    chebyshev_fit,
    chebyshev_nodes,
    chebyshev_series,
    chebyshev_terms,
)


def value(coefficients, x, low, high):
    inside = (2 * x - high - low) / (high - low)
    return torch.from_numpy(reference.chebval(inside.numpy(), coefficients.numpy())).T


@pytest.mark.parametrize("number", [8, 9])
def test_fit_finds_the_coefficients_of_polynomials(number):
    planted = torch.linspace(1, 2, 12, dtype=torch.float64).reshape(6, 2)
    values = torch.from_numpy(reference.chebval(chebyshev_nodes(number).numpy(), planted.numpy())).T
    torch.testing.assert_close(chebyshev_fit(values, 5), planted)


def test_series_are_as_good_as_asked_and_no_longer_than_they_need_be():
    def functions(x):
        return torch.stack([(0.3 * x).sqrt(), torch.cos(9 * x)], 1)

    x = torch.linspace(0.5, 4, 1001, dtype=torch.float64)
    lengths = []
    for tolerance in (1e-3, 1e-6, 1e-9):
        series = chebyshev_series(functions, 0.5, 4.0, tolerance)
        error = (value(series, x, 0.5, 4.0) - functions(x)).abs().amax()
        assert 1e-4 * tolerance < error <= tolerance
        lengths.append(len(series))
    # The cosine decides: 9 radians times half of 3.5, and a few more for each digit.
    assert 18 < lengths[0] < lengths[1] < lengths[2] < 40


def test_a_constant_needs_degree_zero_and_a_kink_is_refused():
    constant = chebyshev_series(lambda x: torch.full((len(x), 2), 3.0).double(), 0.0, 1.0, 1e-6)
    torch.testing.assert_close(constant, torch.full((1, 2), 3.0).double())
    with pytest.raises(ConfigError, match="a polynomial of degree 16384 is not within 1e-08"):
        chebyshev_series(lambda x: (x - 0.3).abs().unsqueeze(1), 0.0, 1.0, 1e-8)


def test_terms_are_the_polynomials_of_the_matrix():
    a = np.random.default_rng(0).normal(size=(6, 6))
    matrix = torch.from_numpy((a + a.T) / np.linalg.norm(a + a.T, 2))
    values, vectors = torch.linalg.eigh(matrix)
    x = torch.arange(12, dtype=torch.float64).reshape(6, 2)
    for k, term in enumerate(chebyshev_terms(lambda y: matrix @ y, x, 5)):
        wanted = vectors @ torch.diag(torch.cos(k * values.clamp(-1, 1).arccos())) @ vectors.T @ x
        torch.testing.assert_close(term, wanted)
    assert k == 5
