"""The coarse-grained descriptors of GlassMLP.

Jung, Biroli and Berthier, Phys. Rev. Lett. 130, 238202 (2023): density, potential energy, perimeter of the
Voronoi cell and variance of the potential energy of the inherent structure, averaged with weight exp(-r / l)
over each species and over all, for a ladder of lengths l. The four formulas, with the particle itself in the
sums and the weighted density as norm, are those that the documentation of partycls gives for this paper
(PhysicsInspiredDescriptor); half a box as range is its default. The ladder is ours.
"""

import string

import torch
from torch import Tensor

from gensample.physics.box import minimum_image
from gensample.physics.mixtures import Mixture
from gensample.physics.potentials import energy
from gensample.physics.voronoi import cell_surface

LENGTHS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
# Pairs worked on at a time.
_CHUNK = 1 << 22


def glassmlp_names(mixture: Mixture) -> list[str]:
    """Names of the columns of `glassmlp_descriptors`, in order."""
    kinds = [*string.ascii_uppercase[: mixture.num_species], "all"]
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
    kinds = [species == s for s in range(mixture.num_species)] + [torch.ones_like(species, dtype=torch.bool)]
    rows = max(1, _CHUNK // len(positions))
    parts = [_coarse(part, positions, own, kinds, box) for part in torch.split(positions, rows)]
    return torch.cat([own, torch.cat(parts)], 1).float()


def _coarse(part: Tensor, positions: Tensor, own: Tensor, kinds: list[Tensor], box: Tensor) -> Tensor:
    distance = minimum_image(positions[None] - part[:, None], box).norm(dim=-1)
    near = distance < 0.5 * float(box.min())
    fields = torch.cat([torch.ones_like(own[:, :1]), own, own[:, :1].square()], 1)
    found = []
    for length in LENGTHS:
        weight = torch.where(near, torch.exp(-distance / length), 0.0).to(own)
        for kind in kinds:
            sums = weight[:, kind] @ fields[kind]
            means = sums[:, 1:] / sums[:, :1].clamp(min=1e-30)
            variance = (means[:, 2] - means[:, 0].square()).clamp(min=0)
            found.append(torch.stack([sums[:, 0], means[:, 0], means[:, 1], variance], 1))
    return torch.cat(found, 1)
