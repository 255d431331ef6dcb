"""Path times: random ones for training, fixed ones for validation, grids for solvers."""

import math

import torch
from torch import Tensor

from gensample.errors import ConfigError

DENSITIES = ("uniform", "stratified", "logit-normal")
GRIDS = ("uniform", "cosine", "late")


def draw_times(
    shape: tuple[int, ...],
    *,
    density: str = "uniform",
    mean: float = 0.0,
    std: float = 1.0,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Training times in [0, 1), float32 of ``shape``.

    ``stratified`` draws one time in each of as many equal intervals as there are times, in random
    order: uniform marginals, less noise in the loss. ``logit-normal`` is sigmoid(mean + std z)
    (Esser et al., arXiv:2403.03206, section 3.1), most of it in the middle. ConfigError otherwise.
    """
    if density == "logit-normal":
        return torch.sigmoid(mean + std * torch.randn(shape, generator=generator, device=device))
    u = torch.rand(shape, generator=generator, device=device)
    if density == "uniform":
        return u
    if density == "stratified":
        n = u.numel()
        strata = torch.randperm(n, generator=generator, device=device).reshape(shape)
        return ((strata + u) / n).clamp(max=1 - 2**-24)
    raise ConfigError(f"unknown density of training times {density!r}; known: {', '.join(DENSITIES)}")


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
