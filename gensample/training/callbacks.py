"""Callbacks of the Lightning modules."""

from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor

from gensample.ranges import between


class EMA(WeightAveraging):
    """Exponential moving average of the weights; validation and checkpoints use the average.

    The decay grows as (1 + n) / (10 + n) over the first n steps up to ``decay``, so that a short run is not
    held back by its random start. Integer buffers are copied, not averaged.
    """

    def __init__(self, decay: float = 0.999) -> None:
        between(0, 1).check("decay", decay)
        super().__init__(use_buffers=False, multi_avg_fn=_warm_average(decay))
        self.decay = decay


def _warm_average(decay: float) -> Callable[[Any, Any, Any], None]:
    @torch.no_grad()
    def update(averaged: list[Tensor], current: list[Tensor], number: Tensor | int) -> None:
        n = float(number)
        weight = 1 - min(decay, (1 + n) / (10 + n))
        torch._foreach_lerp_(averaged, current, weight)

    return update
