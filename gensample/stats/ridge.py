"""Ridge regression whose penalty is chosen on held-out groups."""

from collections.abc import Sequence

import torch
from torch import Tensor

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""In units of the number of rows: what a unit of variance in every column would be."""

BLOCK_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 1e6)
"""Of blocks of columns; the largest leaves a block out."""
START, ROUNDS = 0.1, 4
FEWEST_FOR_SLOPE = 4


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


def block_ridge(
    inputs: Sequence[Tensor], targets: Sequence[Tensor], folds: Sequence[int], blocks: Sequence[int]
) -> tuple[Tensor, Tensor, list[float]]:
    """Weights (D, T) of a ridge regression whose blocks of columns are penalised apart; for each fold those
    without it, (F, D, T); and the penalties.

    Arguments as for `ridge`; ``blocks`` are the numbers of columns of each block, in order. The penalties, of
    ``BLOCK_PENALTIES``, lower the error on folds left out (in units of each target's variance) by coordinate
    descent. With a single fold, all stay at the start. Raises ValueError when blocks are not the columns.
    """
    if sum(blocks) != inputs[0].shape[1]:
        raise ValueError(f"blocks of {list(blocks)} columns are not the {inputs[0].shape[1]} there are")
    sums = _Sums.of(inputs, targets, folds)
    chosen = [START] * len(blocks)
    several = len(set(folds)) > 1
    best = sums.held_out_error(_penalties(chosen, blocks)) if several else 0.0
    for _ in range(ROUNDS if several else 0):
        before = list(chosen)
        for block in range(len(blocks)):
            for penalty in BLOCK_PENALTIES:
                trial = [*chosen[:block], penalty, *chosen[block + 1 :]]
                error = sums.held_out_error(_penalties(trial, blocks))
                if error < best:
                    best, chosen = error, trial
        if chosen == before:
            break
    penalties = _penalties(chosen, blocks)
    everything = sums.weights(penalties)
    without = [everything] * (max(folds) + 1)
    for number, fold in enumerate(sorted(set(folds)) if several else []):
        without[fold] = sums.weights(penalties, left_out=number)
    return everything.to(targets[0]), torch.stack(without).to(targets[0]), chosen


def line(x: Tensor, y: Tensor) -> Tensor:
    """Intercept and slope (2, T) of the least-squares line from x (C,) to y (C, T).

    The slope is zero where fewer than FEWEST_FOR_SLOPE points, or points all alike in x, say nothing of it.
    """
    x, y = x.double(), y.double()
    apart = x - x.mean()
    square = apart.square().sum()
    known = len(x) >= FEWEST_FOR_SLOPE and float(square) > 0
    slope = (apart.unsqueeze(1) * y).sum(0) / square if known else torch.zeros_like(y[0])
    return torch.stack([y.mean(0) - slope * x.mean(), slope])


def _penalties(chosen: Sequence[float], blocks: Sequence[int]) -> Tensor:
    return torch.tensor(chosen, dtype=torch.float64).repeat_interleave(torch.tensor(blocks))


class _Sums:
    """Sums over the rows of each fold: x x, x y and y y; all that regressions and their errors need."""

    def __init__(self, gram: Tensor, cross: Tensor, square: Tensor, rows: Tensor) -> None:
        self.gram, self.cross, self.square, self.rows = gram, cross, square, rows

    @classmethod
    def of(cls, inputs: Sequence[Tensor], targets: Sequence[Tensor], folds: Sequence[int]) -> "_Sums":
        parts = []
        for fold in sorted(set(folds)):
            members = [g for g, own in enumerate(folds) if own == fold]
            x = torch.cat([inputs[g] for g in members]).double()
            y = torch.cat([targets[g] for g in members]).double()
            parts.append((x.T @ x, x.T @ y, y.square().sum(0), x.new_tensor(len(x))))
        gram, cross, square, rows = (torch.stack(each) for each in zip(*parts, strict=True))
        return cls(gram, cross, square, rows)

    def weights(self, penalties: Tensor, left_out: int | None = None) -> Tensor:
        gram, cross, rows = self.gram.sum(0), self.cross.sum(0), self.rows.sum()
        if left_out is not None:
            gram, cross = gram - self.gram[left_out], cross - self.cross[left_out]
            rows = rows - self.rows[left_out]
        return torch.linalg.solve(gram + torch.diag(penalties.to(gram) * rows), cross)

    def held_out_error(self, penalties: Tensor) -> float:
        error = torch.zeros_like(self.square[0])
        for fold in range(len(self.gram)):
            w = self.weights(penalties, left_out=fold)
            error += (w * (self.gram[fold] @ w - 2 * self.cross[fold])).sum(0) + self.square[fold]
        return float((error / self.square.sum(0)).mean())


def _solve(grams: list[Tensor], crosses: list[Tensor], rows: list[int]) -> list[Tensor]:
    """Weights for each penalty, from one eigendecomposition."""
    values, vectors = torch.linalg.eigh(torch.stack(grams).sum(0))
    rotated = vectors.T @ torch.stack(crosses).sum(0)
    return [vectors @ (rotated / (values.clamp(min=0) + p * sum(rows)).unsqueeze(1)) for p in PENALTIES]
