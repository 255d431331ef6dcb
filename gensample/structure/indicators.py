"""Every structural indicator by name, computed for one configuration: what tables and benchmarks loop over.

An indicator is one number per particle. Signs are those of the definitions: for some, more means more mobile
(vibrality, potential energy, Theta), for others less (density, bond order). Tables of correlations with
mobility show the sign; nothing here is turned round.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import scipy.sparse
import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.physics.mixtures import Mixture
from gensample.physics.neighbors import neighbor_list
from gensample.physics.potentials import energy
from gensample.structure.coarse import coarse_grain_each
from gensample.structure.delaunay import Triangulation, triangulate
from gensample.structure.modes import (
    debye_waller,
    hessian,
    modes,
    soft_mode_participation,
    vibrality_from_hessian,
)
from gensample.structure.order import (
    coordination,
    hexatic_order,
    local_density,
    steinhardt_order,
    steric_order,
    two_body_entropy,
)

NEIGHBOR_CUTOFF = 1.4
"""In largest diameters of the mixture: first minimum of g_AA in the Kob-Andersen liquids. That of all pairs
is shallow, 1.2 to 1.5 in 2D."""

SOFT_FRACTION = 0.015
"""Share of the d N modes that count as soft: 30 of 2048 in Widmer-Cooper et al., Nat. Phys. 4, 711 (2008)."""


@dataclasses.dataclass(frozen=True)
class Configuration:
    """One configuration and what several indicators share, each computed once and only if needed.

    positions: (N, d), wrapped or not; species: (N,); box: (d,) or tilted; temperature: of the harmonic
    motion about a minimum.
    """

    positions: Tensor
    species: Tensor
    box: Tensor
    mixture: Mixture
    temperature: float = 1.0

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


@dataclasses.dataclass(frozen=True)
class Indicator:
    """A structural indicator: its meaning in a few words, and how it is computed."""

    meaning: str
    compute: Callable[[Configuration], Tensor]
    dimensions: tuple[int, ...] = (2, 3)
    least_species: int = 1
    needs_minimum: bool = False
    """Whether it is defined by the normal modes about a minimum of the energy, an inherent structure."""

    def suits(self, mixture: Mixture) -> bool:
        """Whether it is defined for the mixture's dimension and number of species."""
        return mixture.dimension in self.dimensions and mixture.num_species >= self.least_species


def indicator_names(mixture: Mixture, at_minimum: bool = False) -> list[str]:
    """Names of the indicators of a mixture; with `at_minimum`, also those of inherent structures alone."""
    return [
        name
        for name, indicator in INDICATORS.items()
        if indicator.suits(mixture) and (at_minimum or not indicator.needs_minimum)
    ]


def indicators(
    positions: Tensor,
    species: Tensor,
    box: Tensor,
    mixture: Mixture,
    names: Iterable[str] | None = None,
    lengths: Sequence[float] = (0.0,),
    *,
    at_minimum: bool = False,
    temperature: float = 1.0,
) -> dict[str, Tensor]:
    """Indicators of every particle by name, and their averages over the particles around each one.

    positions: (N, d), wrapped or not; species: (N,); box: (d,) or tilted; names: those of `indicator_names`
    unless given; lengths: of the coarse-graining (`gensample.structure.coarse`), 0 for the indicator itself;
    at_minimum: whether the configuration is an inherent structure; temperature: of the Debye-Waller factor.
    Returns name -> (N,) for length 0 and "name@length" -> (N,) for others, in the positions' precision.
    Raises ConfigError for names that are unknown or do not suit the mixture or the configuration, DataError
    for what is no minimum although said to be, and whatever the indicators raise.
    """
    chosen = indicator_names(mixture, at_minimum) if names is None else list(names)
    for name in chosen:
        _check(name, mixture, at_minimum)
    configuration = Configuration(positions, species, box, mixture, temperature)
    own = {name: INDICATORS[name].compute(configuration).to(positions.dtype) for name in chosen}
    if not own:
        return {}
    columns, result = torch.stack(list(own.values()), 1), dict[str, Tensor]()
    lengths = list(lengths)
    each = coarse_grain_each(columns, positions, box, lengths)
    for length, averages in zip(lengths, each, strict=True):
        ending = f"@{length:g}" if length else ""
        result |= {name + ending: column for name, column in zip(own, averages.unbind(1), strict=True)}
    return result


def _check(name: str, mixture: Mixture, at_minimum: bool) -> None:
    known = indicator_names(mixture, at_minimum=True)
    if name not in known:
        raise ConfigError(f"unknown indicator {name!r} of {mixture.name}: use {', '.join(known)}")
    if INDICATORS[name].needs_minimum and not at_minimum:
        raise ConfigError(
            f"the indicator {name!r} is defined in inherent structures alone: quench the configuration "
            "first and say that it is at a minimum"
        )


def _local_density(c: Configuration) -> Tensor:
    return local_density(c.positions, c.box)


def _coordination(c: Configuration) -> Tensor:
    return _coordinations(c).sum(1)


def _coordination_of(c: Configuration, kind: int) -> Tensor:
    return _coordinations(c)[:, kind]


def _coordinations(c: Configuration) -> Tensor:
    return coordination(c.near[0], c.species, c.mixture.num_species)


def _energy(c: Configuration) -> Tensor:
    return energy(c.positions, c.species, c.box, c.mixture)


def _hexatic(c: Configuration) -> Tensor:
    return hexatic_order(c.triangulation.edge_index, c.triangulation.vectors, len(c.positions))


def _steinhardt(c: Configuration, degree: int, average: bool) -> Tensor:
    return steinhardt_order(*c.near, len(c.positions), degree, average)


def _entropy(c: Configuration) -> Tensor:
    return two_body_entropy(c.positions, c.species, c.box, c.mixture.num_species)


def _steric(c: Configuration) -> Tensor:
    return steric_order(c.positions, c.species, c.box, c.mixture, triangulation=c.triangulation)


def _vibrality(c: Configuration) -> Tensor:
    return torch.from_numpy(c.vibrality).to(c.positions)


def _debye_waller(c: Configuration) -> Tensor:
    return torch.from_numpy(debye_waller(c.vibrality, c.temperature)).to(c.positions)


def _soft_modes(c: Configuration) -> Tensor:
    number = max(1, round(SOFT_FRACTION * c.positions.numel()))
    lowest = modes(c.hessian, c.mixture.dimension, number)
    return torch.from_numpy(soft_mode_participation(lowest, number)).to(c.positions)


INDICATORS: dict[str, Indicator] = {
    "density": Indicator("number density within about 2 sigma", _local_density),
    "coordination": Indicator(f"neighbours within {NEIGHBOR_CUTOFF}", _coordination),
    **{
        f"coordination_{letter}": Indicator(
            f"neighbours of species {letter} within {NEIGHBOR_CUTOFF}",
            partial(_coordination_of, kind=kind),
            least_species=max(2, kind + 1),
        )
        for kind, letter in enumerate("ABC")
    },
    "energy": Indicator("potential energy, half of each pair", _energy),
    "psi6": Indicator("hexatic order |psi_6| over Voronoi neighbours", _hexatic, dimensions=(2,)),
    **{
        f"q{degree}": Indicator(
            f"Steinhardt q_{degree} within {NEIGHBOR_CUTOFF}",
            partial(_steinhardt, degree=degree, average=False),
            dimensions=(3,),
        )
        for degree in (4, 6)
    },
    **{
        f"q{degree}_mean": Indicator(
            f"neighbour-averaged q_{degree} (Lechner and Dellago) within {NEIGHBOR_CUTOFF}",
            partial(_steinhardt, degree=degree, average=True),
            dimensions=(3,),
        )
        for degree in (4, 6)
    },
    "s2": Indicator("local two-body entropy, by species", _entropy),
    "theta": Indicator("steric order Theta (Tong and Tanaka), 0 is perfect", _steric),
    "vibrality": Indicator("sum over modes of |e_i|^2 / omega^2", _vibrality, needs_minimum=True),
    "debye_waller": Indicator("harmonic mean-square displacement", _debye_waller, needs_minimum=True),
    "soft_modes": Indicator(
        f"participation in the softest {SOFT_FRACTION:.1%} of the modes", _soft_modes, needs_minimum=True
    ),
}
"""The structural indicators, in the order of tables."""
