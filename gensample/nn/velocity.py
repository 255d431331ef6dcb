"""The velocity network of the displacement generator: O(d)-equivariant, on the initial configuration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from gensample.nn.blocks import MLP, Clock
from gensample.nn.conditioner import Condition
from gensample.nn.equivariant import (
    Bonds,
    Interaction,
    bond_vectors,
    distance_features,
    graph_bonds,
    radial_basis,
)

RADIAL = 16


@dataclass(frozen=True)
class Setting:
    """What a velocity depends on besides the field: computed once for all solver steps.

    lag: (B, F) lag times, lag_index: their rows among the model's; temperature: (B,); scale: (n, F) standard
    deviation of one component of each particle's prior; condition: the conditioner's output, or None.
    """

    lag: Tensor
    lag_index: Tensor
    temperature: Tensor
    scale: Tensor
    condition: Condition | None = None


class VelocityNetwork(nn.Module):
    """Scalar-vector message passing fed with the initial geometry and the current field.

    Each bond carries the elongation |r_ij + u_j - u_i| - |r_ij|, the components of u_i and u_j along it and
    the current distance, so that a layer sees what BOTAN's edge target sees. Path time s, log t and 1/T
    modulate every layer. The receptive field is ``layers`` x ``cutoff``.

    Args:
        num_species: number of species.
        condition_scalars, condition_vectors, condition_edges: widths of the conditioner's output, or zero.
        width: node scalars.
        vectors: node vectors.
        layers: rounds of message passing.
        cutoff: of the graph it is given.
        input: positions that the graph is built from; elongations are always measured from the thermal ones.
    """

    def __init__(
        self,
        num_species: int,
        condition_scalars: int = 0,
        condition_vectors: int = 0,
        condition_edges: int = 0,
        width: int = 64,
        vectors: int = 16,
        layers: int = 5,
        cutoff: float = 1.6,
        input: str = "thermal",
    ) -> None:
        super().__init__()
        self.cutoff, self.input = cutoff, input
        self.condition_scalars, self.condition_vectors = condition_scalars, condition_vectors
        self.condition_edges = condition_edges
        static, dynamic = 2 * RADIAL + condition_edges, RADIAL + 5
        self.species = nn.Embedding(num_species, width)
        self.condition = nn.Linear(condition_scalars, width) if condition_scalars else None
        self.mobility = nn.Linear(2, width) if condition_scalars else None
        self.norms = nn.Linear(3, width)
        self.clock = Clock(width)
        self.modulate = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(layers))
        self.lift = nn.Linear(2 + condition_vectors, vectors, bias=False)
        self.layers = nn.ModuleList(Interaction(width, vectors, static, dynamic) for _ in range(layers))
        self.gate = MLP([2 * width, width, vectors], nn.SiLU)
        # Starts as the analytic part of the velocity alone.
        for parameter in self.gate[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, s: Tensor, data: Any, setting: Setting) -> Tensor:
        """Output (n, F, d), of order one, for fields x (n, F, d) in LJ units at path times s (B, F)."""
        field = x / setting.scale.unsqueeze(-1)
        bonds = self._bonds(x, field, data, setting)
        clock = self.clock.of_fields(s, setting.lag, setting.temperature)
        scalars, vectors = self._encode(field, data, setting)
        for modulate, layer in zip(self.modulate, self.layers, strict=True):
            gain, shift = modulate(clock)[data.batch].chunk(2, -1)
            scalars, vectors = layer(scalars * (1 + gain) + shift, vectors, bonds)
        late = clock.index_select(0, data.batch)
        gates = self.gate(torch.cat([scalars, late], -1))
        out: Tensor = (gates.unsqueeze(-2) * vectors).sum(-1)
        return out

    def _encode(self, field: Tensor, data: Any, setting: Setting) -> tuple[Tensor, Tensor]:
        scale = setting.scale.unsqueeze(-1)
        cage = data.cage_vector.unsqueeze(1) / scale
        known = [field.unsqueeze(-1), cage.expand_as(field).unsqueeze(-1)]
        length = field.norm(dim=-1, keepdim=True)
        scalars = self.norms(torch.cat([length, cage.norm(dim=-1, keepdim=True), scale.log()], -1))
        scalars = scalars + self.species(data.species).unsqueeze(1)
        if self.condition is not None and self.mobility is not None:
            assert setting.condition is not None
            scalars = scalars + self.condition(setting.condition.scalars).unsqueeze(1)
            scalars = scalars + self.mobility(_mobility(data, setting))
        if self.condition_vectors:
            assert setting.condition is not None
            given = setting.condition.vectors.unsqueeze(1)
            known.append(given.expand(-1, field.shape[1], -1, -1))
        return scalars, self.lift(torch.cat(known, -1))

    def _bonds(self, x: Tensor, field: Tensor, data: Any, setting: Setting) -> Bonds:
        static = distance_features(data, self.input, self.cutoff, RADIAL)
        if self.condition_edges:
            assert setting.condition is not None
            static = torch.cat([static, setting.condition.edges], -1)
        bonds = graph_bonds(data, self.cutoff, static)
        source, destination = bonds.source, bonds.destination
        initial, _ = bond_vectors(data, self.input)
        moved = x.index_select(0, destination) - x.index_select(0, source)
        current = (initial.unsqueeze(1) + moved).norm(dim=-1)
        one, two = field.index_select(0, source), field.index_select(0, destination)
        relative = two - one
        scale = setting.scale.index_select(0, source)
        along = bonds.direction.unsqueeze(1)
        dynamic = torch.stack(
            [
                (current - initial.norm(dim=-1).unsqueeze(1)) / scale,
                (relative * along).sum(-1),
                (one * along).sum(-1),
                (one * two).sum(-1),
                relative.norm(dim=-1),
            ],
            -1,
        )
        dynamic = torch.cat([dynamic, radial_basis(current, 0.6, self.cutoff + 0.4, RADIAL)], -1)
        return replace(bonds, dynamic=dynamic, relative=relative)


def _mobility(data: Any, setting: Setting) -> Tensor:
    """Predicted propensity and spread at each field's own lag, in units of the prior's scale, (n, F, 2)."""
    condition = setting.condition
    assert condition is not None
    lag = setting.lag_index.index_select(0, data.batch)
    values = [table.gather(1, lag) / setting.scale for table in (condition.propensity, condition.spread)]
    return torch.stack(values, -1)
