"""Conditioners: networks that read a configuration once; every solver step and field reuses their output.

A conditioner is at the same time a regressor of the averages over replicas (propensity, its spread, bond
elongation), trained as such first: regression learns from structure far faster than sampling does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gensample.nn.blocks import MLP
from gensample.nn.botan import Botan
from gensample.nn.equivariant import (
    Encoder,
    Interaction,
    descriptor_encoder,
    distance_features,
    elongation,
    graph_bonds,
)

RADIAL = 16
# Folds of the linear part: a configuration belongs to the fold of its number modulo this.
FOLDS = 5


@dataclass(frozen=True)
class Condition:
    """Output of a conditioner.

    scalars: (n, H); vectors: (n, d, V); edges: (E, H_e); propensity, spread and mean log mobility: (n, K),
    in LJ units; elongation: (E, K). Widths may be zero.
    """

    scalars: Tensor
    vectors: Tensor
    edges: Tensor
    propensity: Tensor
    spread: Tensor
    mobility: Tensor
    elongation: Tensor


class BotanConditioner(nn.Module):
    """BOTAN's node and edge latents, and its outputs; a second decoder predicts spread and mobility.

    Invariant under translations, not under rotations (BOTAN reads raw edge vectors): train with augmentation.
    """

    def __init__(self, dimension: int, outputs: int, width: int = 64, steps: int = 7) -> None:
        super().__init__()
        self.botan = Botan(dimension, outputs, width, steps)
        self.rest = MLP([width, width, 2 * outputs])
        self.width, self.edge_width, self.vectors = width, width, 0

    def forward(self, data: Any, held_out: bool = False) -> Condition:
        """Latents and predictions for the configurations of a batch; nothing is ever held out."""
        nodes, edges = self.botan.latents(data)
        empty = nodes.new_zeros(len(nodes), data.edge_vector.shape[-1], 0)
        decode = self.botan.decoder
        spread, mobility = self.rest(nodes).chunk(2, -1)
        return Condition(nodes, empty, edges, decode(nodes), spread, mobility, decode(edges))


class EquivariantConditioner(Encoder):
    """Scalar-vector message passing over the configuration's structural invariants and cage vectors.

    Reads the species, the bond lengths between thermal positions and between centres, the vector from the
    thermal position to the centre (the inherent or, with ``input`` = "cage", the cage position, to which a
    particle returns) and, where ``descriptors`` is not zero, that many standardised invariants. Their linear
    regression, per species, is a buffer (``linear``, (S, D, 3 K)) to be filled before training; the network
    learns what it leaves. ``held_out`` (FOLDS, S, D, 3 K) is the same without each fold of the training
    configurations, for use on that fold. A regression of single particles shrinks what all particles of a
    configuration share, although its mean over them is nearly free of noise: ``collective`` (3 K,) times that
    mean is added back. With ``levels`` the linear part gives deviations alone: the mean over each species of
    a configuration is a line in its energy per particle, ``level`` (S, 2, 3 K) and ``held_out_level``
    (FOLDS, S, 2, 3 K), intercept and slope, the energy counted in units of ``energy_units`` (mean, scale).
    """

    linear: Tensor
    held_out: Tensor
    collective: Tensor
    level: Tensor
    held_out_level: Tensor
    energy_units: Tensor

    def __init__(
        self,
        outputs: int,
        num_species: int,
        descriptors: int = 0,
        width: int = 64,
        vectors: int = 16,
        layers: int = 3,
        cutoff: float = 2.0,
        dropout: float = 0.0,
        input: str = "thermal",
        levels: bool = False,
    ) -> None:
        super().__init__()
        self.levels = levels
        self.width, self.edge_width, self.vectors, self.cutoff = width, 0, vectors, cutoff
        self.input = input
        self.species = nn.Embedding(num_species, width)
        self.encode = descriptor_encoder(descriptors, width, dropout)
        self.cage = nn.Linear(1, width)
        self.lift = nn.Linear(1, vectors, bias=False)
        self.layers = nn.ModuleList(Interaction(width, vectors, 2 * RADIAL, 0) for _ in range(layers))
        self.head = MLP([width, width, 3 * outputs], nn.SiLU)
        self.register_buffer("linear", torch.zeros(num_species, descriptors, 3 * outputs))
        self.register_buffer("collective", torch.zeros(3 * outputs))
        self.register_buffer("held_out", torch.zeros(FOLDS, num_species, descriptors, 3 * outputs))
        if levels:
            self.register_buffer("level", torch.zeros(num_species, 2, 3 * outputs))
            self.register_buffer("held_out_level", torch.zeros(FOLDS, num_species, 2, 3 * outputs))
            self.register_buffer("energy_units", torch.tensor([0.0, 1.0]))
        self.bond_head = MLP([2 * width + 2 * RADIAL, width, outputs], nn.SiLU)

    def forward(self, data: Any, held_out: bool = False) -> Condition:
        """Latents and predictions for the configurations of a batch.

        ``held_out`` on training configurations: their linear part then comes from the others.
        """
        bonds = graph_bonds(data, self.cutoff, distance_features(data, self.input, self.cutoff, RADIAL))
        scalars, vectors = self.encoded(data, bonds, self.layers)
        propensity, spread, mobility = (self.head(scalars) + self.regression(data, held_out)).chunk(3, -1)
        stretched = elongation(scalars, bonds, self.bond_head)
        edges = scalars.new_zeros(len(bonds.source), 0)
        return Condition(scalars, vectors, edges, propensity, spread, mobility, stretched)

    def regression(self, data: Any, held_out: bool) -> Tensor:
        """The linear part alone, (n, 3 K); zero without descriptors."""
        if self.encode is None:
            zero: Tensor = data.edge_vector.new_zeros(())
            return zero
        weights = self.linear.unsqueeze(0)
        fold = torch.zeros_like(data.batch)
        if held_out:
            weights, fold = self.held_out, (data.snapshot_id % FOLDS)[data.batch]
        each = torch.einsum("nd,fsdk->fsnk", data.descriptors, weights)
        nodes = torch.arange(len(fold), device=fold.device)
        own = each[fold, data.species, nodes]
        if self.levels:
            return self._at_level(own, data, fold, held_out)
        shared = own.reshape(int(data.num_graphs), -1, own.shape[-1]).mean(1)
        total: Tensor = own + self.collective * shared[data.batch]
        return total

    def _at_level(self, own: Tensor, data: Any, fold: Tensor, held_out: bool) -> Tensor:
        """Deviations (n, 3 K) from the mean of each species, and the means that belong to the energy."""
        species = len(self.linear)
        group = data.batch * species + data.species
        count = torch.bincount(group, minlength=int(data.num_graphs) * species).clamp(min=1)
        sums = own.new_zeros(len(count), own.shape[-1]).index_add(0, group, own)
        lines = self.held_out_level if held_out else self.level.unsqueeze(0)
        line = lines[fold, data.species]
        units = self.energy_units
        energy = ((data.energy - units[0]) / units[1])[data.batch].unsqueeze(-1)
        total: Tensor = own - (sums / count.unsqueeze(-1))[group] + line[:, 0] + energy * line[:, 1]
        return total
