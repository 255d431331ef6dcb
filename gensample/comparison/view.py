"""What a quantity reads, the fields of one source at one lag, and means of what it keeps of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from gensample.physics.mixtures import Mixture
from gensample.seeding import numpy_generator
from gensample.stats import futures, pairs
from gensample.stats.dynamics import Floats, Integers

BIN, FIRST, REACH = 0.1, 0.75, 4.05
"""Width, start and, where the box allows, end of the bins of initial pair distance."""


@dataclass(frozen=True)
class Structure:
    """One configuration, shared by all its lags and sources; what is found of it is kept.

    ``positions`` (N, d), ``box`` (d,), ``species`` (N,), ``mixture`` with the truncation of the data,
    ``temperature``; ``inherent`` (N, d) its inherent structure, None where unknown; ``first_box`` (d,) that
    of the first configuration of all, which decides bins, None for its own.
    """

    positions: Floats
    box: Floats
    species: Integers
    mixture: Mixture
    temperature: float
    inherent: Floats | None = None
    first_box: Floats | None = None
    _pairs: dict[int, pairs.Pairs] = field(default_factory=dict, init=False, repr=False)

    @property
    def has_energies(self) -> bool:
        """Whether the potential is known and the box holds every interaction once: energies are defined."""
        return self.mixture.has_potential and self.mixture.cutoff <= self.box.min() / 2

    @cached_property
    def neighbors(self) -> pairs.Neighbors:
        """First neighbours of the configuration, of every species: r_ij < 1.35 sigma_ab."""
        return self._neighbors(self.positions)

    @cached_property
    def inherent_neighbors(self) -> pairs.Neighbors:
        """First neighbours of its inherent structure, of the configuration itself where that is unknown."""
        return self.neighbors if self.inherent is None else self._neighbors(self.inherent)

    def _neighbors(self, positions: Floats) -> pairs.Neighbors:
        sigma = np.asarray(self.mixture.sigma)
        return pairs.initial_neighbors(positions, self.box, self.species, sigma, pairs.BOND_FORMED)

    def inherent_pairs(self, cutoff: float) -> pairs.Pairs:
        """Unordered pairs nearer than ``cutoff`` in the inherent structure, as far as the box allows."""
        x = self.positions if self.inherent is None else self.inherent
        return pairs.close_pairs(x, self.box, pairs.largest_cutoff(self.box, cutoff))

    @property
    def pair_edges(self) -> Floats:
        """Edges of the bins of initial pair distance, the same for all configurations."""
        reach = pairs.largest_cutoff(self.box if self.first_box is None else self.first_box, REACH)
        bins = int(np.floor((reach - FIRST) / BIN + 1e-9))
        return FIRST + BIN * np.arange(max(bins, 1) + 1, dtype=np.float64)

    def like_pairs(self, species: int) -> pairs.Pairs:
        """Pairs of particles of one species within the last of the `pair_edges`, numbered among
        themselves.
        """
        if species not in self._pairs:
            reach = pairs.largest_cutoff(self.box, float(self.pair_edges[-1]))
            self._pairs[species] = pairs.close_pairs(self.positions[self.members(species)], self.box, reach)
        return self._pairs[species]

    def members(self, species: int) -> Integers:
        """Indices of the particles of one species, ascending."""
        return np.flatnonzero(self.species == species)


@dataclass(frozen=True)
class View:
    """Fields of one source at one lag ``time`` from one configuration.

    ``u`` (R, N, d) displacements, unwrapped and free of drift; ``h`` (R', N, d) displacements between the
    inherent structures of x and of x + u, of some of the fields, None where no quench was made;
    ``inherent_energies`` (R',) energy per particle of the latter; ``follow``: of how many fields to see what
    molecular dynamics makes, none for controls, whose fields are no futures of anything. ``dealt_anew``: the
    values of simulation, permuted over the replicas for each particle. For random numbers: the ``seed`` of
    the comparison, ``place`` (configuration, lag), numbers of the ``source`` and of ``configurations``.
    """

    structure: Structure
    time: float
    u: Floats
    h: Floats | None = None
    inherent_energies: Floats | None = None
    follow: int = 0
    dealt_anew: bool = False
    seed: int = 0
    place: tuple[int, int] = (0, 0)
    source: int = 0
    configurations: int = 1

    @property
    def positions(self) -> Floats:
        """Wrapped positions of the configuration, (N, d)."""
        return self.structure.positions

    @property
    def box(self) -> Floats:
        """Edge lengths, (d,)."""
        return self.structure.box

    @property
    def species(self) -> Integers:
        """Species of every particle, (N,)."""
        return self.structure.species

    @property
    def neighbors(self) -> pairs.Neighbors:
        """First neighbours of the configuration."""
        return self.structure.neighbors

    @cached_property
    def broken(self) -> Floats:
        """Fraction of its neighbours that each particle has lost, (R, N)."""
        return pairs.bond_breaking(self.u, self.neighbors)

    @cached_property
    def cage_relative(self) -> Floats:
        """u_i minus the mean of its neighbours', (R, N, d)."""
        return pairs.cage_relative(self.u, self.neighbors)

    @cached_property
    def future(self) -> futures.Futures:
        """The fields x + u as configurations."""
        return futures.futures(self.positions + self.u, self.species, self.box, self.structure.mixture)

    def shows(self, source: str) -> bool:
        """Whether the view holds what quantities of this source read."""
        if source == "inherent":
            return self.h is not None
        if source == "aftermath":
            return self.follow > 0 and self.structure.has_energies
        return source == "displacements" or self.structure.has_energies

    def aftermath(self) -> futures.Aftermath:
        """What molecular dynamics makes of the first futures, where the view follows any."""
        if not self.follow:
            raise ValueError("what happens next was asked of a view that follows no future")
        place, count = self.structure, min(self.follow, len(self.u))
        generators = [numpy_generator(self.seed, 5, *self.place, r) for r in range(count)]
        starts = self.positions + self.u[:count]
        return futures.aftermath(
            starts, place.species, place.box, place.mixture, place.temperature, generators
        )

    def inherent_fields(self) -> Floats:
        """``h``, where it has to be there: quantities of source "inherent" are asked of such views alone."""
        if self.h is None:
            raise ValueError("a quantity of inherent displacements was asked of a view without them")
        return self.h


Summary = dict[str, Any]
"""What is kept of one configuration, arrays by name; stacked, each has a leading axis C."""
Bounds = tuple[Floats, Floats]


def stack(summaries: Sequence[Summary]) -> Summary:
    """Summaries of C configurations as one, with a leading axis C."""
    return {name: np.stack([s[name] for s in summaries]) for name in summaries[0]}


@dataclass(frozen=True)
class Averages:
    """Summaries of C configurations under B sets of weights (B, C); ``averages[name]`` is a mean (B, ...).

    ``stacked`` has a leading axis C; ``particles`` are those counted in a configuration, ``dimension`` is d.
    """

    stacked: Summary
    weights: Floats
    particles: int
    dimension: int

    @classmethod
    def uniform(cls, stacked: Summary, particles: int, dimension: int) -> Averages:
        """Under equal weights."""
        count = len(next(iter(stacked.values())))
        return cls(stacked, np.full((1, count), 1 / count), particles, dimension)

    def __getitem__(self, name: str) -> Floats:
        return np.tensordot(self.weights, self.stacked[name], axes=1)

    @property
    def configurations(self) -> int:
        """C."""
        return int(self.weights.shape[1])

    def quantile(self, name: str, share: float) -> Floats:
        """Quantile (B,) of the values (C, n) pooled over configurations, each value with its weight / n.

        The least value at which the distribution function reaches ``share``.
        """
        values = self.stacked[name]
        order = np.argsort(values, axis=None)
        weight = np.repeat(self.weights / values.shape[1], values.shape[1], axis=1)[:, order]
        at = (np.cumsum(weight, axis=1) < share - 1e-9).sum(axis=1)
        return values.ravel()[order][np.minimum(at, values.size - 1)]


LEVELS = 64
"""Values that stand for the distribution of one number a field, whatever the number of fields."""


def levels(values: Floats) -> Floats:
    """The sorted values (R,) as LEVELS of them, repeated or left out evenly, so that summaries stack."""
    ranks = ((np.arange(LEVELS) + 0.5) / LEVELS * len(values)).astype(np.int64)
    return np.sort(values)[ranks]
