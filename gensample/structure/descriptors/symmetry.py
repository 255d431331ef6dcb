"""Symmetry functions of Behler and Parrinello, the structure that softness is read from.

J. Behler and M. Parrinello, Phys. Rev. Lett. 98, 146401 (2007), with the parameters of Cubuk et al., Phys.
Rev. Lett. 114, 108001 (2015) and Schoenholz et al., Nature Physics 12, 469 (2016) for the Kob-Andersen
mixture: radial shells of width 0.1 from 0.1 outwards and the angular table below. Ours are where sums end:
shells at 4.7 rather than 5, so that a box of 1000 particles is wide enough, and angular functions at CUTOFF,
which matters for the two longest lengths.
"""

import itertools

import torch
from torch import Tensor

from gensample.physics.mixtures import Mixture
from gensample.physics.neighbors import neighbor_list
from gensample.structure.descriptors.recursive import (
    RANGE,
    GaussianShells,
    pad_vectors,
    shell_sums,
    split_by_pairs,
)
from gensample.structure.particles import DescriptorSet

RADIAL = GaussianShells(0.1, 0.1, 47)
CUTOFF = 2.5
# Length xi: pairs of lambda and zeta, as published.
ANGULAR: dict[float, tuple[tuple[int, int], ...]] = {
    14.633: ((-1, 1), (1, 1)),
    14.638: ((-1, 2), (1, 2)),
    2.554: ((-1, 1), (1, 1), (-1, 2), (1, 2)),
    1.648: ((1, 1), (1, 2)),
    1.204: ((1, 1), (1, 2), (1, 4), (1, 16)),
    0.933: ((1, 1), (1, 2), (1, 4), (1, 16)),
    0.695: ((1, 1), (1, 2), (1, 4), (1, 16)),
}
# Pairs of neighbours worked on at a time: about what a cache holds.
_CHUNK = 1 << 17


def symmetry_names(mixture: Mixture) -> list[str]:
    """Names of the columns of `symmetry_functions`, in order: species, then distance or xi, lambda, zeta."""
    letters = mixture.letters
    radial = [f"radial_{b}_{r:.1f}" for b in letters for r in RADIAL.centres]
    pairs = ["".join(pair) for pair in itertools.combinations_with_replacement(letters, 2)]
    table = [(xi, *own) for xi, several in ANGULAR.items() for own in several]
    return radial + [f"angular_{ab}_{xi:g}_{sign:+d}_{zeta}" for xi, sign, zeta in table for ab in pairs]


def symmetry_functions(positions: Tensor, species: Tensor, box: Tensor, mixture: Mixture) -> Tensor:
    """Radial and angular symmetry functions of every particle.

    positions: (N, d), wrapped or not; species: (N,); box: (d,) or tilted. Returns (N, F) in the precision of
    the positions, columns as in `symmetry_names`: sum_j exp(-(r_ij - r)^2 / (2 * 0.1^2)) over the neighbours
    of each species, and for each pair of species the sum over pairs of neighbours j, k within CUTOFF, each
    counted once, of exp(-(r_ij^2 + r_ik^2 + r_jk^2) / xi^2) (1 + lambda cos(theta_jik))^zeta. Raises
    ConfigError when `recursive.RANGE` exceeds half an edge of the box, DataError for species that the mixture
    has not.
    """
    mixture.check_species(species)
    (i, j), vectors = neighbor_list(positions, box.to(positions), RANGE)
    kind, kinds = species.long()[j], mixture.num_species
    distance = vectors.norm(dim=-1)
    radial = shell_sums(i * kinds + kind, distance, len(positions) * kinds, RADIAL)
    near = distance < CUTOFF
    angular = _angular(i[near], kind[near], vectors[near], len(positions), kinds)
    return torch.cat([radial.reshape(len(positions), -1), angular], 1)


def _angular(i: Tensor, kind: Tensor, vectors: Tensor, particles: int, kinds: int) -> Tensor:
    """Angular functions (N, table * pairs of species)."""
    members = torch.nn.functional.one_hot(kind, kinds).to(vectors)
    padded = pad_vectors(i, torch.cat([vectors, members], 1), particles)
    chunks = split_by_pairs(padded, _CHUNK, padded.shape[1] ** 2)
    return torch.cat([_of_pairs(*torch.split(part, [vectors.shape[1], kinds], -1)) for part in chunks])


def _of_pairs(vectors: Tensor, members: Tensor) -> Tensor:
    """Angular functions (n, F) of particles with neighbours at vectors (n, M, d).

    members: (n, M, S), one where a neighbour is of the species; all zero pads.
    """
    squared = vectors.square().sum(-1)
    product = vectors @ vectors.mT
    perimeter = 2 * (squared[:, :, None] + squared[:, None] - product)  # r_ij^2 + r_ik^2 + r_jk^2
    perimeter.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    length = squared.sqrt().clamp(min=1e-12)
    cosine = product / (length[:, :, None] * length[:, None])
    powers = {(sign, zeta): (1 + sign * cosine) ** zeta for sign, zeta in set(sum(ANGULAR.values(), ()))}
    columns = []
    for xi, several in ANGULAR.items():
        decay = torch.exp(perimeter * (-1 / xi**2))
        columns += [_by_species(decay * powers[own], members) for own in several]
    return torch.cat(columns, 1)


def _by_species(terms: Tensor, members: Tensor) -> Tensor:
    """Sums (n, S (S + 1) / 2) of terms (n, M, M) over pairs of neighbours of each two species."""
    sums = members.mT @ (terms @ members)
    kinds = members.shape[-1]
    a, b = torch.triu_indices(kinds, kinds, device=terms.device)
    return sums[:, a, b] * torch.where(a == b, 0.5, 1.0).to(sums)


SETS = {
    "symmetry": DescriptorSet(
        lambda mixture, levels: symmetry_names(mixture),
        lambda of: symmetry_functions(of.positions, of.species, of.box, of.mixture),
    )
}
