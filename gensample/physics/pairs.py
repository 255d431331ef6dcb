"""Forces and energies for many evaluations in a row: a pair list that outlives small moves, few operations.

`gensample.physics.potentials` states the formulas and is the reference; what is here agrees with it and is
an order of magnitude cheaper where the same particles are evaluated again and again.

Positions are held by component, (d, C, N): arithmetic on whole columns is several times
faster than on rows of d numbers.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.physics.box import boxes_of, check_cutoff, edges, minimum_image_
from gensample.physics.mixtures import FORCE_SHIFT, SHIFT, SMOOTH, TRUNCATIONS, Mixture
from gensample.physics.neighbors import batched_half_list
from gensample.physics.potentials import smooth_coefficients

CLOSEST = 0.01
"""Closer than this (in sigma) the potential is flat, at about 4e24 epsilon: huge, never infinite."""


class ReducedPotential(NamedTuple):
    """v(q) = 4 (q^-12 - q^-6) + constant + linear q + quadratic q^2 + quartic q^4 below the cut-off, else 0.

    Every truncation of `gensample.physics.potentials` has this form; q = r / sigma, V = epsilon v.
    """

    cutoff: float
    constant: float = 0.0
    linear: float = 0.0
    quadratic: float = 0.0
    quartic: float = 0.0

    def clamp_(self, q2: Tensor) -> Tensor:
        """Squared distances, in place, moved to where v is finite and beyond which it keeps its value."""
        return q2.clamp_(CLOSEST**2, self.cutoff**2)

    def energy_and_slope(self, q2: Tensor) -> tuple[Tensor, Tensor]:
        """v and v'(q) / q at squared distances q2, overwritten; both are exactly 0 beyond the cut-off.

        Energies continue constantly below CLOSEST, where the slope keeps its value.
        """
        outside = q2 >= self.cutoff**2
        inverse2 = self.clamp_(q2).reciprocal()
        inverse6 = inverse2 * inverse2 * inverse2
        slope = (inverse6 * -48.0).add_(24.0).mul_(inverse6).mul_(inverse2)
        energy = inverse6.sub(1.0).mul_(inverse6).mul_(4.0).add_(self.constant)
        if self.linear:
            inverse = inverse2.sqrt_()
            slope.add_(inverse, alpha=self.linear)
            energy.addcmul_(q2, inverse, value=self.linear)
        if self.quadratic or self.quartic:
            slope.add_(q2, alpha=4.0 * self.quartic).add_(2.0 * self.quadratic)
            energy.add_(q2, alpha=self.quadratic).addcmul_(q2, q2, value=self.quartic)
        return energy.masked_fill_(outside, 0.0), slope.masked_fill_(outside, 0.0)


def reduced_potential(mixture: Mixture, truncation: str | None = None) -> ReducedPotential:
    """The mixture's potential, or another truncation of it, reduced; ConfigError for an unknown one."""
    kind, q = truncation or mixture.truncation, mixture.cutoff_factor
    value, slope = 4.0 * (q**-12 - q**-6), -24.0 * (2.0 * q**-13 - q**-7)
    if kind == SHIFT:
        return ReducedPotential(q, -value)
    if kind == FORCE_SHIFT:
        return ReducedPotential(q, -value + q * slope, -slope)
    if kind == SMOOTH:
        c0, c2, c4 = (4.0 * c for c in smooth_coefficients(q))
        return ReducedPotential(q, c0, 0.0, c2, c4)
    raise ConfigError(f"unknown truncation {kind!r}: use one of {', '.join(TRUNCATIONS)}")


def check_batch(positions: Tensor, species: Tensor, box: Tensor, mixture: Mixture) -> tuple[Tensor, Tensor]:
    """Positions (C, N, d) in float64 and a box for each beside them, once they fit the mixture.

    species: (N,), shared by the batch; box: (d,) or (C, d), with tilt factors or not. DataError for wrong
    shapes, species or positions that are not finite, ConfigError for an edge shorter than twice the
    interaction range.
    """
    d = mixture.dimension
    if positions.ndim != 3 or positions.shape[2] != d:
        raise DataError(f"{mixture.name} needs positions (C, N, {d}), got {tuple(positions.shape)}")
    if species.shape != positions.shape[1:2]:
        raise DataError(
            f"{positions.shape[1]} particles need species ({positions.shape[1]},) shared by the "
            f"configurations, got {tuple(species.shape)}"
        )
    if species.numel() and not 0 <= int(species.min()) <= int(species.max()) < mixture.num_species:
        raise DataError(
            f"{mixture.name} has species 0 to {mixture.num_species - 1}, "
            f"got {int(species.min())} to {int(species.max())}"
        )
    if not bool(torch.isfinite(positions).all()):
        raise DataError("positions must be finite, but some are NaN or infinite: drop these configurations")
    check_cutoff(mixture.cutoff, edges(box, d))
    positions = positions.detach().to(torch.float64)
    return positions, boxes_of(box.to(positions), len(positions), d)


class ListedForces:
    """Energies and forces of C configurations, from a pair list that is made again when particles moved.

    The list holds pairs closer than their cut-off plus ``skin`` and serves until a particle of any
    configuration has moved half the skin (Verlet, Phys. Rev. 159, 98 (1967)). Forces on CPUs
    do not depend, to the last bit, on when the list was made.
    """

    def __init__(
        self, species: Tensor, box: Tensor, mixture: Mixture, truncation: str | None, skin: float
    ) -> None:
        self.potential = reduced_potential(mixture, truncation)
        self.builds = 0
        self._species, self._box, self._mixture, self._skin = species.long(), box, mixture, skin
        self._made_at: Tensor | None = None
        self._allowed2 = 0.0

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Energies per configuration (C,) and forces (d, C, N) at positions x (d, C, N)."""
        self._renew(x)
        columns = x.reshape(len(x), -1)
        vectors = self._vectors(x)
        q2 = self._squared(vectors).mul_(self._inverse_sigma2)
        energy, slope = self.potential.energy_and_slope(q2)
        slope.mul_(self._epsilon).mul_(self._inverse_sigma2)
        forces = torch.zeros_like(columns)
        for force, vector in zip(forces, vectors, strict=True):
            pull = vector.mul_(slope)
            force.scatter_add_(0, self._i, pull).scatter_add_(0, self._j, pull.neg_())
        half = energy.mul_(self._epsilon)
        total = torch.zeros_like(columns[0]).scatter_add_(0, self._i, half)
        return total.reshape(x.shape[1:]).sum(1), forces.reshape(x.shape)

    def take(self, chosen: Tensor) -> None:
        """Go on with the chosen configurations (indices or mask over C) alone."""
        self._box, self._made_at = self._box[chosen], None

    def coincident(self, x: Tensor) -> tuple[int, int, int] | None:
        """A configuration and two of its particles that are at the same place, if there are any."""
        self._renew(x)
        same = (self._squared(self._vectors(x)) == 0).nonzero()
        if not len(same):
            return None
        i, j = int(self._i[same[0]]), int(self._j[same[0]])
        return i // x.shape[2], i % x.shape[2], j % x.shape[2]

    def _vectors(self, x: Tensor) -> list[Tensor]:
        """Components of the vectors from i to j, nearest images."""
        vectors = [
            column.index_select(0, self._j).sub_(column.index_select(0, self._i))
            for column in x.reshape(len(x), -1)
        ]
        minimum_image_(vectors, self._pair_boxes)
        return vectors

    @staticmethod
    def _squared(vectors: list[Tensor]) -> Tensor:
        """Squared lengths."""
        total = vectors[0].square()
        for component in vectors[1:]:
            total.addcmul_(component, component)
        return total

    def _renew(self, x: Tensor) -> None:
        """Make the list again unless no particle has moved far enough for a pair to be missing."""
        if self._made_at is not None:
            moved = x - self._made_at
            minimum_image_(moved.unbind(), self._box.T.unsqueeze(-1))
            moved2 = moved.square_().sum(0).max()
            if float(moved2) <= self._allowed2:
                return
        self._made_at = x.clone()
        self.builds += 1
        reach = self._mixture.cutoff + self._skin
        if reach > 0.5 * float(edges(self._box, len(x)).min()):
            # Most pairs of so small a box are close: take them all, a list that is never out of date.
            i, j = _all_pairs(x)
            self._allowed2 = float("inf")
        else:
            i, j = self._near_pairs(x, reach)
            self._allowed2 = (0.5 * self._skin) ** 2
        self._keep(i, j)

    def _near_pairs(self, x: Tensor, reach: float) -> tuple[Tensor, Tensor]:
        """Pairs i < j of flattened particles within the skin around their own cut-off."""
        self._keep(*batched_half_list(x.permute(1, 2, 0), self._box, reach))
        own = self._inverse_sigma2.rsqrt().mul_(self.potential.cutoff).add_(self._skin)
        near = self._squared(self._vectors(x)) < own.square_()
        return self._i[near], self._j[near]

    def _keep(self, i: Tensor, j: Tensor) -> None:
        """Store a list with what every evaluation needs of its pairs."""
        self._i, self._j = i, j
        self._inverse_sigma2 = self._table(self._mixture.sigma, i, j).pow_(-2)
        self._epsilon = self._table(self._mixture.epsilon, i, j)
        same = bool((self._box == self._box[0]).all())
        owner = torch.div(i, len(self._species), rounding_mode="floor")
        self._pair_boxes = self._box[0] if same else self._box.T[:, owner]

    def _table(self, table: tuple[tuple[float, ...], ...], i: Tensor, j: Tensor) -> Tensor:
        """Parameters of pairs, from a table by species."""
        kinds = self._species.repeat(len(self._box))
        values = self._box.new_tensor(table).reshape(-1)
        return values[kinds[i] * self._mixture.num_species + kinds[j]]


def _all_pairs(x: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs i < j of flattened particles of the same configuration."""
    count, particles = x.shape[1:]
    i, j = torch.triu_indices(particles, particles, 1, device=x.device)
    first = torch.arange(count, device=x.device)[:, None] * particles
    return (first + i).reshape(-1), (first + j).reshape(-1)
