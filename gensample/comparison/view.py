"""What a quantity reads: one configuration and, at one lag, the fields of one source."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from gensample.physics.mixtures import Mixture
from gensample.seeding import numpy_generator
from gensample.stats import bonds, futures, pairs
from gensample.stats.aftermath import Aftermath, aftermath
from gensample.stats.cage_relative import cage_relative
from gensample.stats.ensemble import Floats, Integers


@dataclass(frozen=True)
class Structure:
    """One configuration, shared by all its lags and sources; what is found of it is kept.

    ``positions`` (N, d), ``box`` (d,), ``species`` (N,), ``mixture`` with the truncation of the data,
    ``temperature``; ``inherent`` (N, d) its inherent structure, None where unknown.
    """

    positions: Floats
    box: Floats
    species: Integers
    mixture: Mixture
    temperature: float
    inherent: Floats | None = None

    @property
    def sigma(self) -> Floats:
        """Pair diameters (S, S)."""
        return np.asarray(self.mixture.sigma)

    @property
    def has_energies(self) -> bool:
        """Whether the box holds every interaction once, so that energies are defined."""
        return self.mixture.cutoff <= self.box.min() / 2

    @cached_property
    def neighbors(self) -> pairs.Neighbors:
        """First neighbours of the configuration, of every species."""
        return self._neighbors(self.positions)

    @cached_property
    def inherent_neighbors(self) -> pairs.Neighbors:
        """First neighbours of its inherent structure, of the configuration itself where that is unknown."""
        return self.neighbors if self.inherent is None else self._neighbors(self.inherent)

    def _neighbors(self, positions: Floats) -> pairs.Neighbors:
        return pairs.initial_neighbors(positions, self.box, self.species, self.sigma, bonds.BOND_FORMED)

    def inherent_pairs(self, cutoff: float) -> pairs.Pairs:
        """Unordered pairs nearer than ``cutoff`` in the inherent structure, as far as the box allows."""
        x = self.positions if self.inherent is None else self.inherent
        return pairs.close_pairs(x, self.box, pairs.largest_cutoff(self.box, cutoff))

    def members(self, species: int) -> Integers:
        """Indices of the particles of one species, ascending."""
        return np.flatnonzero(self.species == species)


class Sequel(NamedTuple):
    """Molecular dynamics after futures: of the first ``futures`` fields; ``key`` of its random numbers."""

    futures: int
    key: tuple[int, ...]


@dataclass(frozen=True)
class View:
    """Fields of one source at one lag ``time`` from one configuration.

    ``u`` (R, N, d) displacements, unwrapped and free of drift; ``h`` (R', N, d) displacements between the
    inherent structures of x and of x + u, of some of the fields, None where no quench was made;
    ``inherent_energies`` (R',) energy per particle of the latter; both these and the ``sequel`` are None for
    controls, whose fields are no futures of anything.
    """

    structure: Structure
    time: float
    u: Floats
    h: Floats | None = None
    inherent_energies: Floats | None = None
    sequel: Sequel | None = None

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
    def mixture(self) -> Mixture:
        """The mixture, with the truncation of the data."""
        return self.structure.mixture

    @property
    def temperature(self) -> float:
        """Temperature of the configuration."""
        return self.structure.temperature

    @property
    def neighbors(self) -> pairs.Neighbors:
        """First neighbours of the configuration, of every species: r_ij < 1.35 sigma_ab."""
        return self.structure.neighbors

    @cached_property
    def cage_relative(self) -> Floats:
        """u_i minus the mean of its neighbours', (R, N, d)."""
        return cage_relative(self.u, self.neighbors)

    @cached_property
    def future(self) -> futures.Futures:
        """The fields x + u as configurations."""
        return futures.futures(self.positions + self.u, self.species, self.box, self.mixture)

    def shows(self, source: str) -> bool:
        """Whether the view holds what quantities of this source read."""
        if source == "inherent":
            return self.h is not None
        if source == "aftermath":
            return self.sequel is not None and self.structure.has_energies
        return source == "displacements" or self.structure.has_energies

    def aftermath(self) -> Aftermath:
        """What molecular dynamics makes of the first futures, where the view has a sequel."""
        if self.sequel is None:
            raise ValueError("what happens next was asked of a view without a sequel")
        generators = [numpy_generator(*self.sequel.key, r) for r in range(self.sequel.futures)]
        starts = self.positions + self.u[: self.sequel.futures]
        return aftermath(starts, self.species, self.box, self.mixture, self.temperature, generators)

    def inherent_fields(self) -> Floats:
        """``h``, where it has to be there: quantities of source "inherent" are asked of such views alone."""
        if self.h is None:
            raise ValueError("a quantity of inherent displacements was asked of a view without them")
        return self.h
