"""Descriptors from short runs: of the cage of each particle, and of probe runs, which are heated."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.structure.coarse import coarse_grain_each
from gensample.structure.particles import DescriptorSet, Levels

LENGTHS = (0.0, 0.5, 1.0, 2.0)


def cage_names() -> list[str]:
    """Names of the columns of `cage_descriptors`."""
    return _with_means(["distance", "log_spread"])


def probe_names(levels: Levels) -> list[str]:
    """Names of the columns of `probe_descriptors` for these temperatures and times."""
    names = ("log_length", "log_mean_displacement")
    return _with_means(
        [f"{name}[T={temperature:g},t={time:g}]" for name in names for temperature, time in levels]
    )


def _with_means(own: Sequence[str]) -> list[str]:
    return [name if length == 0 else f"{name}@{length:g}" for length in LENGTHS for name in own]


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


def probe_descriptors(positions: Tensor, box: Tensor, probe: tuple[Tensor, Tensor] | None) -> Tensor:
    """Mean log displacement and log of the mean displacement's length, and their local means.

    positions: (N, d); probe: mean over runs of log |u|, and |mean of u|, each (N, L), L temperatures and
    times side by side. Returns (N, F), columns as in `probe_names`: the two coarse-grained over each of
    LENGTHS. The first is a short-time propensity (A. Widmer-Cooper and P. Harrowell, Phys. Rev. Lett. 96,
    185701 (2006)), the second tells a particle that runs carry the same way, to another place in its cage or
    beyond, from one that rattles. Raises ConfigError without probe runs.
    """
    if probe is None:
        raise ConfigError(
            "the descriptors called probe need probe runs: add them with `gensample probe DATA.h5 "
            "--temperatures T ... --times t ... --replicas R`"
        )
    log_length, mean_displacement = (each.to(positions) for each in probe)
    own = torch.cat([log_length, mean_displacement.log()], dim=1)
    return torch.cat(coarse_grain_each(own, positions, box, LENGTHS), dim=1)


SETS = {
    "cage": DescriptorSet(
        lambda mixture, levels: cage_names(),
        lambda of: cage_descriptors(of.positions, of.box, of.short_runs),
        "short_runs",
    ),
    "probe": DescriptorSet(
        lambda mixture, levels: probe_names(levels),
        lambda of: probe_descriptors(of.positions, of.box, of.probe),
        "probe",
    ),
}
