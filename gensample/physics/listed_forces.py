"""Forces and energies for many evaluations in a row: a pair list that outlives small moves, few operations.

`gensample.physics.potentials` states the formulas and is the reference; what is here agrees with it and is
an order of magnitude cheaper where the same particles are evaluated again and again.

Positions are held by component, (d, C, N): arithmetic on whole columns is several times
faster than on rows of d numbers.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from gensample.errors import DataError
from gensample.physics.box import boxes_of, check_cutoff, edges, lattice_vectors_, minimum_image_
from gensample.physics.mixtures import FORCE_SHIFT, HARMONIC, INVERSE_POWER, SHIFT, Mixture
from gensample.physics.neighbors import batched_half_list
from gensample.physics.potentials import known_truncation, smooth_coefficients

CLOSEST = 0.01
"""Closer than this (in sigma) the potential is flat, at about 4e24 epsilon: huge, never infinite."""


class ReducedPotential(NamedTuple):
    """v(q) + constant + linear q + quadratic q^2 + quartic q^4 below the cut-off, else 0.

    Every potential and truncation of `gensample.physics.potentials` has this form; q = r / sigma, V = epsilon
    times it; v is 4 (q^-12 - q^-6), or where ``power`` n is not None q^-n, or nothing for n = 0.
    """

    cutoff: float
    power: float | None = None
    constant: float = 0.0
    linear: float = 0.0
    quadratic: float = 0.0
    quartic: float = 0.0

    def plus(self, mixture: Mixture, truncation: str, value: float, slope: float) -> "ReducedPotential":
        """The same truncated, given what it is at the cut-off without that."""
        if truncation == SHIFT:
            return self._replace(constant=self.constant - value)
        if truncation == FORCE_SHIFT:
            return self._replace(
                constant=self.constant + (-value + self.cutoff * slope), linear=self.linear - slope
            )
        scale, *c = smooth_coefficients(mixture)
        c0, c2, c4 = (scale * each for each in c)
        return self._replace(
            constant=self.constant + c0, quadratic=self.quadratic + c2, quartic=self.quartic + c4
        )

    def clamp_(self, q2: Tensor) -> Tensor:
        """Squared distances, in place, moved to where v is finite and beyond which it keeps its value."""
        return q2.clamp_(CLOSEST**2, self.cutoff**2)

    def energy_and_slope(self, q2: Tensor) -> tuple[Tensor, Tensor]:
        """v and v'(q) / q at squared distances q2, overwritten; both are exactly 0 beyond the cut-off.

        Energies continue constantly below CLOSEST, where the slope keeps its value.
        """
        outside = q2 >= self.cutoff**2
        powers = self._powers(q2)
        slope = self._slope(q2, powers)
        energy = powers.steep
        if self.power is None:
            energy = energy.sub(1.0).mul_(energy).mul_(4.0)
        energy = energy.add_(self.constant)
        if powers.first is not None:
            energy.addcmul_(q2, powers.first, value=self.linear)
        if self.quadratic or self.quartic:
            energy.add_(q2, alpha=self.quadratic).addcmul_(q2, q2, value=self.quartic)
        return energy.masked_fill_(outside, 0.0), slope.masked_fill_(outside, 0.0)

    def slope(self, q2: Tensor) -> Tensor:
        """The second of `energy_and_slope`, to the last bit."""
        outside = q2 >= self.cutoff**2
        return self._slope(q2, self._powers(q2)).masked_fill_(outside, 0.0)

    def _powers(self, q2: Tensor) -> "_Powers":
        second = self.clamp_(q2).reciprocal()
        if self.power is None:
            steep = second * second * second
        else:
            steep = second ** (0.5 * self.power) if self.power else torch.zeros_like(second)
        return _Powers(second.sqrt() if self.linear else None, second, steep)

    def _slope(self, q2: Tensor, powers: "_Powers") -> Tensor:
        if self.power is None:
            slope = (powers.steep * -48.0).add_(24.0).mul_(powers.steep).mul_(powers.second)
        else:
            slope = (powers.steep * -self.power).mul_(powers.second)
        if powers.first is not None:
            slope.add_(powers.first, alpha=self.linear)
        if self.quadratic or self.quartic:
            slope.add_(q2, alpha=4.0 * self.quartic).add_(2.0 * self.quadratic)
        return slope


class _Powers(NamedTuple):
    """q^-1, where the potential has a linear term, q^-2, and q^-6 or the power alone that it has."""

    first: Tensor | None
    second: Tensor
    steep: Tensor


def reduced_potential(mixture: Mixture, truncation: str | None = None) -> ReducedPotential:
    """The mixture's potential, or another truncation of it, reduced; errors as of `known_truncation`."""
    kind, q = known_truncation(mixture, truncation), mixture.cutoff_factor
    if mixture.potential == HARMONIC:
        return ReducedPotential(q, 0.0, 0.5, -1.0, 0.5).plus(mixture, kind, 0.0, 0.0)
    if mixture.potential == INVERSE_POWER:
        n = mixture.exponent
        return ReducedPotential(q, n).plus(mixture, kind, q**-n, -n * q ** (-n - 1))
    value, slope = 4.0 * (q**-12 - q**-6), -24.0 * (2.0 * q**-13 - q**-7)
    return ReducedPotential(q).plus(mixture, kind, value, slope)


def check_particles(
    positions: Tensor, species: Tensor, box: Tensor, mixture: Mixture
) -> tuple[Tensor, Tensor]:
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
    mixture.check_species(species)
    if not bool(torch.isfinite(positions).all()):
        raise DataError("positions must be finite, but some are NaN or infinite: drop these configurations")
    check_cutoff(mixture.cutoff, edges(box, d))
    positions = positions.detach().to(torch.float64)
    return positions, boxes_of(box.to(positions), len(positions), d)


class ListedForces:
    """Energies and forces of C configurations, from a pair list that is made again when particles moved.

    The list holds pairs closer than their cut-off plus ``skin`` and serves until a particle of any
    configuration has moved half the skin (Verlet, Phys. Rev. 159, 98 (1967)). With a ``reserve`` it is chosen
    from a longer one, which reaches farther by that and serves until a particle has moved half of it: to
    choose costs as much as an evaluation, to make a list twenty times as much. The reserve is for positions
    that are not wrapped on the way: images are kept, and a lattice vector is a move like others. Forces on
    CPUs do not depend, to the last bit, on when the lists were made.
    """

    def __init__(
        self,
        species: Tensor,
        box: Tensor,
        mixture: Mixture,
        truncation: str | None,
        skin: float,
        reserve: float | None = None,
    ) -> None:
        self.potential = reduced_potential(mixture, truncation)
        self.builds = 0
        self._species, self._box, self._mixture, self._skin = species.long(), box, mixture, skin
        self._reserve = reserve
        self._longer: _Pairs | None = None
        self._list: _Pairs | None = None

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Energies per configuration (C,) and forces (d, C, N) at positions x (d, C, N)."""
        pairs = self._renewed(x)
        vectors = pairs.vectors(x)
        energy, slope = self.potential.energy_and_slope(_squared(vectors).mul_(pairs.inverse_sigma2))
        half = energy.mul_(pairs.epsilon)
        total = x.new_zeros(x.shape[1:].numel()).scatter_add_(0, pairs.i, half)
        return total.reshape(x.shape[1:]).sum(1), pairs.forces(vectors, slope).reshape(x.shape)

    def forces(self, x: Tensor) -> Tensor:
        """The forces alone, the same bits for less."""
        pairs = self._renewed(x)
        vectors = pairs.vectors(x)
        slope = self.potential.slope(_squared(vectors).mul_(pairs.inverse_sigma2))
        return pairs.forces(vectors, slope).reshape(x.shape)

    def take(self, chosen: Tensor) -> None:
        """Go on with the chosen configurations (indices or mask over C) alone."""
        self._box, self._longer, self._list = self._box[chosen], None, None

    def coincident(self, x: Tensor) -> tuple[int, int, int] | None:
        """A configuration and two of its particles that are at the same place, if there are any."""
        pairs = self._renewed(x)
        same = (_squared(pairs.vectors(x)) == 0).nonzero()
        if not len(same):
            return None
        i, j = int(pairs.i[same[0]]), int(pairs.j[same[0]])
        return i // x.shape[2], i % x.shape[2], j % x.shape[2]

    def _renewed(self, x: Tensor) -> "_Pairs":
        """The list, made again unless no particle has moved far enough for a pair to be missing."""
        if self._list is not None and self._list.serves(x):
            return self._list
        if self._longer is None or not self._longer.serves(x):
            self.builds += 1
            self._longer = self._make(x)
        self._list = self._choose(x, self._longer)
        return self._list

    def _make(self, x: Tensor) -> "_Pairs":
        """All pairs that the list will be chosen from as long as no particle has moved half the reserve."""
        reach, widest = self._mixture.cutoff + self._skin, 0.5 * float(edges(self._box, len(x)).min())
        if reach > widest:
            # Most pairs of so small a box are close: take them all, a list that is never out of date.
            return self._pairs(x, *_all_pairs(x), None)
        reserve = min(self._reserve or 0.0, widest - reach)
        return self._pairs(x, *batched_half_list(x.permute(1, 2, 0), self._box, reach + reserve), reserve)

    def _choose(self, x: Tensor, longer: "_Pairs") -> "_Pairs":
        """Those within the skin around their own cut-off; all of a list that is never out of date."""
        if longer.margin is None:
            return longer
        own = longer.inverse_sigma2.rsqrt().mul_(self.potential.cutoff).add_(self._skin)
        near = (_squared(longer.vectors(x)) < own.square_()).nonzero().squeeze(-1)
        return longer.take(near, x, self._skin)

    def _pairs(self, x: Tensor, i: Tensor, j: Tensor, margin: float | None) -> "_Pairs":
        """Pairs with what every evaluation needs of them."""
        kinds = self._species.repeat(len(self._box))
        kind = kinds[i].mul_(self._mixture.num_species).add_(kinds[j])
        sigma, epsilon = (
            self._box.new_tensor(table).reshape(-1) for table in (self._mixture.sigma, self._mixture.epsilon)
        )
        same = bool((self._box == self._box[0]).all())
        boxes = self._box[0] if same else self._box.T[:, torch.div(i, x.shape[2], rounding_mode="floor")]
        found = _Pairs(i, j, sigma.pow(-2)[kind], epsilon[kind], boxes, None, self._box, x.clone(), margin)
        return found if margin is None or self._reserve is None else found.with_images(x)


class _Pairs(NamedTuple):
    """Pairs i < j of flattened particles, sorted; they serve until one has moved half the margin; None: ever.

    boxes: of all pairs, or one for each; images: the lattice vectors between the particles, by component;
    None: nearest images have to be found at every evaluation. box: of the configurations (C, ...), made_at:
    their positions (d, C, N).
    """

    i: Tensor
    j: Tensor
    inverse_sigma2: Tensor
    epsilon: Tensor
    boxes: Tensor
    images: list[Tensor] | None
    box: Tensor
    made_at: Tensor
    margin: float | None

    def serves(self, x: Tensor) -> bool:
        """Whether no particle has moved too far."""
        if self.margin is None:
            return True
        moved = x - self.made_at
        if self.images is None:
            minimum_image_(moved.unbind(), self.box.T.unsqueeze(-1))
        return float(moved.square_().sum(0).max()) <= (0.5 * self.margin) ** 2

    def vectors(self, x: Tensor) -> list[Tensor]:
        """Components of the vectors from i to j, nearest images."""
        vectors = self._apart(x)
        if self.images is None:
            minimum_image_(vectors, self.boxes)
        else:
            for vector, image in zip(vectors, self.images, strict=True):
                vector.sub_(image)
        return vectors

    def _apart(self, x: Tensor) -> list[Tensor]:
        columns = x.reshape(len(x), -1)
        return [column.index_select(0, self.j).sub_(column.index_select(0, self.i)) for column in columns]

    def with_images(self, x: Tensor) -> "_Pairs":
        """The same with the lattice vectors of positions x kept."""
        return self._replace(images=lattice_vectors_(self._apart(x), self.boxes))

    def take(self, chosen: Tensor, x: Tensor, margin: float) -> "_Pairs":
        """Some of them, at positions x."""
        own = (self.i, self.j, self.inverse_sigma2, self.epsilon)
        i, j, inverse_sigma2, epsilon = (values.index_select(0, chosen) for values in own)
        boxes = self.boxes if self.boxes.ndim == 1 else self.boxes[:, chosen]
        images = None if self.images is None else [image.index_select(0, chosen) for image in self.images]
        return _Pairs(i, j, inverse_sigma2, epsilon, boxes, images, self.box, x.clone(), margin)

    def forces(self, vectors: list[Tensor], slope: Tensor) -> Tensor:
        """Forces (d, C * N) of pairs with v'(q) / q, overwritten; so are the vectors."""
        slope.mul_(self.epsilon).mul_(self.inverse_sigma2)
        forces = self.made_at.new_zeros(len(vectors), self.made_at[0].numel())
        for force, vector in zip(forces, vectors, strict=True):
            pull = vector.mul_(slope)
            force.scatter_add_(0, self.i, pull).scatter_add_(0, self.j, pull.neg_())
        return forces


def _squared(vectors: list[Tensor]) -> Tensor:
    """Squared lengths."""
    total = vectors[0].square()
    for component in vectors[1:]:
        total.addcmul_(component, component)
    return total


def _all_pairs(x: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs i < j of flattened particles of the same configuration."""
    count, particles = x.shape[1:]
    i, j = torch.triu_indices(particles, particles, 1, device=x.device)
    first = torch.arange(count, device=x.device)[:, None] * particles
    return (first + i).reshape(-1), (first + j).reshape(-1)
