"""The coarse-grained descriptors of GlassMLP.

Jung, Biroli and Berthier, Phys. Rev. Lett. 130, 238202 (2023): density, potential energy, perimeter of the
Voronoi cell and variance of the potential energy of the inherent structure, averaged with weight exp(-r / l)
over each species and over all, for a ladder of lengths l. The four formulas, with the particle itself in the
sums and the weighted density as norm, are those that the documentation of partycls gives for this paper
(PhysicsInspiredDescriptor); half a box as range is its default. The ladder is ours.
"""

import torch
from torch import Tensor

from gensample.physics.mixtures import Mixture
from gensample.physics.potentials import energy
from gensample.structure.coarse import weighted_sums
from gensample.structure.particles import DescriptorSet
from gensample.structure.voronoi import cell_surface

LENGTHS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)


def glassmlp_names(mixture: Mixture) -> list[str]:
    """Names of the columns of `glassmlp_descriptors`, in order."""
    kinds = [*mixture.letters, "all"]
    columns = ("density", "energy", "surface", "energy_variance")
    return ["energy", "surface"] + [
        f"{c}_{k}@{length:g}" for length in LENGTHS for k in kinds for c in columns
    ]


def glassmlp_descriptors(positions: Tensor, species: Tensor, box: Tensor, mixture: Mixture) -> Tensor:
    """Descriptors (N, F) float32, columns as in `glassmlp_names`.

    positions: (N, d), wrapped or not; species: (N,); box: (d,). Of each particle its energy and the boundary
    of its Voronoi cell; for each length l and kind b the density sum_j exp(-r_ij / l) over particles j of the
    kind, itself included, and with these weights the means of energy and boundary and the variance of the
    energy. Up to half the shortest edge. Raises DataError for cells that are not there.
    """
    own = torch.stack([energy(positions, species, box, mixture), cell_surface(positions, box)], 1).double()
    kinds = torch.nn.functional.one_hot(species.long(), mixture.num_species).to(own)
    fields = torch.cat([torch.ones_like(own[:, :1]), own, own[:, :1].square()], 1)
    columns = (kinds.unsqueeze(2) * fields.unsqueeze(1)).flatten(1)
    sums = weighted_sums(columns, positions, box, LENGTHS)
    sums = sums.reshape(len(LENGTHS), len(own), mixture.num_species, -1).transpose(0, 1)
    sums = torch.cat([sums, sums.sum(2, keepdim=True)], 2)
    return torch.cat([own, _of_sums(sums).flatten(1)], 1).float()


def _of_sums(sums: Tensor) -> Tensor:
    """Density, mean energy, mean boundary and variance of the energy from the sums of a field (..., 4)."""
    density, *moments = sums.unbind(-1)
    energy, surface, square = (each / density.clamp(min=1e-30) for each in moments)
    return torch.stack([density, energy, surface, (square - energy.square()).clamp(min=0)], -1)


SETS = {
    "glassmlp": DescriptorSet(
        lambda mixture, levels: glassmlp_names(mixture),
        lambda of: glassmlp_descriptors(of.positions, of.species, of.box, of.mixture),
    )
}
