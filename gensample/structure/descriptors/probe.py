"""Descriptors from probe runs: how far particles, and those around them, get in short, heated runs."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.structure.coarse import coarse_grain_each
from gensample.structure.registry import DescriptorSet

LENGTHS = (0.0, 0.5, 1.0, 2.0)
_OWN = ("log_length", "log_mean_displacement")


def probe_names(levels: Sequence[tuple[float, float]]) -> list[str]:
    """Names of the columns of `probe_descriptors` for these temperatures and times."""
    own = [f"{name}[T={temperature:g},t={time:g}]" for name in _OWN for temperature, time in levels]
    return [name if length == 0 else f"{name}@{length:g}" for length in LENGTHS for name in own]


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
    "probe": DescriptorSet(
        lambda mixture, levels: probe_names(levels),
        lambda of: probe_descriptors(of.positions, of.box, of.probe),
        "probe",
    )
}
