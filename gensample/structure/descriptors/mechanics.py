"""Mechanical descriptors: energy, virial, curvature and stress of each particle, and their local means.

The structure as the potential sees it. In an inherent structure these say how strained a particle's
surroundings are and how stiffly it is held: few numbers, so that a regression hardly has to be penalised.
"""

import torch
from torch import Tensor

from gensample.physics.mixtures import Mixture
from gensample.physics.neighbors import neighbor_list
from gensample.physics.potentials import pair_curvature, pair_potential
from gensample.structure.coarse import neighbor_means
from gensample.structure.particles import DescriptorSet

LENGTHS = (0.5, 1.0, 2.0, 4.0)
# Fits into the box of 1,000 particles at density 1.2.
RANGE = 4.7


def mechanics_names(mixture: Mixture) -> list[str]:
    """Names of the columns of `mechanics`, in order."""
    letters = mixture.letters
    own = [f"{name}_{b}" for name in ("energy", "virial", "curvature") for b in letters]
    own += [f"stiffness_{k}" for k in range(1, mixture.dimension + 1)]
    own += ["log_einstein", "shear_stress", "energy_square", "cage_distance"]
    return own + [f"mean_{b}_{length:g}({name})" for length in LENGTHS for b in letters for name in own]


def mechanics(
    positions: Tensor, species: Tensor, box: Tensor, mixture: Mixture, cage_distance: Tensor
) -> Tensor:
    """Mechanical descriptors (N, F) float32, columns as in `mechanics_names`.

    positions: (N, d), wrapped or not; species: (N,); box: (d,); cage_distance: (N,), from the thermal
    position to the centre. Of each particle, by species of the neighbour: half the pair energies, the virial
    -r V'(r), and the trace of V'' + (d - 1) V'/r; the eigenvalues of its block of the Hessian (the force
    constants of a particle whose neighbours are held), log of the trace of its inverse (the mean square
    displacement of an Einstein solid), the norm of the deviatoric part of sum r V' n n, and the square of the
    energy. Then means over the neighbours of each species within RANGE with weight exp(-r / l) for the
    LENGTHS. Raises ConfigError when RANGE exceeds half an edge.
    """
    species = species.long()
    own = torch.cat(
        [_own(positions, species, box, mixture), cage_distance.to(positions).unsqueeze(1)], 1
    ).float()
    pairs, vectors = neighbor_list(positions, box.to(positions), RANGE)
    distance, kind = vectors.norm(dim=-1).float(), species[pairs[1]]
    means = [
        neighbor_means(own, pairs, kind, torch.exp(-distance / length), b)
        for length in LENGTHS
        for b in range(mixture.num_species)
    ]
    return torch.cat([own, *means], 1)


def _own(positions: Tensor, species: Tensor, box: Tensor, mixture: Mixture) -> Tensor:
    (i, j), vectors = neighbor_list(positions, box.to(positions), mixture.cutoff)
    distance, d, kinds = vectors.norm(dim=-1), mixture.dimension, mixture.num_species
    sigma, epsilon = (
        torch.as_tensor(table, dtype=positions.dtype, device=positions.device)[species[i], species[j]]
        for table in (mixture.sigma, mixture.epsilon)
    )
    value, slope = pair_potential(distance, sigma, epsilon, mixture)
    curvature = pair_curvature(distance, sigma, epsilon, mixture)
    by_kind, size = i * kinds + species[j], len(positions)
    columns = [
        distance.new_zeros(size * kinds).index_add(0, by_kind, each).reshape(size, kinds)
        for each in (0.5 * value, -distance * slope, curvature + (d - 1) * slope / distance)
    ]
    unit = vectors / distance.unsqueeze(1)
    dyads, one = unit.unsqueeze(2) * unit.unsqueeze(1), torch.eye(d).to(unit)
    tension = (slope / distance)[:, None, None]
    block = (curvature[:, None, None] - tension) * dyads + tension * one
    stiffness = torch.linalg.eigvalsh(one.new_zeros(size, d, d).index_add(0, i, block))
    # A particle at a thermal position may sit on a saddle: force constants below 1 count as 1.
    einstein = (1 / stiffness.clamp(min=1.0)).sum(1, keepdim=True).log()
    stress = one.new_zeros(size, d, d).index_add(0, i, (distance * slope)[:, None, None] * dyads)
    shear = stress - stress.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * one
    square = columns[0].sum(1, keepdim=True).square()
    return torch.cat([*columns, stiffness, einstein, shear.norm(dim=(1, 2)).unsqueeze(1), square], 1)


SETS = {
    "mechanics": DescriptorSet(
        lambda mixture, levels: mechanics_names(mixture),
        lambda of: mechanics(of.positions, of.species, of.box, of.mixture, of.cage_distance),
    )
}
