"""How many threads torch takes for work of many short steps."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

PARTICLES = 4000
"""Up to so many one thread is as fast as several."""


@contextmanager
def as_many_as_pay(positions: Tensor) -> Iterator[None]:
    """One thread of torch for few particles, positions (B, N, d) on a CPU; all there are for more.

    Several wait for each other in every operation: where another program has one of the cores, for as long as
    the system lets that run. A step of 500 particles then took 14 times as long.
    """
    before = torch.get_num_threads()
    few = positions.device.type == "cpu" and positions.shape[:-1].numel() <= PARTICLES
    torch.set_num_threads(1 if few else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
