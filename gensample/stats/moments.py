"""Mean and scale of columns whose rows come in parts."""

from collections.abc import Iterable

import torch
from torch import Tensor

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
