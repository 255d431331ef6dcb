"""Path times: fixed ones for validation, grids for solvers."""

import math

import torch
from torch import Tensor

from gensample.errors import ConfigError

GRIDS = ("uniform", "cosine", "late")


def fixed_times(number: int, device: torch.device | str | None = None) -> Tensor:
    """Centres (k + 1/2) / number of equal intervals: validation times that never change, (number,)."""
    return (torch.arange(number, device=device) + 0.5) / number


def solver_grid(steps: int, kind: str = "uniform", device: torch.device | str | None = None) -> Tensor:
    """Increasing solver times from 0 to 1, both exact, (steps + 1,) float64.

    ``cosine`` crowds both ends, (1 - cos pi k/n) / 2; ``late`` crowds the data end only, sin(pi k / 2n).
    ConfigError for another kind or fewer than one step.
    """
    if steps < 1:
        raise ConfigError(f"a solver needs at least 1 step, got steps={steps}")
    k = torch.arange(steps + 1, dtype=torch.float64, device=device) / steps
    if kind == "uniform":
        grid = k
    elif kind == "cosine":
        grid = torch.sin(0.5 * math.pi * k) ** 2
    elif kind == "late":
        grid = torch.sin(0.5 * math.pi * k)
    else:
        raise ConfigError(f"unknown solver grid {kind!r}; known: {', '.join(GRIDS)}")
    grid[-1] = 1.0
    return grid
