"""Support-vector machines against the conditions of their minimum and another minimiser."""

import numpy as np
import pytest
import scipy.optimize
import torch

from gensample.stats.regression import support_vector_machines

PENALTIES = (1.0, 1e-1, 1e-2, 1e-3)


def classes(overlap, examples=200, columns=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(examples, columns, generator=generator)
    noise = overlap * torch.randn(examples, generator=generator)
    return x, torch.where(x[:, 0] - 0.5 * x[:, 1] + 0.3 + noise > 0, 1.0, -1.0)


def objective(parameters, x, label, penalty):
    w, b = parameters[:-1], parameters[-1]
    shortfall = np.maximum(0, 1 - label * (x @ w + b))
    slope = -2 * shortfall * label / len(x)
    gradient = np.append(x.T @ slope + 2 * penalty * w, slope.sum())
    return np.mean(shortfall**2) + penalty * w @ w, gradient


@pytest.mark.parametrize("overlap", [0.0, 0.5, 3.0])
def test_the_minimum_by_another_minimiser(overlap):
    x, label = classes(overlap)
    weights, offsets = support_vector_machines(x, label, PENALTIES)
    a, b = x.double().numpy(), label.double().numpy()
    for penalty, w, offset in zip(PENALTIES, weights, offsets, strict=True):
        best = scipy.optimize.minimize(
            objective, np.zeros(7), (a, b, penalty), jac=True, tol=1e-12, options={"maxiter": 5000}
        )
        np.testing.assert_allclose(np.append(w, offset), best.x, rtol=1e-4, atol=1e-5)
        assert np.abs(objective(np.append(w, offset), a, b, penalty)[1]).max() < 1e-8


def test_two_points_by_hand():
    """At 0 and 2, almost without penalty: the margins are the points, the hyperplane is half-way."""
    weights, offsets = support_vector_machines(
        torch.tensor([[0.0], [2.0]]), torch.tensor([-1.0, 1.0]), [1e-9]
    )
    assert float(weights[0, 0]) == pytest.approx(1, abs=1e-6)
    assert float(offsets[0]) == pytest.approx(-1, abs=1e-6)


def test_examples_far_outside_the_margin_do_not_matter():
    x, label = classes(0.3)
    first = support_vector_machines(x, label, [1e-2])
    normal, offset = first[0][0], first[1][0]
    far = label * (x.double() @ normal + offset) > 1.2
    assert 10 < int(far.sum()) < 190
    moved = torch.where(far[:, None], x + 5 * label[:, None] * normal.float() / normal.float().norm() ** 2, x)
    second = support_vector_machines(moved, label, [1e-2])
    torch.testing.assert_close(first, second, rtol=1e-6, atol=1e-6)


def test_a_start_from_another_penalty_does_not_change_the_end():
    x, label = classes(0.5)
    path = support_vector_machines(x, label, PENALTIES)
    alone = support_vector_machines(x, label, PENALTIES[-1:])
    torch.testing.assert_close(path[0][-1:], alone[0], rtol=1e-6, atol=1e-7)


def test_columns_that_are_all_zero_and_copies_are_harmless():
    x, label = classes(0.5)
    weights, _ = support_vector_machines(torch.cat([x, x, 0 * x], 1), label, PENALTIES)
    assert weights.isfinite().all()
    torch.testing.assert_close(weights[:, :6], weights[:, 6:12], rtol=1e-5, atol=1e-8)
    assert weights[:, 12:].abs().max() == 0
