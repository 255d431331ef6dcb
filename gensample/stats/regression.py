"""Linear models in closed form: ridge regression, support-vector machines, the scale of columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""In units of the number of rows: what a unit of variance in every column would be."""

BLOCK_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 1e6)
"""Of blocks of columns; the largest leaves a block out."""
START, ROUNDS = 0.1, 4
FEWEST_FOR_SLOPE = 4


Pairs = Iterable[tuple[Tensor, Tensor]]
"""Inputs x (M, D) and targets y (M, T) of each of several groups; gone through once."""


def ridge(pairs: Pairs, folds: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Weights (D, T) that minimise |x w - y|^2 + penalty |w|^2; for each fold those without it, (F, D, T).

    ``pairs``: x (M, D) and y (M, T) of several groups, each in one of the folds 0 to F - 1. Without
    intercept: both should have zero mean. The penalty, of ``PENALTIES``, is the one with the smallest error
    on folds left out; with a single fold, the largest. Hoerl and Kennard, Technometrics 12, 55 (1970).
    Predictions for a fold by the weights without it are as good as those for new data: what is trained on
    top of them is not misled by how well a regression fits its own data.
    """
    sums = _Sums.of(pairs, folds)
    everything, several = sums.weights_each(PENALTIES), len(sums.rows) > 1
    without = [everything] * (max(folds) + 1)
    error = torch.zeros(len(PENALTIES), dtype=torch.float64)
    for number, fold in enumerate(sorted(set(folds)) if several else []):
        without[fold] = sums.weights_each(PENALTIES, left_out=number)
        error += torch.stack([sums.error(w, number).sum() for w in without[fold]]).cpu()
    best = int(error.argmin()) if several else len(PENALTIES) - 1
    held_out = torch.stack([weights[best] for weights in without])
    return everything[best].to(sums.dtype), held_out.to(sums.dtype)


def block_ridge(
    pairs: Pairs, folds: Sequence[int], blocks: Sequence[int]
) -> tuple[Tensor, Tensor, list[float]]:
    """Weights (D, T) of a ridge regression whose blocks of columns are penalised apart; for each fold those
    without it, (F, D, T); and the penalties.

    Arguments as for `ridge`; ``blocks`` are the numbers of columns of each block, in order. The penalties, of
    ``BLOCK_PENALTIES``, lower the error on folds left out (in units of each target's variance) by coordinate
    descent. With a single fold, all stay at the start. Raises ValueError when blocks are not the columns.
    """
    sums = _Sums.of(pairs, folds)
    columns = sums.gram.shape[-1]
    if sum(blocks) != columns:
        raise ValueError(f"blocks of {list(blocks)} columns are not the {columns} there are")
    chosen = [START] * len(blocks)
    several = len(sums.rows) > 1
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
    return everything.to(sums.dtype), torch.stack(without).to(sums.dtype), chosen


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

    def __init__(self, folds: int, x: Tensor, y: Tensor) -> None:
        columns, targets = x.shape[1], y.shape[1]
        like = x.double()
        self.gram = like.new_zeros(folds, columns, columns)
        self.cross = like.new_zeros(folds, columns, targets)
        self.square = like.new_zeros(folds, targets)
        self.rows = like.new_zeros(folds)
        self.dtype = y.dtype

    @classmethod
    def of(cls, pairs: Pairs, folds: Sequence[int]) -> _Sums:
        number = {fold: n for n, fold in enumerate(sorted(set(folds)))}
        sums: _Sums | None = None
        for (x, y), fold in zip(pairs, folds, strict=True):
            if sums is None:
                sums = cls(len(number), x, y)
            sums._add(x.double(), y.double(), number[fold])
        if sums is None:
            raise ValueError("there are no groups to regress on")
        return sums

    def _add(self, x: Tensor, y: Tensor, fold: int) -> None:
        self.gram[fold] += x.T @ x
        self.cross[fold] += x.T @ y
        self.square[fold] += y.square().sum(0)
        self.rows[fold] += len(x)

    def _without(self, left_out: int | None) -> tuple[Tensor, Tensor, Tensor]:
        gram, cross, rows = self.gram.sum(0), self.cross.sum(0), self.rows.sum()
        if left_out is None:
            return gram, cross, rows
        return gram - self.gram[left_out], cross - self.cross[left_out], rows - self.rows[left_out]

    def weights(self, penalties: Tensor, left_out: int | None = None) -> Tensor:
        """Weights (D, T) with a penalty for each column."""
        gram, cross, rows = self._without(left_out)
        return torch.linalg.solve(gram + torch.diag(penalties.to(gram) * rows), cross)

    def weights_each(self, penalties: Sequence[float], left_out: int | None = None) -> list[Tensor]:
        """Weights (D, T) for each of several penalties of all columns, from one eigendecomposition."""
        gram, cross, rows = self._without(left_out)
        values, vectors = torch.linalg.eigh(gram)
        rotated = vectors.T @ cross
        return [vectors @ (rotated / (values.clamp(min=0) + p * rows).unsqueeze(1)) for p in penalties]

    def error(self, weights: Tensor, fold: int) -> Tensor:
        """Sum of squared errors (T,) over the rows of a fold."""
        lower = self.gram[fold] @ weights - 2 * self.cross[fold]
        return (weights * lower).sum(0) + self.square[fold]

    def held_out_error(self, penalties: Tensor) -> float:
        """Squared error on folds left out, in units of each target's variance."""
        each = [self.error(self.weights(penalties, left_out=f), f) for f in range(len(self.rows))]
        return float((torch.stack(each).sum(0) / self.square.sum(0)).mean())


# A deviation smaller than this, relative to one plus the mean, is rounding.
CONSTANT = 1e-6


def mean_and_scale(parts: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (D,) float64 over the rows of parts (n, D); 1 for constant columns.

    One part at a time, so that a generator never has them all in memory: T. F. Chan, G. H. Golub and
    R. J. LeVeque, Am. Stat. 37, 242 (1983). Raises ValueError without rows.
    """
    count, mean, square = 0, torch.zeros(()), torch.zeros(())
    for part in parts:
        x = part.double()
        if not len(x):
            continue
        own = x.mean(0)
        away, total = own - mean.to(own), count + len(x)
        square = square.to(own) + (x - own).square().sum(0) + away.square() * (count * len(x) / total)
        mean, count = mean.to(own) + away * (len(x) / total), total
    if not count:
        raise ValueError("there are no rows to take the mean of")
    deviation = (square / count).sqrt()
    return mean, torch.where(deviation > CONSTANT * (1 + mean.abs()), deviation, 1.0)


MAX_STEPS = 100
_TOLERANCE = 1e-10


def support_vector_machines(x: Tensor, label: Tensor, penalties: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Hyperplanes x w + b = 0 between two classes, one per penalty: w (P, D) and b (P,), float64.

    x: (M, D); label: (M,) 1 or -1. Each minimises mean(max(0, 1 - label (x w + b))^2) + penalty |w|^2, by
    Newton steps on the examples that are inside the margin, each penalty from where the one before it led:
    Keerthi and DeCoste, J. Mach. Learn. Res. 6, 341 (2005).
    """
    z = torch.cat([x.double(), torch.ones(len(x), 1).to(x.device).double()], 1)
    label = label.double()
    w, found = z.new_zeros(z.shape[1]), []
    for penalty in penalties:
        # An offset costs nothing, but for what keeps the equations solvable when no example is in the margin.
        cost = torch.full_like(w, penalty).index_fill_(0, torch.tensor([len(w) - 1]).to(w.device), 1e-12)
        w = _newton(z, label, cost, w)
        found.append(w)
    weights = torch.stack(found)
    return weights[:, :-1], weights[:, -1]


def _newton(z: Tensor, label: Tensor, cost: Tensor, w: Tensor) -> Tensor:
    value, shortfall = _objective(z, label, cost, w)
    for _ in range(MAX_STEPS):
        inside = shortfall > 0
        active = z[inside]
        matrix = active.T @ active / len(z) + cost.diag()
        # The minimum if these examples stayed the ones inside the margin.
        goal = torch.linalg.solve(matrix, active.T @ label[inside] / len(z))
        step, before = goal - w, value
        for halvings in range(40):
            tried = w + step * 0.5**halvings
            value, shortfall = _objective(z, label, cost, tried)
            if value <= before:
                break
        else:
            return w
        w = tried
        if before - value <= _TOLERANCE * before:
            break
    return w


def _objective(z: Tensor, label: Tensor, cost: Tensor, w: Tensor) -> tuple[float, Tensor]:
    """Value, and by how much each example falls short of the margin (M,)."""
    shortfall = (1 - label * (z @ w)).clamp(min=0)
    return float(shortfall.square().mean() + (cost * w.square()).sum()), shortfall
