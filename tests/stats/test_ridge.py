"""Ridge regression against the closed form, and the choice of its penalty."""

import torch

from gensample.stats import ridge as module
from gensample.stats.ridge import PENALTIES, ridge


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
            ridge(x, y, FOLDS)[0], normal_equations(x, y, penalty), rtol=1e-4, atol=1e-5
        )


def test_without_noise_the_smallest_penalty_wins():
    weights, x, y = groups(0.0)
    torch.testing.assert_close(
        ridge(x, y, FOLDS)[0], normal_equations(x, y, PENALTIES[0]), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(ridge(x, y, FOLDS)[0], weights, rtol=1e-2, atol=1e-3)


def test_pure_noise_takes_the_largest_penalty():
    _, x, _ = groups(0.0)
    generator = torch.Generator().manual_seed(3)
    y = [torch.randn(len(a), 2, generator=generator) for a in x]
    torch.testing.assert_close(
        ridge(x, y, FOLDS)[0], normal_equations(x, y, PENALTIES[-1]), rtol=1e-4, atol=1e-5
    )


def test_columns_that_are_all_zero_are_harmless():
    _, x, y = groups(0.1)
    x = [torch.cat([a, torch.zeros(len(a), 3)], 1) for a in x]
    found = ridge(x, y, FOLDS)[0]
    assert found.isfinite().all()
    assert found[-3:].abs().max() == 0


def test_one_fold_takes_the_largest_penalty():
    _, x, y = groups(0.1, number=2)
    expected = normal_equations(x, y, PENALTIES[-1])
    check(ridge(x, y, [0, 0])[0], expected)


def test_weights_without_a_fold_have_not_seen_it():
    _, x, y = groups(1.0)
    without = ridge(x, y, FOLDS)[1]
    assert without.shape[0] == 5
    others = [g for g in range(10) if FOLDS[g] != 2]
    candidates = [normal_equations([x[g] for g in others], [y[g] for g in others], p) for p in PENALTIES]
    assert min((c - without[2]).abs().max() for c in candidates) < 1e-4


def test_an_empty_fold_gets_the_weights_of_all():
    _, x, y = groups(1.0)
    everything, without = ridge(x, y, [0, 3] * 5)
    torch.testing.assert_close(without[1], everything)
