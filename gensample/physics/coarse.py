"""Averages of a field over the particles around each one, weighted by their distance."""

import math

import torch
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.physics.box import check_cutoff, edges, minimum_image

# Distances worked on at a time: those of all pairs at once may not fit in memory.
_CHUNK = 1 << 22


def coarse_grain(
    values: Tensor, positions: Tensor, box: Tensor, length: float, cutoff: float | None = None
) -> Tensor:
    """Mean of a field about each particle, itself included, weighted by exp(-r / length).

    values: (N,) or (N, F); positions: (N, d), wrapped or not; box: (d,) or tilted; length: sigma_AA, 0 leaves
    the field as it is; cutoff: the farthest particles that count, half the shortest edge unless given, since
    there is no nearest image beyond. sum_j x_j exp(-r_ij / l) / sum_j exp(-r_ij / l) as in H. Tong and
    H. Tanaka, Phys. Rev. X 8, 011041 (2018). Goes through all N^2 pairs, a few rows at a time. Returns the
    shape of values. Raises ConfigError for a negative length or a cut-off beyond half an edge, DataError for
    values of other particles.
    """
    if not (math.isfinite(length) and length >= 0):
        raise ConfigError(f"the coarse-graining length must be finite and not negative, got {length}")
    if values.shape[:1] != positions.shape[:1]:
        raise DataError(f"a field of {len(positions)} particles was expected, got {tuple(values.shape)}")
    box = box.to(positions)
    sides = edges(box, positions.shape[-1])
    reach = 0.5 * float(sides.min()) if cutoff is None else cutoff
    check_cutoff(reach, sides)
    if length == 0:
        return values
    columns = values.reshape(len(values), -1)
    means = [_means(columns, part, positions, box, length, reach) for part in _parts(positions)]
    return torch.cat(means).reshape(values.shape) if means else values


def _means(
    columns: Tensor, part: Tensor, positions: Tensor, box: Tensor, length: float, cutoff: float
) -> Tensor:
    """Weighted means (n, F) about the positions (n, d) in `part`."""
    distance = minimum_image(positions[None] - part[:, None], box).norm(dim=-1)
    weights = torch.where(distance < cutoff, torch.exp(-distance / length), 0.0).to(columns.dtype)
    return weights @ columns / weights.sum(1, keepdim=True)


def _parts(positions: Tensor) -> tuple[Tensor, ...]:
    rows = max(1, _CHUNK // max(positions.numel(), 1))
    return torch.split(positions, rows) if len(positions) else ()
