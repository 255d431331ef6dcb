"""Small pieces that several networks share."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from gensample.errors import ConfigError


class MLP(nn.Sequential):
    """Linear layers of the given widths with ``activation`` between them, and after the last one if asked."""

    def __init__(
        self,
        widths: Sequence[int],
        activation: type[nn.Module] = nn.ReLU,
        activate_last: bool = False,
    ) -> None:
        layers: list[nn.Module] = []
        for i, (inputs, outputs) in enumerate(pairwise(widths)):
            layers.append(nn.Linear(inputs, outputs))
            if activate_last or i < len(widths) - 2:
                layers.append(activation())
        super().__init__(*layers)


class Clock(MLP):
    """Embedding (..., width) of path time s and what else a velocity depends on, ``others`` numbers."""

    FREQUENCIES = 8

    def __init__(self, width: int, others: int = 2) -> None:
        super().__init__([2 * self.FREQUENCIES + 1 + others, width, width], nn.SiLU, activate_last=True)

    def forward(self, s: Tensor, *others: Tensor) -> Tensor:
        """s and others: (...)."""
        number = torch.arange(1, self.FREQUENCIES + 1, dtype=s.dtype, device=s.device)
        phases = math.pi * s.unsqueeze(-1) * number
        out = torch.cat([phases.sin(), phases.cos(), torch.stack([s, *others], -1)], -1)
        for layer in self:
            out = layer(out)
        return out

    def of_fields(self, s: Tensor, lag: Tensor, temperature: Tensor) -> Tensor:
        """Of s and lag times (B, F) at the temperatures (B,) of their configurations: log t and 1/T."""
        found: Tensor = self(s, lag.log() / 5, (1 / temperature).unsqueeze(1).expand_as(s))
        return found


def sum_per_node(values: Tensor, index: Tensor, num_nodes: int) -> Tensor:
    """Sum of the rows of ``values`` (E, ...) that share an entry of ``index`` (E,): (num_nodes, ...)."""
    return values.new_zeros(num_nodes, *values.shape[1:]).index_add_(0, index, values)


def linear_of(mlp: MLP, number: int) -> nn.Linear:
    """Layer ``number`` of an MLP, which is a linear one."""
    layer = mlp[number]
    assert isinstance(layer, nn.Linear)
    return layer


def check_descriptors(data: Any, count: int) -> None:
    """Refuse a batch with another number of descriptors than a network reads."""
    given = data.descriptors.shape[1] if "descriptors" in data else 0
    if given != count:
        raise ConfigError(
            f"the data serve {given} descriptors, the network reads {count}; set "
            "data.descriptors, and model.network.descriptors to their number"
        )
