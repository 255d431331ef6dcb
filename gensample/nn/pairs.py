"""Pairs of particles of moving configurations, with derivatives: what a network on the torus is made of.

A pair (i, j) is seen through the smooth vector w from i to j and the softened distance
rho = sqrt(length^2 + SOFT^2), which has a derivative even where two particles of the base coincide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.physics.neighbors import batched_neighbor_list

GRAPHS = ("local", "all-pairs")
SOFT = 0.05


@dataclass(frozen=True)
class GraphPairs:
    """Ordered pairs of flattened particles.

    source, destination: (E,); distance: (E,) softened; direction: (E, d) = w / distance, a
    little shorter than one; stretch: (E, d)
    derivative of each component of w by the same component of x_j - x_i, ones for a plain minimum image.
    """

    source: Tensor
    destination: Tensor
    distance: Tensor
    direction: Tensor
    stretch: Tensor

    def direction_slope(self) -> Tensor:
        """Derivative of component b of the direction by component a of x_i, (E, d, d) as [a, b]."""
        outer = self.direction.unsqueeze(2) * self.direction.unsqueeze(1)
        return (outer - torch.diag_embed(self.stretch)) / self.distance[:, None, None]


def find_pairs(positions: Tensor, box: Tensor, graph: str, cutoff: float) -> GraphPairs:
    """Pairs of each of C configurations, differentiable in the positions (C, N, d); box: (C, d).

    "local": pairs closer than the cut-off, by minimum image. "all-pairs": every pair, with
    w = (L / 2 pi) sin(2 pi dx / L) and length^2 = sum of ((L / pi) sin(pi dx / L))^2, which are smooth on the
    whole torus; N^2 pairs, for small systems. ConfigError for another graph.
    """
    if graph == "local":
        (i, j), dx = batched_neighbor_list(positions, box, cutoff)
        distance = (dx.square().sum(-1) + SOFT**2).sqrt()
        return GraphPairs(i, j, distance, dx / distance.unsqueeze(-1), torch.ones_like(dx))
    if graph != "all-pairs":
        raise ConfigError(f"unknown graph {graph!r}; known: {', '.join(GRAPHS)}")
    i, j = _every_pair(len(positions), positions.shape[1], positions.device)
    flat = positions.reshape(-1, positions.shape[-1])
    edge = box[torch.div(i, positions.shape[1], rounding_mode="floor")]
    angle = 2 * math.pi * (flat[j] - flat[i]) / edge
    w = edge / (2 * math.pi) * angle.sin()
    length2 = (edge / math.pi * (0.5 * angle).sin()).square().sum(-1)
    distance = (length2 + SOFT**2).sqrt()
    return GraphPairs(i, j, distance, w / distance.unsqueeze(-1), angle.cos())


def _every_pair(configurations: int, particles: int, device: torch.device) -> tuple[Tensor, Tensor]:
    one = torch.arange(particles, device=device)
    i, j = (x.reshape(-1) for x in torch.meshgrid(one, one, indexing="ij"))
    i, j = i[i != j], j[i != j]
    first = particles * torch.arange(configurations, device=device).unsqueeze(1)
    return (first + i).reshape(-1), (first + j).reshape(-1)


def radial_functions(distance: Tensor, cutoff: float, count: int, fading: bool) -> tuple[Tensor, Tensor]:
    """Gaussians on [0, cutoff] and their derivatives by the distance, (E, count) each.

    ``fading`` multiplies them by (1 - q^2)^3, q = distance / cutoff: zero with two derivatives there.
    """
    centres = torch.linspace(0.0, cutoff, count, dtype=distance.dtype, device=distance.device)
    x = (distance.unsqueeze(-1) - centres) * (count / cutoff)
    value = torch.exp(-0.5 * x.square())
    slope = -x * (count / cutoff) * value
    if fading:
        fade, fade_slope = (f.unsqueeze(-1) for f in envelope(distance, cutoff))
        value, slope = fade * value, fade * slope + fade_slope * value
    return value, slope


def envelope(distance: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """(1 - q^2)^3 of q = distance / cutoff and its derivative by the distance; zero beyond the cut-off."""
    rest = (1 - (distance / cutoff).square()).clamp(min=0)
    return rest**3, -6 * distance / cutoff**2 * rest.square()
