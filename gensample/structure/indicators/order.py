r"""Local order parameters of each particle: density, bond order, two-body entropy, steric order.

Functions that take `edge_index` and `vectors` take them from any neighbour list in the format of
`gensample.physics.neighbors.neighbor_list`: by a cut-off, or from `gensample.structure.delaunay.triangulate`.
`INDICATORS` names them all and says which neighbours each is given.
"""

import math

import torch
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.physics.box import volume
from gensample.physics.mixtures import Mixture
from gensample.physics.neighbors import neighbor_list
from gensample.physics.potentials import energy
from gensample.structure.delaunay import Triangulation, triangulate
from gensample.structure.harmonics import angular_basis
from gensample.structure.particles import NEIGHBOR_CUTOFF, Indicator, Particles

CONTACT = 2.0 ** (1.0 / 6.0)
"""Distance of two touching Lennard-Jones particles in units of their sigma: the minimum of the potential."""

# Pairs worked on at a time: their contributions to every radius would take gigabytes.
_CHUNK = 1 << 14
# Points of the radial integral per width of the Gaussians, and how many widths beyond its end they reach.
_POINTS = 5
_TAIL = 4.0


def local_density(positions: Tensor, box: Tensor, radius: float = 2.0, width: float = 1.0) -> Tensor:
    """Number density in a ball about each particle, without the particle itself; (N,).

    positions: (N, d), wrapped or not; box: (d,) or tilted. Neighbours count 1 up to radius - width / 2, then
    linearly less until 0 at radius + width / 2, so that nobody jumps in or out; divided by the volume of the
    ball. This is the density of freud.density.LocalDensity (r_max = radius, diameter = width). Raises
    ConfigError for a ball beyond half an edge of the box or a width outside (0, 2 radius].
    """
    if not 0 < width <= 2 * radius:
        raise ConfigError(f"the width of the edge must be in (0, {2 * radius:g}], got {width}")
    (i, _), vectors = neighbor_list(positions, box, radius + 0.5 * width)
    weight = ((radius + 0.5 * width - vectors.norm(dim=-1)) / width).clamp(max=1.0)
    dimension = positions.shape[-1]
    ball = math.pi ** (dimension / 2) / math.gamma(dimension / 2 + 1) * radius**dimension
    return positions.new_zeros(len(positions)).index_add(0, i, weight) / ball


def coordination(edge_index: Tensor, species: Tensor, num_species: int) -> Tensor:
    """Numbers of neighbours of each species (N, num_species), int64, in a neighbour list."""
    i, j = edge_index
    cell = i * num_species + species.long()[j]
    return torch.bincount(cell, minlength=len(species) * num_species).reshape(-1, num_species)


def hexatic_order(edge_index: Tensor, vectors: Tensor, particles: int, fold: int = 6) -> Tensor:
    """|psi_k| = |mean over neighbours of exp(i k theta)| in 2D, (N,); k = fold, 0 without neighbours.

    B. I. Halperin and D. R. Nelson, Phys. Rev. Lett. 41, 121 (1978). Raises DataError in 3D.
    """
    if vectors.shape[-1] != 2:
        raise DataError(
            f"psi_{fold} is defined in two dimensions, not {vectors.shape[-1]}: use steinhardt_order"
        )
    return _mean_basis(edge_index, vectors, particles, fold).norm(dim=-1)


def steinhardt_order(
    edge_index: Tensor, vectors: Tensor, particles: int, degree: int, average: bool = False
) -> Tensor:
    """q_l in 3D, or with `average` its neighbour-averaged form, (N,); l = degree, 0 without neighbours.

    q_l = sqrt(4 pi / (2l+1) sum_m |q_lm|^2), q_lm the mean of Y_lm over the neighbours: P. J. Steinhardt,
    D. R. Nelson and M. Ronchetti, Phys. Rev. B 28, 784 (1983). Averaged: q_lm replaced by its mean over the
    particle and its neighbours, W. Lechner and C. Dellago, J. Chem. Phys. 129, 114707 (2008). Raises
    DataError in 2D.
    """
    if vectors.shape[-1] != 3:
        raise DataError(
            f"q_{degree} is defined in three dimensions, not {vectors.shape[-1]}: use hexatic_order"
        )
    own = _mean_basis(edge_index, vectors, particles, degree)
    if average:
        i, j = edge_index
        own = own.index_add(0, i, own[j]) / (1 + torch.bincount(i, minlength=particles)).unsqueeze(1)
    return own.norm(dim=-1)


def _mean_basis(edge_index: Tensor, vectors: Tensor, particles: int, degree: int) -> Tensor:
    """Mean of the angular functions of one degree over the neighbours, (N, functions)."""
    if degree < 1:
        raise ConfigError(f"the degree of a bond order must be at least 1, got {degree}")
    i = edge_index[0]
    direction = vectors / vectors.norm(dim=-1, keepdim=True)
    (basis,) = angular_basis(direction, range(degree, degree + 1))
    total = basis.new_zeros(particles, basis.shape[1]).index_add(0, i, basis)
    return total / torch.bincount(i, minlength=particles).clamp(min=1).unsqueeze(1)


def two_body_entropy(
    positions: Tensor,
    species: Tensor,
    box: Tensor,
    num_species: int,
    reach: float = 2.5,
    width: float = 0.1,
) -> Tensor:
    r"""Local two-body entropy s2_i = -(rho / 2) sum_b x_b int (g_i^b ln g_i^b - g_i^b + 1) dr in k_B; (N,).

    positions: (N, d), wrapped or not; species: (N,); box: (d,) or tilted. g_i^b(r), the density of species b
    around the particle over rho x_b, is the sum over neighbours of Gaussians exp(-(r - r_ij)^2 / (2 width^2))
    over rho x_b times the area of the sphere of radius r; dr is 2 pi r dr or 4 pi r^2 dr, up to `reach`.
    P. M. Piaggi and M. Parrinello, J. Chem. Phys. 147, 114112 (2017); summed over the species of a mixture as
    in T. S. Ingebrigtsen and H. Tanaka, Proc. Natl. Acad. Sci. 115, 87 (2018).

    A single particle has few neighbours at each r, and this alone makes s2 negative: in an ideal gas by
    about reach / (8 sqrt(pi) width) for each species. Differences between particles are what it is for.
    Raises ConfigError when reach + 4 width exceeds half an edge of the box, or neither is positive.
    """
    if not (width > 0 and reach > width):
        raise ConfigError(f"a width above 0 and a reach above it were expected, got {width} and {reach}")
    (i, j), vectors = neighbor_list(positions, box, reach + _TAIL * width)
    distance, dimension, particles = vectors.norm(dim=-1), positions.shape[-1], len(positions)
    points = math.ceil(_POINTS * reach / width)
    # At r = 0 the integrand vanishes with the sphere: the sum starts at the next point.
    radius = torch.arange(1, points + 1, dtype=distance.dtype, device=distance.device) * (reach / points)
    sphere = 2.0 * math.pi * radius if dimension == 2 else 4.0 * math.pi * radius**2
    histogram = _smoothed_counts(
        i * num_species + species.long()[j], distance, particles * num_species, radius, width
    )
    density = torch.bincount(species.long(), minlength=num_species) / volume(box.to(positions), dimension)
    g = histogram.reshape(particles, num_species, -1) / (density.clamp(min=1e-30)[:, None] * sphere)
    weight = sphere * (reach / points)
    weight[-1] *= 0.5
    integral = (torch.xlogy(g, g) - g + 1.0) @ weight
    return -0.5 * integral @ density.to(integral.dtype)


def _smoothed_counts(row: Tensor, distance: Tensor, rows: int, radius: Tensor, width: float) -> Tensor:
    """Sums of normalised Gaussians about the distances in each row, at every radius: (rows, points)."""
    counts = distance.new_zeros(rows, len(radius))
    for part, r in zip(torch.split(row, _CHUNK), torch.split(distance, _CHUNK), strict=True):
        gaussians = torch.exp(-0.5 * ((radius - r[:, None]) / width) ** 2)
        counts.index_add_(0, part, gaussians / (math.sqrt(2.0 * math.pi) * width))
    return counts


def steric_order(
    positions: Tensor,
    species: Tensor,
    box: Tensor,
    mixture: Mixture,
    contact: float = CONTACT,
    triangulation: Triangulation | None = None,
) -> Tensor:
    r"""Steric order parameter Theta: how far a particle and its neighbours are from touching; (N,).

    positions: (N, d), wrapped or not; species: (N,); box: (d,) or tilted; contact: touching distances in
    units of sigma_ab; triangulation: of these positions, if it is there already. Small is ordered; zero is
    perfect. Raises DataError for positions or species that do not fit the mixture.

    2D: mean over the pairs of adjacent neighbours (i, j) of the particle o, those that form a triangle of the
    Delaunay triangulation with it, of |theta - theta_ref|: the angle at o, and the angle at o of the triangle
    whose sides are the touching distances, by the law of cosines (radians; `contact` drops out). H. Tong
    and H. Tanaka, Phys. Rev. X 8, 011041 (2018). 3D: mean over the tetrahedra of the particle of
    sum |r_ab - s_ab| / sum s_ab over their six edges, s the touching distance. H. Tong and H. Tanaka, Nat.
    Commun. 10, 5596 (2019).

    The touching distance is contact * sigma_ab of the mixture, for unlike pairs too: Kob-Andersen mixtures
    are not additive, no sizes of single particles exist that would add up to it. Hence also neighbours by the
    plain tessellation, which needs no sizes, where the papers weight it with the particles' radii.
    """
    _check(positions, species, mixture)
    found = triangulation or triangulate(positions, box)
    sigma = torch.tensor(mixture.sigma, dtype=positions.dtype, device=positions.device)
    kinds = species.long()[found.corners]
    touching = contact * sigma[kinds[:, :, None], kinds[:, None, :]]
    misfit = _angle_misfit if mixture.dimension == 2 else _edge_misfit
    o, total = found.corners[:, 0], positions.new_zeros(len(positions))
    total = total.index_add(0, o, misfit(found.spokes, touching))
    return total / torch.bincount(o, minlength=len(positions))


def _check(positions: Tensor, species: Tensor, mixture: Mixture) -> None:
    if positions.ndim != 2 or positions.shape[1] != mixture.dimension or species.shape != positions.shape[:1]:
        raise DataError(
            f"{mixture.name} needs positions (N, {mixture.dimension}) and species (N,), "
            f"got {tuple(positions.shape)} and {tuple(species.shape)}"
        )
    mixture.check_species(species)


def _angle_misfit(spokes: Tensor, touching: Tensor) -> Tensor:
    """|angle between two spokes (S, 2, 2) - angle in the triangle of touching distances (S, 3, 3)|."""
    a, b = spokes.unbind(1)
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    angle = torch.atan2(cross.abs(), (a * b).sum(-1))
    first, second, opposite = touching[:, 0, 1], touching[:, 0, 2], touching[:, 1, 2]
    cosine = (first**2 + second**2 - opposite**2) / (2.0 * first * second)
    return (angle - torch.acos(cosine.clamp(-1.0, 1.0))).abs()


def _edge_misfit(spokes: Tensor, touching: Tensor) -> Tensor:
    """Sum of |length - touching| over that of touching (S, 4, 4), of the six edges of spokes (S, 3, 3)."""
    corners = torch.cat([torch.zeros_like(spokes[:, :1]), spokes], 1)
    a, b = torch.triu_indices(4, 4, 1, device=spokes.device)
    length = (corners[:, a] - corners[:, b]).norm(dim=-1)
    return (length - touching[:, a, b]).abs().sum(1) / touching[:, a, b].sum(1)


def _coordinations(c: Particles) -> Tensor:
    return coordination(c.near[0], c.species, c.mixture.num_species)


def _hexatic(c: Particles) -> Tensor:
    return hexatic_order(c.triangulation.edge_index, c.triangulation.vectors, len(c.positions))


def _steinhardt(meaning: str, degree: int, average: bool) -> Indicator:
    return Indicator(
        f"{meaning} within {NEIGHBOR_CUTOFF}",
        lambda c: steinhardt_order(*c.near, len(c.positions), degree, average),
        dimensions=(3,),
    )


INDICATORS = {
    "density": Indicator("number density within about 2 sigma", lambda c: local_density(c.positions, c.box)),
    "coordination": Indicator(f"neighbours within {NEIGHBOR_CUTOFF}", lambda c: _coordinations(c).sum(1)),
    **{
        f"coordination_{letter}": Indicator(
            f"neighbours of species {letter} within {NEIGHBOR_CUTOFF}",
            lambda c, kind=kind: _coordinations(c)[:, kind],  # type: ignore[misc]
            least_species=max(2, kind + 1),
        )
        for kind, letter in enumerate("ABC")
    },
    "energy": Indicator(
        "potential energy, half of each pair", lambda c: energy(c.positions, c.species, c.box, c.mixture)
    ),
    "psi6": Indicator("hexatic order |psi_6| over Voronoi neighbours", _hexatic, dimensions=(2,)),
    **{f"q{degree}": _steinhardt(f"Steinhardt q_{degree}", degree, average=False) for degree in (4, 6)},
    **{
        f"q{degree}_mean": _steinhardt(
            f"neighbour-averaged q_{degree} (Lechner and Dellago)", degree, average=True
        )
        for degree in (4, 6)
    },
    "s2": Indicator(
        "local two-body entropy, by species",
        lambda c: two_body_entropy(c.positions, c.species, c.box, c.mixture.num_species),
    ),
    "theta": Indicator(
        "steric order Theta (Tong and Tanaka), 0 is perfect",
        lambda c: steric_order(c.positions, c.species, c.box, c.mixture, triangulation=c.triangulation),
    ),
}
