"""Scores of a small ensemble drawn during training."""

import torch
from torch import Tensor


def ensemble_scores(fields: Tensor, propensity: Tensor) -> dict[str, Tensor]:
    """Scores of fields (n, R, d) of one species and lag against simulated propensities (n,).

    ``pearson_draws`` of the mean length over draws, ``mean_ratio`` of the mean lengths, ``overlap`` (a = 0.3)
    and ``chi4``, n times its variance over draws.
    """
    length = fields.norm(dim=-1)
    mean, overlap = length.mean(1), (length < 0.3).float()
    return {
        "pearson_draws": correlation_or_zero(mean, propensity),
        "mean_ratio": mean.mean() / propensity.mean(),
        "overlap": overlap.mean(),
        "chi4": len(length) * overlap.mean(0).var(),
    }


def correlation_or_zero(x: Tensor, y: Tensor) -> Tensor:
    """Pearson correlation of x and y (n,); zero where one is constant."""
    x, y = x - x.mean(), y - y.mean()
    product: Tensor = (x * y).sum() / (x.norm() * y.norm()).clamp(min=torch.finfo(x.dtype).tiny)
    return product
