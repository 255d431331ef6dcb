"""Descriptors of a particle's cage, from short runs: how far away its centre is, how much it wanders."""

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.structure.coarse import coarse_grain_each
from gensample.structure.registry import DescriptorSet

LENGTHS = (0.0, 0.5, 1.0, 2.0)
_OWN = ("distance", "log_spread")


def cage_names() -> list[str]:
    """Names of the columns of `cage_descriptors`."""
    return [name if length == 0 else f"{name}@{length:g}" for length in LENGTHS for name in _OWN]


def cage_descriptors(positions: Tensor, box: Tensor, short_runs: tuple[Tensor, Tensor] | None) -> Tensor:
    """Distance from the thermal position to the cage's centre and log of the spread, and their local means.

    positions: (N, d); short_runs: vector (N, d) from the thermal position to the centre, and spread (N,), the
    root of the variance of the centre between runs. Returns (N, F), columns as in `cage_names`: the two
    coarse-grained over each of LENGTHS. The spread grows where particles have begun to leave their cages
    within such a run: a local Debye-Waller factor at a longer time, see Widmer-Cooper and Harrowell, Phys.
    Rev. Lett. 96, 185701 (2006). Raises ConfigError without short runs.
    """
    if short_runs is None:
        raise ConfigError(
            "the descriptors called cage need cage positions and their spread: add both with "
            "`gensample cage DATA.h5` (--again where an older version made the positions)"
        )
    vector, spread = (each.to(positions) for each in short_runs)
    own = torch.stack([vector.norm(dim=-1), spread.log()], dim=1)
    return torch.cat(coarse_grain_each(own, positions, box, LENGTHS), dim=1)


SETS = {
    "cage": DescriptorSet(
        lambda mixture, levels: cage_names(),
        lambda of: cage_descriptors(of.positions, of.box, of.short_runs),
        "short_runs",
    )
}
