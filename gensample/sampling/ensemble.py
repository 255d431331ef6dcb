"""Ensembles whose fields do not depend on batch size, sharding, order or restart.

Two things make it so. The white noise of a field is keyed by (ensemble seed, configuration, replica,
lag). And the arithmetic is the same wherever a field is drawn: matrix products round differently for
different batch widths, and adaptive solvers couple what they integrate together, so every call has the
same shape and replica r always sits in call r // width at place r % width, the last call of a
configuration being filled up with replicas that are then thrown away. On CPUs (one number of threads)
that gives the same bits; accelerators are not required to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.ranges import shown
from gensample.seeding import torch_generator

T = TypeVar("T")
SHARD = re.compile(r"[0-9]{1,6}/[0-9]{1,6}")
FIELDS_PER_CALL = 8
"""Fields per network call; part of what fixes the bits, hence no setting of batch size changes it."""


@dataclass(frozen=True)
class FieldUnit:
    """Work that is never divided: replicas first <= r < stop of one configuration.

    lags: indices of the lags, all unless given; rows: where single replicas start from, in data that hold
    where each of them is by now; the random numbers are those of ``configuration`` all the same.
    """

    configuration: int
    first: int
    stop: int
    lags: tuple[int, ...] | None = None
    rows: Sequence[int] | None = None

    def calls(self, lag: int) -> list[Call]:
        """Calls of the sampler, at one lag: of replicas that start from one place, or of each of them."""
        if self.rows is None:
            return [Call(self.configuration, lag, range(self.first, self.first + FIELDS_PER_CALL))]
        replicas = range(self.first, self.stop)
        return [
            Call(self.configuration, lag, range(r, r + 1), row)
            for r, row in zip(replicas, self.rows, strict=True)
        ]


@dataclass(frozen=True)
class Call:
    """One call of the sampler: consecutive replicas of one configuration at one lag.

    row: of the data, where they start from elsewhere than the configuration (`FieldUnit`).
    """

    configuration: int
    lag: int
    replicas: range
    row: int | None = None

    @property
    def start(self) -> int:
        """The row of the data that they start from."""
        return self.configuration if self.row is None else self.row


class NoiseStream:
    """White noise of the fields of one call: each ``next()`` is a fresh (N, F, d) draw.

    The first ones are the field's start, later ones serve stochastic samplers. Drawn on the CPU in float32
    from one generator per replica, then moved.
    """

    def __init__(
        self,
        seed: int,
        call: Call,
        shape: tuple[int, int],
        device: torch.device | str | None = None,
    ) -> None:
        keys = [(call.configuration, r, call.lag) for r in call.replicas]
        self._generators = [torch_generator(seed, *key) for key in keys]
        self._shape, self._device = shape, device

    def next(self) -> Tensor:
        """Fresh standard normal numbers, (N, F, d)."""
        draws = [torch.randn(self._shape, generator=g) for g in self._generators]
        return torch.stack(draws, 1).to(device=self._device)


Draw = Callable[[Call, NoiseStream], Tensor]
"""draw(call, noise) -> displacement fields (N, len(call.replicas), d) of one configuration and lag."""


def plan_units(configurations: Sequence[int], replicas: int, width: int = FIELDS_PER_CALL) -> list[FieldUnit]:
    """Units of an ensemble, configuration by configuration, so that a conditioner runs once."""
    return [
        FieldUnit(c, first, min(first + width, replicas))
        for c in configurations
        for first in range(0, replicas, width)
    ]


def read_shard(text: str) -> tuple[int, int]:
    """(i, n) of "i/n"; ConfigError for a share that cannot be."""
    index, count = map(int, text.split("/")) if SHARD.fullmatch(text) else (0, 0)
    if index >= count:
        raise ConfigError(f"--shard must be i/n with i from 0 to n - 1, such as 0/4, got {shown(text)}")
    return index, count


def share_of(parts: Sequence[T], shard: tuple[int, int]) -> Sequence[T]:
    """Share i of n (i from 0): shares are disjoint, cover everything, and differ by at most one part.

    ConfigError for a share that cannot be.
    """
    index, count = read_shard("/".join(map(str, shard)))
    return parts[index * len(parts) // count : (index + 1) * len(parts) // count]


def run_unit(
    unit: FieldUnit,
    draw: Draw,
    *,
    seed: int,
    lags: Sequence[int],
    shape: tuple[int, int],
    device: torch.device | str | None = None,
) -> Tensor:
    """Fields of one unit on the CPU, (stop - first, K, N, d) float32; ``shape`` is (N, d).

    ``lags`` are indices into the model's lag times, unless the unit has its own; a field does not depend on
    which others are asked for.
    """
    fields = []
    for lag in lags if unit.lags is None else unit.lags:
        drawn = [draw(call, NoiseStream(seed, call, shape, device)) for call in unit.calls(lag)]
        fields.append(torch.cat(drawn, 1)[:, : unit.stop - unit.first].transpose(0, 1))
    return torch.stack(fields, 1).to(device="cpu", dtype=torch.float32)
