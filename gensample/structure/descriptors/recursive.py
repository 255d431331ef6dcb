"""Recursive structural descriptors: radial and angular ones of each particle, then averages over neighbours.

Boattini, Smallenburg and Filion, Phys. Rev. Lett. 127, 088007 (2021); on cage positions, with the distance
from the thermal to the cage position, they are what CAGE reads: Alkemade, Smallenburg and Filion, J. Chem.
Phys. 158, 134512 (2023).

Theirs are the form of all descriptors, l = 1..12, shells that widen with the distance up to 5, and two
generations of averages. Ours are the numbers, since theirs are for hard spheres and were not at hand: where
the shells lie and how wide they are; that they begin at 0.7 (A-B pairs are close) and fade at RANGE rather
than 5, so that a box of 1000 particles is wide enough; CUTOFF, about the second minimum of g(r). In the plane
Fourier modes stand in for spherical harmonics.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from gensample.physics.mixtures import Mixture
from gensample.physics.neighbors import neighbor_list
from gensample.structure.harmonics import angular_basis
from gensample.structure.particles import DescriptorSet

RANGE = 4.7
FADE = 0.3
DEGREES = range(1, 13)
CUTOFF = 2.1
GENERATIONS = 2
# Gaussians are summed up to where they are below 3e-7.
_REACH = 5.5
# Pairs whose angular functions are worked on at a time: those of all pairs would take a gigabyte.
_CHUNK = 1 << 14


@dataclass(frozen=True)
class GaussianShells:
    """Equally spaced centres of Gaussian shells whose standard deviation is the spacing."""

    first: float
    spacing: float
    count: int

    @property
    def centres(self) -> list[float]:
        """Of all shells, ascending."""
        return [self.first + k * self.spacing for k in range(self.count)]


RADIAL = (GaussianShells(0.7, 0.025, 53), GaussianShells(2.05, 0.05, 20), GaussianShells(3.1, 0.1, 17))
ANGULAR = GaussianShells(1.0, 0.1, 16)


def recursive_names(mixture: Mixture) -> list[str]:
    """Names of the columns of `recursive`, in order; the last digit is the generation."""
    letters = mixture.letters
    own = [f"radial_{b}_{r:.3f}" for b in letters for shells in RADIAL for r in shells.centres]
    own += [f"angular_{r:.1f}_{degree}" for r in ANGULAR.centres for degree in DEGREES]
    return [f"{name}_{n}" for n in range(GENERATIONS + 1) for name in own] + ["cage_distance"]


def recursive(
    positions: Tensor, species: Tensor, box: Tensor, mixture: Mixture, cage_distance: Tensor | None = None
) -> Tensor:
    """Descriptors of three generations of every particle, invariant under rotation and reflection.

    positions: (N, d), wrapped or not; species: (N,); box: (d,) or tilted; cage_distance: (N,) from the
    thermal to the cage position, zero where not given. Returns (N, F) in the precision of the positions,
    columns as in `recursive_names`. With w(r) a Gaussian about each shell, generation 0 is sum_j w(r_ij) over
    the neighbours of each species, and for all of them q_l, the root of 4 pi / (2l + 1) sum_m |q_lm|^2 with
    q_lm = sum_j w(r_ij) Y_lm(r_ij) / sum_j w(r_ij). Generation n is the mean of generation n - 1 over the
    particle itself and its neighbours within CUTOFF, weighted by exp(-r / CUTOFF). Within 1 GB at N = 4096 in
    3D. Raises ConfigError when RANGE exceeds half an edge of the box, DataError for species that the mixture
    has not.
    """
    mixture.check_species(species)
    if cage_distance is None:
        cage_distance = positions.new_zeros(len(positions))
    (i, j), vectors = neighbor_list(positions, box.to(positions), RANGE)
    distance = vectors.norm(dim=-1)
    row = i * mixture.num_species + species.long()[j]
    radial = [
        shell_sums(row, distance, len(positions) * mixture.num_species, shells).reshape(
            len(positions), mixture.num_species, -1
        )
        for shells in RADIAL
    ]
    generations = [torch.cat([torch.cat(radial, -1).flatten(1), _angular(i, vectors, len(positions))], 1)]
    average = _averaging(i, j, distance, len(positions))
    for _ in range(GENERATIONS):
        generations.append(torch.sparse.mm(average, generations[-1]))
    return torch.cat([*generations, cage_distance.to(positions).unsqueeze(1)], 1)


def shell_sums(row: Tensor, distance: Tensor, rows: int, shells: GaussianShells) -> Tensor:
    """Sum over the pairs of each row of exp(-(r - centre)^2 / (2 spacing^2)); (rows, shells).

    row, distance: (E,), of pairs closer than RANGE, where their weight fades to zero. Only the shells near
    a pair are looked at, a few per pair.
    """
    first, spacing, count = shells.first, shells.spacing, shells.count
    reach = int(_REACH + 0.5)
    nearest = ((distance - first) / spacing).round().long()
    near = ((nearest >= -reach) & (nearest < count + reach)).nonzero().squeeze(-1)
    row, distance, nearest = row[near], distance[near], nearest[near]
    # Columns beyond both ends take what falls outside.
    width = count + 4 * reach
    sums = distance.new_zeros(rows * width)
    weight = _edge_weight(distance)
    cell, apart = row * width + nearest + 2 * reach, (distance - first) / spacing - nearest
    for offset in range(-reach, reach + 1):
        sums.index_add_(0, cell + offset, weight * torch.exp(-0.5 * (apart - offset).square_()))
    return sums.reshape(rows, width)[:, 2 * reach : 2 * reach + count]


def _edge_weight(distance: Tensor) -> Tensor:
    """One, falling to zero as a cubic over FADE below RANGE: no sum jumps when a particle crosses it."""
    t = ((distance - RANGE + FADE) / FADE).clamp(0.0, 1.0)
    return 1.0 - t.square() * (3.0 - 2.0 * t)


def _angular(i: Tensor, vectors: Tensor, particles: int) -> Tensor:
    """Norms (N, shells * degrees) of the mean angular functions in each shell."""
    near = vectors.norm(dim=-1) < ANGULAR.centres[-1] + _REACH * ANGULAR.spacing
    padded = pad_vectors(i[near], vectors[near], particles)
    centres = torch.tensor(ANGULAR.centres).to(vectors)
    sizes = [2 if vectors.shape[1] == 2 else 2 * degree + 1 for degree in DEGREES]
    found = []
    for part in split_by_pairs(padded, _CHUNK, padded.shape[1]):
        distance = part.norm(dim=-1)
        # What pads sits at distance zero, where the weight of the first shell is 2e-22.
        weight = torch.exp(-0.5 * ((distance[:, None] - centres[:, None]) / ANGULAR.spacing).square())
        directions = (part / distance.clamp(min=1e-12)[..., None]).flatten(0, 1)
        basis = torch.cat(angular_basis(directions, DEGREES), -1)
        sums = weight @ basis.reshape(*part.shape[:2], -1)
        norms = torch.stack([block.norm(dim=-1) for block in torch.split(sums, sizes, -1)], -1)
        # Where a shell is all but empty it counts for nothing, rather than as its one distant neighbour.
        found.append(norms / weight.sum(-1, keepdim=True).clamp(min=1e-3))
    return torch.cat(found).flatten(1)


def pad_vectors(i: Tensor, vectors: Tensor, particles: int) -> Tensor:
    """Vectors (E, d) of pairs sorted by particle as (N, M, d), M the most of any, padded by zeros."""
    counts = torch.bincount(i, minlength=particles)
    slot = torch.arange(len(i), device=i.device) - (counts.cumsum(0) - counts)[i]
    most = max(int(counts.max()), 1)
    padded = vectors.new_zeros(particles, most, vectors.shape[1])
    padded[i, slot] = vectors
    return padded


def split_by_pairs(padded: Tensor, pairs: int, per_particle: int) -> tuple[Tensor, ...]:
    """Parts of a tensor (N, ...) of particles that have about so many pairs each."""
    return torch.split(padded, max(1, pairs // per_particle))


def _averaging(i: Tensor, j: Tensor, distance: Tensor, particles: int) -> Tensor:
    """Sparse matrix (N, N) that takes the weighted mean over a particle and its neighbours."""
    near = (distance < CUTOFF).nonzero().squeeze(-1)
    itself = torch.arange(particles, device=i.device)
    i, j = torch.cat([i[near], itself]), torch.cat([j[near], itself])
    weight = torch.cat([torch.exp(-distance[near] / CUTOFF), distance.new_ones(particles)])
    total = weight.new_zeros(particles).index_add_(0, i, weight)
    pairs = torch.stack([i, j])
    return torch.sparse_coo_tensor(pairs, weight / total[i], (particles, particles), check_invariants=False)


SETS = {
    "recursive": DescriptorSet(
        lambda mixture, levels: recursive_names(mixture),
        lambda of: recursive(of.positions, of.species, of.box, of.mixture, of.cage_distance),
    ),
    # Without the distance to the cage: of thermal positions, a predictor that knows nothing else.
    "recursive-positions": DescriptorSet(
        lambda mixture, levels: recursive_names(mixture)[:-1],
        lambda of: recursive(of.positions, of.species, of.box, of.mixture)[:, :-1],
    ),
}
