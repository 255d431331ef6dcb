"""Ridge regression whose penalty is chosen on held-out groups."""

from collections.abc import Sequence

import torch
from torch import Tensor

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""In units of the number of rows: what a unit of variance in every column would be."""
_FOLDS = 5


def ridge(inputs: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """Weights (D, T) that minimise |x w - y|^2 + penalty |w|^2 over groups of x (M, D) and y (M, T).

    Without intercept: both should have zero mean. The penalty, of ``PENALTIES``, is the one with the smallest
    error on groups left out (five folds; with a single group, the largest penalty). Hoerl and Kennard,
    Technometrics 12, 55 (1970).
    """
    grams = [x.double().T @ x.double() for x in inputs]
    crosses = [x.double().T @ y.double() for x, y in zip(inputs, targets, strict=True)]
    rows = [len(x) for x in inputs]
    error = torch.zeros(len(PENALTIES), dtype=torch.float64)
    for fold in range(min(_FOLDS, len(inputs)) if len(inputs) > 1 else 0):
        kept = [g for g in range(len(inputs)) if g % _FOLDS != fold]
        for weights, p in zip(_solve(grams, crosses, rows, kept), range(len(PENALTIES)), strict=True):
            for g in set(range(len(inputs))) - set(kept):
                error[p] += (inputs[g].double() @ weights - targets[g].double()).square().sum().cpu()
    best = int(error.argmin()) if len(inputs) > 1 else len(PENALTIES) - 1
    return _solve(grams, crosses, rows, list(range(len(inputs))))[best].to(targets[0])


def _solve(grams: list[Tensor], crosses: list[Tensor], rows: list[int], chosen: list[int]) -> list[Tensor]:
    """Weights of the chosen groups for each penalty, from one eigendecomposition."""
    gram = torch.stack([grams[g] for g in chosen]).sum(0)
    cross = torch.stack([crosses[g] for g in chosen]).sum(0)
    values, vectors = torch.linalg.eigh(gram)
    rotated, total = vectors.T @ cross, sum(rows[g] for g in chosen)
    return [vectors @ (rotated / (values.clamp(min=0) + p * total).unsqueeze(1)) for p in PENALTIES]
