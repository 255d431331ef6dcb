"""Velocity of a flow of configurations on the torus, with its exact divergence at the cost of a few calls.

Two rounds on the graph of the *current* configuration. First every particle's surroundings, as in the
embedded-atom method (Daw and Baskes, Phys. Rev. B 29, 6443 (1984)): radial densities of each species and
their dipoles, turned into a hidden state h_i. Then a sum of pair terms that depend on both states,

    v_i = sum over j of phi_ij e_ij + sum over c of psi_ij^c P_j^c,

phi and psi from a network of (rho_ij, h_i, h_j, e_ij . P_i, e_ij . P_j), e_ij the direction, P the dipoles.
Equivariant under the symmetries of the box and under exchange of like particles.

The divergence needs the derivative of v_i by x_i alone. There x_i enters through pairs that contain i: its
own pairs, its own state, and in the state of each neighbour j the one pair (j, i). All of these live on the
edges, so that the exact trace costs d derivatives per edge, whatever N; automatic differentiation needs N d.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from gensample.nn.blocks import Clock, sum_per_node
from gensample.nn.pairs import GraphPairs, envelope, find_pairs, radial_functions


@dataclass(frozen=True)
class _Radial:
    """Radial functions of every pair and their derivatives by the distance, (E, K); envelopes (E,)."""

    value: Tensor
    slope: Tensor
    fade: Tensor
    fade_slope: Tensor


@dataclass(frozen=True)
class _Nodes:
    """States of the particles: dipoles (n, d, V), first and second pre-activation and state (n, H)."""

    dipoles: Tensor
    first: Tensor
    second: Tensor
    state: Tensor


class ConfigurationNetwork(nn.Module):
    """velocity(x, s, 1/T) of N particles in periodic boxes; the graph follows the particles.

    Args:
        num_species: number of species.
        dimension: d.
        cutoff: of the graph "local"; for "all-pairs" the range of the radial functions.
        graph: "local" or "all-pairs" (``pairs.find_pairs``).
        width: hidden units H.
        vectors: dipoles V of each particle.
        radial: radial functions K.
    """

    def __init__(
        self,
        num_species: int,
        dimension: int,
        cutoff: float,
        graph: str = "local",
        width: int = 64,
        vectors: int = 8,
        radial: int = 25,
    ) -> None:
        super().__init__()
        self.num_species, self.dimension, self.cutoff, self.graph = num_species, dimension, cutoff, graph
        self.width, self.vectors, self.radial = width, vectors, radial
        self.clock = Clock(width, others=1)
        self.kind = nn.Embedding(num_species, width)
        self.densities = nn.Parameter(torch.empty(num_species, radial, width))
        self.dipole = nn.Parameter(torch.empty(num_species, radial, vectors))
        for weights in (self.densities, self.dipole):
            nn.init.normal_(weights, std=(num_species * radial) ** -0.5)
        self.from_dipoles = nn.Linear(vectors, width, bias=False)
        self.from_clock = nn.Linear(width, width)
        self.deep = nn.Linear(width, width)
        self.pair_radial = nn.Linear(radial, width)
        self.pair_source = nn.Linear(width, width, bias=False)
        self.pair_destination = nn.Linear(width, width, bias=False)
        self.pair_clock = nn.Linear(width, width, bias=False)
        self.pair_dipoles = nn.Linear(2 * vectors, width, bias=False)
        self.pair_deep = nn.Linear(width, width)
        self.out = nn.Linear(width, 1 + vectors)

    def forward(
        self, positions: Tensor, species: Tensor, box: Tensor, s: Tensor, inverse_temperature: Tensor
    ) -> Tensor:
        """Velocity (C, N, d), drift-free; positions (C, N, d), species (N,), box (C, d), s and 1/T (C,)."""
        pairs, radial, nodes, hidden = self._values(positions, species, box, s, inverse_temperature)
        amplitude = self.out(nn.functional.silu(hidden[1])) * radial.fade.unsqueeze(-1)
        return self._velocity(amplitude, pairs, nodes, positions)

    def with_divergence(
        self, positions: Tensor, species: Tensor, box: Tensor, s: Tensor, inverse_temperature: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The velocity (C, N, d) and its exact divergence (C,).

        The divergence is the same with the drift and without it: a drift-free, translation-invariant field
        has no trace along translations.
        """
        pairs, radial, nodes, hidden = self._values(positions, species, box, s, inverse_temperature)
        raw = self.out(nn.functional.silu(hidden[1]))
        velocity = self._velocity(raw * radial.fade.unsqueeze(-1), pairs, nodes, positions)
        traces = self._traces(pairs, radial, nodes, hidden, raw, species.repeat(len(positions)))
        divergence = sum_per_node(traces, pairs.source, positions.shape[0] * positions.shape[1])
        return velocity, divergence.reshape(len(positions), -1).sum(1)

    def _values(
        self, positions: Tensor, species: Tensor, box: Tensor, s: Tensor, inverse_temperature: Tensor
    ) -> tuple[GraphPairs, _Radial, _Nodes, tuple[Tensor, Tensor]]:
        pairs = find_pairs(positions, box, self.graph, self.cutoff)
        local = self.graph == "local"
        fade = envelope(pairs.distance, self.cutoff)
        if not local:
            fade = (torch.ones_like(fade[0]), torch.zeros_like(fade[1]))
        radial = _Radial(*radial_functions(pairs.distance, self.cutoff, self.radial, local), *fade)
        clock = self.clock(s, inverse_temperature)
        kinds = species.repeat(len(positions))
        nodes = self._nodes(pairs, radial, kinds, clock, positions.shape[1])
        return pairs, radial, nodes, self._hidden(pairs, radial, nodes, clock, positions.shape[1])

    def _nodes(
        self, pairs: GraphPairs, radial: _Radial, kinds: Tensor, clock: Tensor, particles: int
    ) -> _Nodes:
        n, count = len(kinds), self.num_species
        slot = pairs.source * count + kinds[pairs.destination]
        densities = sum_per_node(radial.value, slot, n * count).reshape(n, -1)
        moments = sum_per_node(pairs.direction.unsqueeze(2) * radial.value.unsqueeze(1), slot, n * count)
        moments = moments.reshape(n, count, self.dimension, self.radial).transpose(1, 2).flatten(2)
        dipoles = moments @ self.dipole.flatten(0, 1)
        first = densities @ self.densities.flatten(0, 1) + self.from_dipoles(dipoles.square().sum(1))
        first = first + self.kind(kinds) + self.from_clock(clock).repeat_interleave(particles, 0)
        second = self.deep(nn.functional.silu(first))
        return _Nodes(dipoles, first, second, nn.functional.silu(second))

    def _hidden(
        self, pairs: GraphPairs, radial: _Radial, nodes: _Nodes, clock: Tensor, particles: int
    ) -> tuple[Tensor, Tensor]:
        """Pre-activations of the two hidden layers of the pair network, (E, H)."""
        own = self.pair_source(nodes.state) + self.pair_clock(clock).repeat_interleave(particles, 0)
        other = self.pair_destination(nodes.state)
        along = torch.cat([_along(pairs.direction, nodes.dipoles, at) for at in _ends(pairs)], -1)
        first = self.pair_radial(radial.value) + self.pair_dipoles(along)
        first = first + own.index_select(0, pairs.source) + other.index_select(0, pairs.destination)
        return first, self.pair_deep(nn.functional.silu(first))

    def _velocity(self, amplitude: Tensor, pairs: GraphPairs, nodes: _Nodes, positions: Tensor) -> Tensor:
        central = amplitude[:, :1] * pairs.direction
        dipoles = nodes.dipoles.index_select(0, pairs.destination)
        terms = central + (dipoles * amplitude[:, None, 1:]).sum(-1)
        velocity = sum_per_node(terms, pairs.source, len(nodes.state)).reshape(positions.shape)
        return velocity - velocity.mean(1, keepdim=True)

    # The divergence: derivatives by component a of x_i of everything in the pair term (i, j), as [a].

    def _traces(
        self,
        pairs: GraphPairs,
        radial: _Radial,
        nodes: _Nodes,
        hidden: tuple[Tensor, Tensor],
        raw: Tensor,
        kinds: Tensor,
    ) -> Tensor:
        """Derivative of component a of every pair term by component a of x_i, summed over a, (E,)."""
        turn = pairs.direction_slope()  # (E, a, d)
        own_state, own_dipoles = self._own_slopes(pairs, radial, turn, nodes, kinds)
        other_state, other_dipoles = self._other_slopes(pairs, radial, turn, nodes, kinds)
        along = self._along_slopes(pairs, turn, nodes, own_dipoles, other_dipoles)
        first = -pairs.direction.unsqueeze(2) * linear(radial.slope, self.pair_radial.weight).unsqueeze(1)
        first = first + self.pair_source(own_state).index_select(0, pairs.source)
        first = first + self.pair_destination(other_state) + self.pair_dipoles(along)
        second = linear(_silu_slope(hidden[0]).unsqueeze(1) * first, self.pair_deep.weight)
        slope = linear(_silu_slope(hidden[1]).unsqueeze(1) * second, self.out.weight)  # (E, a, 1 + V)
        fade, fade_slope = radial.fade[:, None, None], radial.fade_slope[:, None, None]
        slope = fade * slope - fade_slope * pairs.direction.unsqueeze(2) * raw.unsqueeze(1)
        amplitude = radial.fade.unsqueeze(1) * raw
        central = (slope[..., 0] * pairs.direction).sum(1)
        central = central + amplitude[:, 0] * turn.diagonal(dim1=1, dim2=2).sum(1)
        dipoles = nodes.dipoles.index_select(0, pairs.destination)  # (E, a, V)
        turned = (amplitude[:, 1:] * other_dipoles.diagonal(dim1=1, dim2=2).sum(2)).sum(1)
        return central + (slope[..., 1:] * dipoles).sum((1, 2)) + turned

    def _own_slopes(
        self, pairs: GraphPairs, radial: _Radial, turn: Tensor, nodes: _Nodes, kinds: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Derivatives of a particle's own state (n, a, H) and dipoles (n, a, d, V)."""
        n, count, d = len(kinds), self.num_species, self.dimension
        slot = pairs.source * count + kinds[pairs.destination]
        densities = sum_per_node(-pairs.direction.unsqueeze(2) * radial.slope.unsqueeze(1), slot, n * count)
        densities = densities.reshape(n, count, d, -1).transpose(1, 2).flatten(2) @ self.densities.flatten(
            0, 1
        )
        dipoles = sum_per_node(
            -self._dipole_slopes(pairs, radial, turn, kinds.index_select(0, pairs.destination)),
            pairs.source,
            n,
        )
        return self._state_slope(densities, dipoles, nodes.dipoles, nodes.first, nodes.second), dipoles

    def _other_slopes(
        self, pairs: GraphPairs, radial: _Radial, turn: Tensor, nodes: _Nodes, kinds: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Derivatives of a neighbour's state (E, a, H) and dipoles (E, a, d, V), through the pair (j, i)."""
        kind, j = kinds.index_select(0, pairs.source), pairs.destination
        rate = _by_kind(radial.slope, self.densities, kind)
        densities = -pairs.direction.unsqueeze(2) * rate.unsqueeze(1)
        dipoles = self._dipole_slopes(pairs, radial, turn, kind)
        at_j = (x.index_select(0, j) for x in (nodes.dipoles, nodes.first, nodes.second))
        return self._state_slope(densities, dipoles, *at_j), dipoles

    def _dipole_slopes(self, pairs: GraphPairs, radial: _Radial, turn: Tensor, kind: Tensor) -> Tensor:
        """Derivative by x_i of what the pair (j, i) gives to the dipoles of j, (E, a, d, V).

        ``kind`` (E,) is what i counts as; what the pair (i, j) gives to i changes by the opposite.
        """
        slope, value = (_by_kind(x, self.dipole, kind) for x in (radial.slope, radial.value))
        outer = pairs.direction.unsqueeze(2) * pairs.direction.unsqueeze(1)
        # The direction of (j, i) is the opposite of that of (i, j).
        return outer.unsqueeze(3) * slope[:, None, None] - turn.unsqueeze(3) * value[:, None, None]

    def _state_slope(
        self, densities: Tensor, slopes: Tensor, dipoles: Tensor, first: Tensor, second: Tensor
    ) -> Tensor:
        squares = 2 * (dipoles.unsqueeze(1) * slopes).sum(2)
        rate = _silu_slope(first).unsqueeze(1) * (densities + self.from_dipoles(squares))
        return _silu_slope(second).unsqueeze(1) * linear(rate, self.deep.weight)

    def _along_slopes(
        self, pairs: GraphPairs, turn: Tensor, nodes: _Nodes, own_dipoles: Tensor, other_dipoles: Tensor
    ) -> Tensor:
        """Derivatives of e_ij . P_i and e_ij . P_j, (E, a, 2 V)."""
        found = []
        for at, slopes in zip(
            _ends(pairs), (own_dipoles.index_select(0, pairs.source), other_dipoles), strict=True
        ):
            dipoles = nodes.dipoles.index_select(0, at)
            found.append(turn @ dipoles + (pairs.direction[:, None, :, None] * slopes).sum(2))
        return torch.cat(found, -1)


def _ends(pairs: GraphPairs) -> tuple[Tensor, Tensor]:
    return pairs.source, pairs.destination


def _along(direction: Tensor, dipoles: Tensor, at: Tensor) -> Tensor:
    return (direction.unsqueeze(2) * dipoles.index_select(0, at)).sum(1)


def _silu_slope(x: Tensor) -> Tensor:
    gate = torch.sigmoid(x)
    return gate * (1 + x * (1 - gate))


def _by_kind(x: Tensor, weights: Tensor, kind: Tensor) -> Tensor:
    """x (E, K) times weights[kind] (K, H) of each pair."""
    out = x.new_zeros(len(x), weights.shape[-1])
    for a, weight in enumerate(weights):
        mine = (kind == a).nonzero().squeeze(-1)
        out.index_copy_(0, mine, x.index_select(0, mine) @ weight)
    return out
