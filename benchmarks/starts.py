"""Where the benchmarks of configurations begin: nobody overlaps, as late in a flow."""

import math

import torch
from torch import Tensor

from gensample.seeding import torch_generator


def jittered_lattice(
    configurations: int, size: int, density: float = 1.2, jitter: float = 0.1
) -> tuple[Tensor, Tensor]:
    """Positions (C, N, 2) on a square lattice with random vacancies, moved by ``jitter``; boxes (C, 2)."""
    per_edge, edge = math.ceil(size**0.5), (size / density) ** 0.5
    generator = torch_generator(0, size)
    sites = torch.stack(
        [torch.randperm(per_edge**2, generator=generator)[:size] for _ in range(configurations)]
    )
    cells = torch.stack([sites // per_edge, sites % per_edge], -1).double()
    noise = torch.randn(cells.shape, generator=generator, dtype=torch.float64)
    box = torch.full((configurations, 2), edge, dtype=torch.float64)
    return (cells * edge / per_edge + jitter * noise) % edge, box
