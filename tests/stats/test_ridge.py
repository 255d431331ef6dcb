"""Ridge regression against the closed form, and the choice of its penalty."""

import weakref

import numpy as np
import pytest
import torch

from gensample.stats import regression as module
from gensample.stats.regression import PENALTIES, block_ridge, line, ridge


def groups(noise, columns=30, rows=40, number=10):
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(columns, 2, generator=generator)
    x = [torch.randn(rows, columns, generator=generator) for _ in range(number)]
    y = [a @ weights + noise * torch.randn(rows, 2, generator=generator) for a in x]
    return weights, x, y


def check(got, expected):
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


FOLDS = [g % 5 for g in range(10)]


def normal_equations(x, y, penalty):
    x, y = torch.cat(x).double(), torch.cat(y).double()
    return torch.linalg.solve(x.T @ x + penalty * len(x) * torch.eye(x.shape[1]).double(), x.T @ y).float()


def test_every_penalty_gives_the_normal_equations(monkeypatch):
    _, x, y = groups(1.0)
    for penalty in PENALTIES:
        monkeypatch.setattr(module, "PENALTIES", (penalty,))
        torch.testing.assert_close(
            ridge(zip(x, y, strict=True), FOLDS)[0], normal_equations(x, y, penalty), rtol=1e-4, atol=1e-5
        )


def test_without_noise_the_smallest_penalty_wins():
    weights, x, y = groups(0.0)
    torch.testing.assert_close(
        ridge(zip(x, y, strict=True), FOLDS)[0], normal_equations(x, y, PENALTIES[0]), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(ridge(zip(x, y, strict=True), FOLDS)[0], weights, rtol=1e-2, atol=1e-3)


def test_pure_noise_takes_the_largest_penalty():
    _, x, _ = groups(0.0)
    generator = torch.Generator().manual_seed(3)
    y = [torch.randn(len(a), 2, generator=generator) for a in x]
    torch.testing.assert_close(
        ridge(zip(x, y, strict=True), FOLDS)[0], normal_equations(x, y, PENALTIES[-1]), rtol=1e-4, atol=1e-5
    )


def test_columns_that_are_all_zero_are_harmless():
    _, x, y = groups(0.1)
    x = [torch.cat([a, torch.zeros(len(a), 3)], 1) for a in x]
    found = ridge(zip(x, y, strict=True), FOLDS)[0]
    assert found.isfinite().all()
    assert found[-3:].abs().max() == 0


def test_one_fold_takes_the_largest_penalty():
    _, x, y = groups(0.1, number=2)
    expected = normal_equations(x, y, PENALTIES[-1])
    check(ridge(zip(x, y, strict=True), [0, 0])[0], expected)


def test_weights_without_a_fold_have_not_seen_it():
    _, x, y = groups(1.0)
    without = ridge(zip(x, y, strict=True), FOLDS)[1]
    assert without.shape[0] == 5
    others = [g for g in range(10) if FOLDS[g] != 2]
    candidates = [normal_equations([x[g] for g in others], [y[g] for g in others], p) for p in PENALTIES]
    assert min((c - without[2]).abs().max() for c in candidates) < 1e-4


def test_an_empty_fold_gets_the_weights_of_all():
    _, x, y = groups(1.0)
    everything, without = ridge(zip(x, y, strict=True), [0, 3] * 5)
    torch.testing.assert_close(without[1], everything)


def planted_blocks(seed=0, groups=8, rows=60):
    """Two blocks of columns, of which the second is noise; targets from the first alone."""
    generator = torch.Generator().manual_seed(seed)
    inputs = [torch.randn(rows, 45, generator=generator).double() for _ in range(groups)]
    weights = torch.randn(5, 2, generator=generator).double()
    targets = [x[:, :5] @ weights + 2.0 * torch.randn(rows, 2, generator=generator) for x in inputs]
    return inputs, targets, weights


def test_blocks_are_penalised_apart():
    inputs, targets, weights = planted_blocks()
    found, _, penalties = block_ridge(zip(inputs, targets, strict=True), list(range(8)), [5, 40])
    assert penalties[0] <= 0.1
    assert penalties[1] >= 1.0
    common, _ = ridge(zip(inputs, targets, strict=True), list(range(8)))
    true = torch.cat([weights, torch.zeros(40, 2)])
    assert (found - true).norm() < 0.7 * (common - true).norm()


def test_given_penalties_it_solves_the_normal_equations():
    inputs, targets, _ = planted_blocks()
    found, without, (first, second) = block_ridge(
        zip(inputs, targets, strict=True), [0, 1, 2, 4] * 2, [5, 40]
    )

    def solved(groups):
        x, y = (torch.cat([values[g] for g in groups]) for values in (inputs, targets))
        penalty = torch.diag(torch.tensor([first] * 5 + [second] * 40).double()) * len(x)
        return torch.linalg.solve(x.T @ x + penalty, x.T @ y)

    torch.testing.assert_close(found, solved(range(8)))
    torch.testing.assert_close(without[4], solved([0, 1, 2, 4, 5, 6]))  # the fourth fold in use
    torch.testing.assert_close(without[3], found)  # a fold that nothing is in


def test_blocks_that_are_not_the_columns_are_refused():
    inputs, targets, _ = planted_blocks()
    with pytest.raises(ValueError, match="are not the 45 there are"):
        block_ridge(zip(inputs, targets, strict=True), list(range(8)), [5, 39])


def test_one_fold_leaves_the_penalties_where_they_start():
    inputs, targets, _ = planted_blocks(groups=1)
    found, _, penalties = block_ridge(zip(inputs, targets, strict=True), [0], [5, 40])
    assert penalties == [module.START] * 2
    assert torch.isfinite(found).all()


def test_a_line_through_points_and_none_through_too_few():
    x = torch.tensor([1.0, 2.0, 4.0, 7.0])
    y = torch.stack([3 - 2 * x, 0.5 * x], dim=1) + torch.tensor([[0.1], [-0.1], [0.1], [-0.1]])
    slope, intercept = np.polyfit(x.numpy(), y.numpy(), 1)
    np.testing.assert_allclose(line(x, y).numpy(), [intercept, slope], rtol=1e-5)
    torch.testing.assert_close(line(x[:3], y[:3])[1], torch.zeros(2).double())
    torch.testing.assert_close(line(torch.ones(4), y)[0], y.double().mean(0))


@pytest.mark.parametrize("regress", [ridge, lambda *given: block_ridge(*given, [10, 20])])
def test_groups_are_gone_through_one_at_a_time(regress):
    """A group is let go before the next but one is made: all at once may not fit in memory."""
    alive = []

    def pairs():
        for number in range(6):
            generator = torch.Generator().manual_seed(number)
            x = torch.randn(50, 30, generator=generator)
            alive.append(weakref.ref(x))
            assert sum(each() is not None for each in alive) <= 2
            yield x, x[:, :2] + torch.randn(50, 2, generator=generator)

    found = regress(pairs(), list(range(6)))[0]
    assert len(alive) == 6
    torch.testing.assert_close(found, torch.eye(30)[:, :2], rtol=0, atol=0.3)
