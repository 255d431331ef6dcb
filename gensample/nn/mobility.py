"""The velocity network of mobility fields: invariant message passing on the initial configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gensample.nn.blocks import MLP, Clock, sum_per_node
from gensample.nn.conditioner import Condition
from gensample.nn.equivariant import distance_features, smooth_cutoff
from gensample.physics.mobility import average

RADIAL = 16
# The field is shown at these averages too: collective motion is in its long waves.
AVERAGES = (4, 16)


@dataclass(frozen=True)
class MobilitySetting:
    """What the velocity of a mobility field depends on besides the field.

    lag: (B, F) lag times; temperature: (B,); expected: (n, F) mean over replicas of the log mobility;
    matrix: averaging over neighbours (n, n); condition: the conditioner's output, or None.
    """

    lag: Tensor
    temperature: Tensor
    expected: Tensor
    matrix: Tensor
    condition: Condition | None = None


class MobilityNetwork(nn.Module):
    """Scalar message passing over standardised mobility fields.

    The first layer of a message acts on nodes, the last after the sum over bonds, so that nothing but
    additions and the activation is computed per bond and field.

    Args:
        num_species: number of species.
        condition_scalars: width of the conditioner's node scalars, or zero.
        width: node scalars.
        layers: rounds of message passing.
        cutoff: of the graph it is given.
        input: positions that the graph is built from.
    """

    def __init__(
        self,
        num_species: int,
        condition_scalars: int = 0,
        width: int = 64,
        layers: int = 4,
        cutoff: float = 1.6,
        input: str = "thermal",
    ) -> None:
        super().__init__()
        self.cutoff, self.input = cutoff, input
        self.species = nn.Embedding(num_species, width)
        self.condition = nn.Linear(condition_scalars, width) if condition_scalars else None
        self.fields = nn.Linear(2 + len(AVERAGES), width)
        self.clock = Clock(width)
        self.modulate = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(layers))
        self.layers = nn.ModuleList(ScalarInteraction(width, 2 * RADIAL) for _ in range(layers))
        self.out = MLP([2 * width, width, 1], nn.SiLU)
        # Starts as the analytic part of the velocity alone.
        for parameter in self.out[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, y: Tensor, s: Tensor, data: Any, setting: MobilitySetting) -> Tensor:
        """Output (n, F), of order one, for standardised fields y (n, F) at path times s (B, F)."""
        clock = self.clock.of_fields(s, setting.lag, setting.temperature)
        scalars = self._encode(y, data, setting)
        distance = data.edge_vector.norm(dim=-1)
        weight = smooth_cutoff(distance, self.cutoff)
        static = distance_features(data, self.input, self.cutoff, RADIAL)
        for modulate, layer in zip(self.modulate, self.layers, strict=True):
            gain, shift = modulate(clock)[data.batch].chunk(2, -1)
            scalars = layer(scalars * (1 + gain) + shift, data.edge_index, static, weight)
        late = clock.index_select(0, data.batch)
        out: Tensor = self.out(torch.cat([scalars, late], -1)).squeeze(-1)
        return out

    def _encode(self, y: Tensor, data: Any, setting: MobilitySetting) -> Tensor:
        shown = [y, setting.expected, *(average(y, setting.matrix, rounds) for rounds in AVERAGES)]
        scalars: Tensor = self.fields(torch.stack(shown, -1)) + self.species(data.species).unsqueeze(1)
        if self.condition is not None:
            assert setting.condition is not None
            scalars = scalars + self.condition(setting.condition.scalars).unsqueeze(1)
        return scalars


class ScalarInteraction(nn.Module):
    """One round of invariant message passing for node scalars (n, F, H)."""

    def __init__(self, width: int, static: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.from_source = nn.Linear(width, width)
        self.from_destination = nn.Linear(width, width, bias=False)
        self.from_static = nn.Linear(static, width, bias=False)
        self.update = MLP([2 * width, width, width], nn.SiLU)

    def forward(self, scalars: Tensor, edge_index: Tensor, static: Tensor, weight: Tensor) -> Tensor:
        """New scalars; static (E, S) and weight (E,) of the bonds edge_index (2, E)."""
        known = self.norm(scalars)
        hidden = self.from_source(known).index_select(0, edge_index[0])
        hidden = hidden + self.from_destination(known).index_select(0, edge_index[1])
        hidden = hidden + self.from_static(static).unsqueeze(1)
        message = nn.functional.silu(hidden) * weight.view(-1, 1, 1)
        received = sum_per_node(message, edge_index[1], len(scalars))
        out: Tensor = scalars + self.update(torch.cat([known, received], -1))
        return out
