"""Every structural indicator by name, computed for one configuration: what tables and benchmarks loop over.

An indicator is one number per particle. Signs are those of the definitions: for some, more means more mobile
(vibrality, potential energy, Theta), for others less (density, bond order). Tables of correlations with
mobility show the sign; nothing here is turned round. A new one is a file in this folder with a table
`INDICATORS`; tests/structure/indicators is the contract.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.physics.mixtures import Mixture
from gensample.structure.coarse import coarse_grain_each
from gensample.structure.particles import Indicator, Particles, collect

INDICATORS: dict[str, Indicator] = collect(__name__, __path__, "INDICATORS")
"""The structural indicators, in the order of tables."""


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
    particles = Particles(positions, species, box, mixture, temperature=temperature)
    own = {name: INDICATORS[name].compute(particles).to(positions.dtype) for name in chosen}
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
