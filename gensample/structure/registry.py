"""Sets of descriptors and indicators by name: each file of their folders has a table of its own."""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from gensample.physics.mixtures import Mixture
from gensample.structure.particles import Particles

Levels = Sequence[tuple[float, float]]
"""Temperatures and times of probe runs."""


@dataclass(frozen=True)
class DescriptorSet:
    """Names of the columns for a mixture and probe runs, and the columns (N, F) of a configuration.

    reads: what of `Particles` the set needs beside the positions and may be absent.
    """

    names: Callable[[Mixture, Levels], list[str]]
    compute: Callable[[Particles], Tensor]
    reads: Literal["short_runs", "probe"] | None = None


@dataclass(frozen=True)
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
