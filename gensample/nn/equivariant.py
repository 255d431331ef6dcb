"""Scalar-vector message passing (l <= 1), equivariant under O(d), in the manner of PaiNN.

Schuett, Unke and Gastegger, ICML 2021 (arXiv:2102.03150). Node scalars are (n, F, H), node vectors
(n, F, V, d): F fields share one graph, so what depends on the graph alone is computed once for all fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gensample.nn.blocks import MLP, sum_per_node


def smooth_cutoff(distance: Tensor, cutoff: float) -> Tensor:
    """(1 - x^2)^3 of x = r / cutoff, zero with two derivatives at the cut-off: bonds enter smoothly."""
    return (1 - (distance / cutoff).square()).clamp(min=0) ** 3


def radial_basis(distance: Tensor, low: float, high: float, count: int) -> Tensor:
    """Gaussians of equal width centred evenly on [low, high], (..., count)."""
    centres = torch.linspace(low, high, count, dtype=distance.dtype, device=distance.device)
    width = (high - low) / count
    return torch.exp(-0.5 * ((distance.unsqueeze(-1) - centres) / width).square())


def bond_vectors(data: Any, input: str) -> tuple[Tensor, Tensor]:
    """Bond vectors (E, d) between thermal positions and between the centres of the cages.

    The centres are inherent or cage positions, whatever the cage vectors of the batch end at; ``input`` says
    from which positions its graph was built. The two differ by the difference of both ends' cage vectors.
    """
    source, destination = data.edge_index[0], data.edge_index[1]
    change = data.cage_vector.index_select(0, destination) - data.cage_vector.index_select(0, source)
    if input == "thermal":
        return data.edge_vector, data.edge_vector + change
    return data.edge_vector - change, data.edge_vector


def distance_features(data: Any, input: str, cutoff: float, count: int) -> Tensor:
    """Radial bases of the bond lengths between thermal positions and between centres, (E, 2 count)."""
    lengths = [vector.norm(dim=-1) for vector in bond_vectors(data, input)]
    return torch.cat([radial_basis(length, 0.7, cutoff, count) for length in lengths], -1)


@dataclass(frozen=True)
class Bonds:
    """What a layer knows of the edges of the initial graph.

    source, destination: (E,); direction: (E, d) unit vectors from source to destination; weight: (E,)
    smooth cut-off; static: (E, 1, S) features of the graph; dynamic: (E, F, D) features of the current
    fields, or None; relative: (E, F, d) current x_j - x_i in units of the field's scale, or None.
    """

    source: Tensor
    destination: Tensor
    direction: Tensor
    weight: Tensor
    static: Tensor
    dynamic: Tensor | None = None
    relative: Tensor | None = None


class Interaction(nn.Module):
    """One round: messages along bonds, then an update of each node's scalars and vectors.

    Messages reach the destination. The first layer of the message network acts on node scalars before they
    are gathered, W [h_i, h_j, e] = A h_i + B h_j + C e, and the last layer of its scalar part after the sum
    over bonds: once per node instead of once per edge. Vectors
    enter the update through their lengths and inner products, normalised, so that they do not grow with
    depth.
    """

    def __init__(self, width: int, vectors: int, static: int, dynamic: int) -> None:
        super().__init__()
        self.width, self.vectors = width, vectors
        self.norm = nn.LayerNorm(width)
        self.from_source = nn.Linear(width, width)
        self.from_destination = nn.Linear(width, width, bias=False)
        self.from_static = nn.Linear(static, width, bias=False)
        self.from_dynamic = nn.Linear(dynamic, width, bias=False) if dynamic else None
        self.kinds = 3 if dynamic else 2
        self.value = nn.Linear(width, width, bias=False)
        self.gates = nn.Linear(width, self.kinds * vectors, bias=False)
        self.mix = nn.Linear(vectors, 2 * vectors, bias=False)
        self.update = MLP([2 * width + 2 * vectors, width, width + 2 * vectors], nn.SiLU)

    def forward(self, scalars: Tensor, vectors: Tensor, bonds: Bonds) -> tuple[Tensor, Tensor]:
        """New scalars (n, F, H) and vectors (n, F, d, V)."""
        known = self.norm(scalars)
        received, pushed = self._receive(known, vectors, bonds)
        vectors = soft_normalise(vectors + pushed)
        left, right = self.mix(vectors).chunk(2, -1)
        invariants = torch.cat([(left * right).sum(-2), left.square().sum(-2)], -1)
        out = self.update(torch.cat([known, received, invariants], -1))
        gain, keep, add = out.split([self.width, self.vectors, self.vectors], -1)
        return scalars + gain, vectors * (1 + keep.unsqueeze(-2)) + left * add.unsqueeze(-2)

    def _receive(self, scalars: Tensor, vectors: Tensor, bonds: Bonds) -> tuple[Tensor, Tensor]:
        hidden = self.from_source(scalars).index_select(0, bonds.source)
        hidden = hidden + self.from_destination(scalars).index_select(0, bonds.destination)
        hidden = hidden + self.from_static(bonds.static)
        if self.from_dynamic is not None:
            hidden = hidden + self.from_dynamic(bonds.dynamic)
        message = nn.functional.silu(hidden) * bonds.weight.view(-1, 1, 1)
        gates = self.gates(message).chunk(self.kinds, -1)
        pushed = gates[0].unsqueeze(-2) * bonds.direction.unsqueeze(1).unsqueeze(-1)
        pushed = pushed + gates[1].unsqueeze(-2) * vectors.index_select(0, bonds.source)
        if bonds.relative is not None:
            pushed = pushed + gates[2].unsqueeze(-2) * bonds.relative.unsqueeze(-1)
        count = scalars.shape[0]
        received = self.value(sum_per_node(message, bonds.destination, count))
        return received, sum_per_node(pushed, bonds.destination, count)


def graph_bonds(data: Any, cutoff: float, static: Tensor) -> Bonds:
    """Bonds of the graph of a batch with the features ``static`` (E, S)."""
    distance = data.edge_vector.norm(dim=-1)
    direction, weight = data.edge_vector / distance.unsqueeze(-1), smooth_cutoff(distance, cutoff)
    source, destination = data.edge_index[0], data.edge_index[1]
    return Bonds(source, destination, direction, weight, static.unsqueeze(1))


class Encoder(nn.Module):
    """A configuration read by rounds of `Interaction`: what the predictor and the conditioner share.

    Which of the layers below there are, and in which order, is theirs: an optimiser's state in a checkpoint
    goes by it. ``cage`` and ``lift`` read the vectors to the cages' centres, ``encode`` standardised
    descriptors; None where these are not read.
    """

    vectors: int
    species: nn.Embedding
    cage: nn.Linear | None
    lift: nn.Linear | None
    encode: nn.Sequential | None

    def encoded(self, data: Any, bonds: Bonds, rounds: nn.ModuleList) -> tuple[Tensor, Tensor]:
        """Scalars (n, H) and vectors (n, d, V) of the particles of a batch."""
        scalars: Tensor = self.species(data.species)
        vectors = scalars.new_zeros(len(scalars), data.edge_vector.shape[1], self.vectors)
        if self.cage is not None and self.lift is not None:
            scalars = scalars + self.cage(data.cage_vector.norm(dim=-1, keepdim=True))
            vectors = self.lift(data.cage_vector.unsqueeze(-1))
        if self.encode is not None:
            scalars = scalars + self.encode(data.descriptors)
        scalars, vectors = scalars.unsqueeze(1), vectors.unsqueeze(1)
        for layer in rounds:
            scalars, vectors = layer(scalars, vectors, bonds)
        return scalars.squeeze(1), vectors.squeeze(1)


def descriptor_encoder(descriptors: int, width: int, dropout: float) -> nn.Sequential | None:
    """Standardised descriptors to ``width`` scalars; None without any."""
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(descriptors, width)) if descriptors else None


def elongation(scalars: Tensor, bonds: Bonds, head: nn.Module) -> Tensor:
    """Elongation (E, K), alike for i -> j and j -> i: from sum and distance of the ends' scalars (n, H)."""
    one, two = scalars.index_select(0, bonds.source), scalars.index_select(0, bonds.destination)
    found: Tensor = head(torch.cat([one + two, (one - two).abs(), bonds.static.squeeze(1)], -1))
    return found


def soft_normalise(vectors: Tensor) -> Tensor:
    """Vectors (..., d, V) over sqrt(1 + mean square length): small ones as they are, large ones bounded."""
    mean_square = vectors.square().sum(-2, keepdim=True).mean(-1, keepdim=True)
    return vectors * torch.rsqrt(1 + mean_square)
