"""Learning rates over a run, and the path times of validation."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def warm_cosine(step: int, total: int, warmup: int = 100) -> float:
    """Factor at ``step`` of ``total``: half a cosine down to a hundredth, times a linear warm-up.

    Runs not much longer than the warm-up stay well below 1: the cosine falls while the warm-up rises.
    """
    decay = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(step / max(total, 1), 1.0)))
    return decay * min((step + 1) / warmup, 1.0)


def adamw(
    task: Any, rate: Callable[[int, int], float], weight_decay: float, lr: float = 1.0
) -> dict[str, Any]:
    """What ``configure_optimizers`` returns: AdamW at the rate lr rate(step, steps of the run)."""
    optimizer = torch.optim.AdamW(task.parameters(), lr=lr, weight_decay=weight_decay)
    total = max(int(task.trainer.estimated_stepping_batches), 1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, total))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def fixed_times(number: int, device: torch.device | str | None = None) -> Tensor:
    """Centres (k + 1/2) / number of equal intervals: path times that never change, (number,)."""
    return (torch.arange(number, device=device) + 0.5) / number
