"""Ridge regression whose penalty is chosen on held-out groups."""

from collections.abc import Sequence

import torch
from torch import Tensor

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""In units of the number of rows: what a unit of variance in every column would be."""


def ridge(inputs: Sequence[Tensor], targets: Sequence[Tensor], folds: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Weights (D, T) that minimise |x w - y|^2 + penalty |w|^2; for each fold those without it, (F, D, T).

    x (M, D) and y (M, T) of several groups, each in one of the folds 0 to F - 1. Without intercept: both
    should have zero mean. The penalty, of ``PENALTIES``, is the one with the smallest error on folds left
    out; with a single fold, the largest. Hoerl and Kennard, Technometrics 12, 55 (1970). Predictions for a
    fold by the weights without it are as good as those for new data: what is trained on top of them is not
    misled by how well a regression fits its own data.
    """
    grams = [x.double().T @ x.double() for x in inputs]
    crosses = [x.double().T @ y.double() for x, y in zip(inputs, targets, strict=True)]
    rows = [len(x) for x in inputs]
    everything = _solve(grams, crosses, rows)
    number = max(folds) + 1
    without = [everything] * number
    error = torch.zeros(len(PENALTIES), dtype=torch.float64)
    for fold in sorted(set(folds)) if len(set(folds)) > 1 else []:
        kept = [g for g, own in enumerate(folds) if own != fold]
        without[fold] = _solve([grams[g] for g in kept], [crosses[g] for g in kept], [rows[g] for g in kept])
        for g in set(range(len(folds))) - set(kept):
            errors = [inputs[g].double() @ weights - targets[g].double() for weights in without[fold]]
            error += torch.stack([e.square().sum() for e in errors]).cpu()
    best = int(error.argmin()) if len(set(folds)) > 1 else len(PENALTIES) - 1
    held_out = torch.stack([weights[best] for weights in without])
    return everything[best].to(targets[0]), held_out.to(targets[0])


def _solve(grams: list[Tensor], crosses: list[Tensor], rows: list[int]) -> list[Tensor]:
    """Weights for each penalty, from one eigendecomposition."""
    values, vectors = torch.linalg.eigh(torch.stack(grams).sum(0))
    rotated = vectors.T @ torch.stack(crosses).sum(0)
    return [vectors @ (rotated / (values.clamp(min=0) + p * sum(rows)).unsqueeze(1)) for p in PENALTIES]
