"""The particles of one configuration, and the sets of descriptors and indicators that read them, by name."""

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse
from torch import Tensor

from gensample.physics.mixtures import Mixture
from gensample.physics.neighbors import neighbor_list
from gensample.structure.delaunay import Triangulation, triangulate
from gensample.structure.modes import hessian, vibrality_from_hessian

NEIGHBOR_CUTOFF = 1.4
"""In largest diameters of the mixture: first minimum of g_AA in the Kob-Andersen liquids. That of all pairs
is shallow, 1.2 to 1.5 in 2D."""


@dataclasses.dataclass(frozen=True)
class Particles:
    """What is known of one configuration, and what several sets share, computed once and only if needed.

    positions: (N, d) float64, thermal, inherent or cage ones, wrapped or not; species: (N,); box: (d,) or
    tilted; cage_vector: (N, d), from the thermal position to the centre of the cage, None where unknown;
    short_runs: the vector from the thermal position to the mean position of short runs (N, d), and how far
    the runs' own means are apart (N,); probe: what `descriptors.short_runs` reads; None where there are none;
    temperature: of the harmonic motion about a minimum.
    """

    positions: Tensor
    species: Tensor
    box: Tensor
    mixture: Mixture
    cage_vector: Tensor | None = None
    short_runs: tuple[Tensor, Tensor] | None = None
    probe: tuple[Tensor, Tensor] | None = None
    temperature: float = 1.0

    @property
    def cage_distance(self) -> Tensor:
        """From the thermal position to the centre of the cage (N,), zero where unknown."""
        if self.cage_vector is None:
            return self.positions.new_zeros(len(self.positions))
        return self.cage_vector.double().norm(dim=-1)

    @cached_property
    def near(self) -> tuple[Tensor, Tensor]:
        """Neighbours within NEIGHBOR_CUTOFF largest diameters."""
        return neighbor_list(self.positions, self.box, NEIGHBOR_CUTOFF * self.mixture.largest_diameter)

    @cached_property
    def triangulation(self) -> Triangulation:
        """Neighbours whose Voronoi cells touch."""
        return triangulate(self.positions, self.box)

    @cached_property
    def hessian(self) -> scipy.sparse.csr_array:
        """Second derivatives of the potential energy."""
        return hessian(self.positions, self.species, self.box, self.mixture)

    @cached_property
    def vibrality(self) -> npt.NDArray[np.float64]:
        """Vibrality from all modes."""
        return vibrality_from_hessian(self.hessian, self.mixture.dimension)


Levels = Sequence[tuple[float, float]]
"""Temperatures and times of probe runs."""


@dataclasses.dataclass(frozen=True)
class DescriptorSet:
    """Names of the columns for a mixture and probe runs, and the columns (N, F) of a configuration.

    reads: what of `Particles` the set needs beside the positions and may be absent.
    """

    names: Callable[[Mixture, Levels], list[str]]
    compute: Callable[[Particles], Tensor]
    reads: Literal["short_runs", "probe"] | None = None


@dataclasses.dataclass(frozen=True)
class Indicator:
    """A structural indicator, one number per particle: its meaning in a few words, and how it is computed."""

    meaning: str
    compute: Callable[[Particles], Tensor]
    dimensions: tuple[int, ...] = (2, 3)
    least_species: int = 1
    needs_minimum: bool = False
    """Whether it is defined by the normal modes about a minimum of the energy, an inherent structure."""

    def suits(self, mixture: Mixture) -> bool:
        """Whether it is defined for the mixture's dimension and number of species."""
        return mixture.dimension in self.dimensions and mixture.num_species >= self.least_species


def collect(package: str, path: Sequence[str], table: str) -> dict[str, Any]:
    """The tables of that name of all modules of a package, joined in the order of the modules."""
    found: dict[str, Any] = {}
    for module in sorted(each.name for each in pkgutil.iter_modules(path)):
        found |= getattr(importlib.import_module(f"{package}.{module}"), table, {})
    return found
