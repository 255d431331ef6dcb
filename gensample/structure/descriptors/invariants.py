"""Rotation-invariant descriptors of each particle's surroundings, for a regressor of its dynamics.

Radial densities and bond order by neighbour species, the particle's energy, then averages of all of these
over the neighbours of each species. The set depends on the number of species alone. In the spirit of
Boattini, Smallenburg and Filion, Phys. Rev. Lett. 127, 088007 (2021) and Alkemade, Boattini, Filion and
Smallenburg, J. Chem. Phys. 156, 204503 (2022).

Indicators that are named and used one by one are in `gensample.structure.indicators`.
"""

import itertools
import math

import torch
from torch import Tensor

from gensample.errors import DataError
from gensample.physics.mixtures import Mixture
from gensample.physics.neighbors import neighbor_list
from gensample.physics.potentials import energy
from gensample.structure.coarse import neighbor_means
from gensample.structure.harmonics import angular_basis
from gensample.structure.particles import DescriptorSet

RANGE = 5.0
DEGREES = range(2, 9)
LENGTHS = (1.0, 2.0)
# Centres and widths of the radial shells: fine where g(r) has structure, coarser beyond.
SHELLS = tuple((0.7 + 0.1 * k, 0.08) for k in range(19)) + tuple((2.7 + 0.2 * k, 0.16) for k in range(11))
# Shells of the bond order: the first, second and third neighbours, each fading into the next over 2 * FADE.
BOUNDARIES = (1.45, 2.4, 3.35)
FADE = 0.15
BIN = 0.005
# Pairs worked on at a time: the angular functions of all pairs at once would take gigabytes.
_CHUNK = 1 << 15


def invariants(
    positions: Tensor, species: Tensor, box: Tensor, mixture: Mixture, cage_distance: Tensor | None = None
) -> Tensor:
    """Invariants of every particle under rotation, reflection, translation and exchange of like particles.

    positions: (N, d) or (C, N, d), wrapped or not; species: (N,) or (C, N); box: (d,) or (C, d);
    cage_distance: (N,) or (C, N) distance between thermal and inherent position, zero where not given.
    Returns (N, F) or (C, N, F) float32, columns as in `invariant_names`. Works on one configuration at a
    time, within 0.6 GB at N = 4096 in 3D. Raises ConfigError when RANGE exceeds half an edge of the box,
    DataError for shapes or species that do not fit the mixture.
    """
    if cage_distance is None:
        cage_distance = positions.new_zeros(positions.shape[:-1])
    if cage_distance.shape != positions.shape[:-1]:
        raise DataError(
            f"expected cage distances {tuple(positions.shape[:-1])}, got {tuple(cage_distance.shape)}"
        )
    if positions.ndim == 2:
        return _of_one(positions, species, box, mixture, cage_distance)
    species, box = species.expand(positions.shape[:-1]), box.expand(len(positions), positions.shape[-1])
    return torch.stack(
        [_of_one(positions[c], species[c], box[c], mixture, cage_distance[c]) for c in range(len(positions))]
    )


def invariant_names(mixture: Mixture) -> list[str]:
    """Names of the columns of `invariants`, in order."""
    letters = mixture.letters
    own = [f"density_{b}_{centre:.1f}" for b in letters for centre, _ in SHELLS]
    shells = range(1, len(BOUNDARIES) + 1)
    own += [f"order_{b}_shell{k}_{degree}" for b in letters for k in shells for degree in DEGREES]
    own += ["energy", "cage_distance"]
    return own + [f"mean_{b}_{length:g}({name})" for b in letters for length in LENGTHS for name in own]


def _of_one(
    positions: Tensor, species: Tensor, box: Tensor, mixture: Mixture, cage_distance: Tensor
) -> Tensor:
    energies = energy(positions, species, box, mixture)  # also checks shapes and species
    (i, j), vectors = neighbor_list(positions, box.to(positions), RANGE)
    vectors, species = vectors.float(), species.long()
    distance = vectors.norm(dim=-1)
    own = torch.cat(
        [
            _densities(i, species[j], distance, len(positions), mixture.num_species),
            _bond_order(i, species[j], vectors, len(positions), mixture.num_species),
            energies.float().unsqueeze(1),
            cage_distance.float().unsqueeze(1),
        ],
        1,
    )
    pairs, kind, edge = torch.stack([i, j]), species[j], _edge_weight(distance)
    return torch.cat(
        [own]
        + [
            neighbor_means(own, pairs, kind, torch.exp(-distance / length) * edge, b)
            for b in range(mixture.num_species)
            for length in LENGTHS
        ],
        1,
    )


def _densities(i: Tensor, kind: Tensor, distance: Tensor, particles: int, kinds: int) -> Tensor:
    """Sum over the neighbours of each species of a Gaussian about each shell; (N, kinds * shells).

    The Gaussians are linear between points BIN apart (error below 5e-4): neighbours are counted in these fine
    bins and the counts multiplied by the Gaussians, ten times faster than as many exponentials per pair.
    """
    bins = math.ceil(RANGE / BIN) + 1
    points = BIN * torch.arange(bins + 1, device=distance.device)
    centres, widths = torch.tensor(SHELLS, device=distance.device).T
    gaussians = torch.exp(-0.5 * ((points[:, None] - centres) / widths) ** 2)
    position = distance / BIN
    lower = position.long()
    above = (position - lower) * _edge_weight(distance)
    cell = (i * kinds + kind) * (bins + 1) + lower
    counts = distance.new_zeros(particles * kinds * (bins + 1))
    counts.index_add_(0, cell, _edge_weight(distance) - above).index_add_(0, cell + 1, above)
    return (counts.reshape(-1, bins + 1) @ gaussians).reshape(particles, -1)


def _bond_order(i: Tensor, kind: Tensor, vectors: Tensor, particles: int, kinds: int) -> Tensor:
    """Norm of the mean angular function by species, shell and degree; (N, kinds * shells * degrees).

    Divided by the neighbours of all species in the shell, so that it stays smooth where a species is absent.
    """
    near = (vectors.square().sum(-1) < (BOUNDARIES[-1] + FADE) ** 2).nonzero().squeeze(-1)
    i, row, vectors = i[near], i[near] * kinds + kind[near], vectors[near]
    sizes = [2 if vectors.shape[1] == 2 else 2 * degree + 1 for degree in DEGREES]
    shells = len(BOUNDARIES)
    sums = vectors.new_zeros(shells, particles * kinds, sum(sizes))
    total = vectors.new_zeros(shells, particles)
    for part in (slice(first, first + _CHUNK) for first in range(0, len(i), _CHUNK)):
        distance = vectors[part].norm(dim=-1, keepdim=True)
        basis = torch.cat(angular_basis(vectors[part] / distance, DEGREES), -1)
        for shell, weight in enumerate(_shell_weights(distance)):
            inside = weight.squeeze(-1).nonzero().squeeze(-1)
            sums[shell].index_add_(0, row[part][inside], basis[inside] * weight[inside])
            total[shell].index_add_(0, i[part], weight.squeeze(-1))
    norms = torch.stack([block.norm(dim=-1) for block in torch.split(sums, sizes, -1)], -1)
    norms = norms.reshape(shells, particles, kinds, -1) / total.clamp(min=1e-3)[:, :, None, None]
    return norms.permute(1, 2, 0, 3).reshape(particles, -1)


def _shell_weights(distance: Tensor) -> list[Tensor]:
    """Weights of the bond-order shells, adding up to one inside the outermost and smooth at each boundary."""
    inner = [_fade((distance - boundary) / FADE) for boundary in BOUNDARIES]
    return [inner[0], *(outer - before for before, outer in itertools.pairwise(inner))]


def _edge_weight(distance: Tensor) -> Tensor:
    """One, but for a smooth end at RANGE, so that no invariant jumps when a particle crosses it."""
    return _fade((distance - RANGE + FADE) / FADE)


def _fade(t: Tensor) -> Tensor:
    """One below t = -1, zero above 1, a cubic with no slope at either end between."""
    t = t.clamp(-1.0, 1.0)
    return 0.5 - 0.25 * t * (3.0 - t**2)


SETS = {
    "invariants": DescriptorSet(
        lambda mixture, levels: invariant_names(mixture),
        lambda of: invariants(of.positions, of.species, of.box, of.mixture, of.cage_distance),
    )
}
