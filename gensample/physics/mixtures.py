"""The table of model liquids: composition, interaction parameters, truncation and where they come from."""

import dataclasses

import torch
from torch import Tensor

from gensample.ranges import check_choice

SHIFT = "shift"
FORCE_SHIFT = "force-shift"
SMOOTH = "smooth"
TRUNCATIONS = (SHIFT, FORCE_SHIFT, SMOOTH)

_KOB_ANDERSEN_SIGMA = ((1.0, 0.8), (0.8, 0.88))
_KOB_ANDERSEN_EPSILON = ((1.0, 1.5), (1.5, 0.5))


@dataclasses.dataclass(frozen=True)
class Mixture:
    """A Lennard-Jones mixture in units of its species A: sigma_AA = eps_AA = m = k_B = 1.

    composition: fraction of each species, A first; density: number density; sigma, epsilon: symmetric tables
    by species; a pair interacts below cutoff_factor * sigma_ab, truncated as `truncation` says (one of
    TRUNCATIONS, formulas in `gensample.physics.potentials`); reference: the paper that defines the mixture.
    """

    name: str
    dimension: int
    composition: tuple[float, ...]
    density: float
    sigma: tuple[tuple[float, ...], ...]
    epsilon: tuple[tuple[float, ...], ...]
    cutoff_factor: float
    truncation: str
    reference: str

    @property
    def num_species(self) -> int:
        """Number of species."""
        return len(self.composition)

    @property
    def largest_diameter(self) -> float:
        """Largest sigma of any pair of species."""
        return max(max(row) for row in self.sigma)

    @property
    def cutoff(self) -> float:
        """Longest interaction range of any pair of species."""
        return self.cutoff_factor * self.largest_diameter

    def counts(self, num_particles: int) -> tuple[int, ...]:
        """Particles of each species for N in all, the nearest integers that add up to N."""
        exact = [fraction * num_particles for fraction in self.composition]
        counts = [int(x) for x in exact]
        by_remainder = sorted(range(len(exact)), key=lambda a: counts[a] - exact[a])
        for a in by_remainder[: num_particles - sum(counts)]:
            counts[a] += 1
        return tuple(counts)

    def species(self, num_particles: int) -> Tensor:
        """Species (N,) int64 in order: all A, then all B, and so on."""
        counts = torch.tensor(self.counts(num_particles))
        return torch.repeat_interleave(torch.arange(self.num_species), counts)

    def edge_length(self, num_particles: int) -> float:
        """Edge of the cubic (square) box that holds N particles at the mixture's density."""
        return float((num_particles / self.density) ** (1.0 / self.dimension))


MIXTURES: dict[str, Mixture] = {
    mixture.name: mixture
    for mixture in (
        Mixture(
            name="ka3d",
            dimension=3,
            composition=(0.8, 0.2),
            density=1.2,
            sigma=_KOB_ANDERSEN_SIGMA,
            epsilon=_KOB_ANDERSEN_EPSILON,
            cutoff_factor=2.5,
            truncation=SHIFT,
            reference="W. Kob and H. C. Andersen, Phys. Rev. E 51, 4626 (1995)",
        ),
        Mixture(
            name="ka3d-fs",
            dimension=3,
            composition=(0.8, 0.2),
            density=1.2,
            sigma=_KOB_ANDERSEN_SIGMA,
            epsilon=_KOB_ANDERSEN_EPSILON,
            cutoff_factor=2.5,
            truncation=FORCE_SHIFT,
            reference="H. Shiba et al., J. Chem. Phys. 158, 084503 (2023); force shift: "
            "S. Toxvaerd and J. C. Dyre, J. Chem. Phys. 134, 081102 (2011)",
        ),
        Mixture(
            name="ka2d",
            dimension=2,
            composition=(0.65, 0.35),
            density=1.2,
            sigma=_KOB_ANDERSEN_SIGMA,
            epsilon=_KOB_ANDERSEN_EPSILON,
            cutoff_factor=2.5,
            truncation=FORCE_SHIFT,
            reference="R. Brüning, D. A. St-Onge, S. Patterson and W. Kob, J. Phys.: Condens. Matter 21, "
            "035117 (2009); force shift: S. Toxvaerd and J. C. Dyre, J. Chem. Phys. 134, 081102 (2011)",
        ),
        Mixture(
            name="ka2d-ternary",
            dimension=2,
            composition=(600 / 1290, 330 / 1290, 360 / 1290),
            density=1.19206,
            sigma=((1.0, 0.8, 0.9), (0.8, 0.88, 0.8), (0.9, 0.8, 0.94)),
            epsilon=((1.0, 1.5, 0.75), (1.5, 0.5, 1.5), (0.75, 1.5, 0.75)),
            cutoff_factor=2.5,
            truncation=SMOOTH,
            reference="G. Jung, G. Biroli and L. Berthier, Phys. Rev. Lett. 130, 238202 (2023); "
            "data: GlassBench, doi 10.5281/zenodo.10118191",
        ),
    )
}


def get_mixture(name: str) -> Mixture:
    """The mixture of that name; ConfigError names the known ones."""
    check_choice("mixture", name, MIXTURES)
    return MIXTURES[name]
