"""Scales of displacements and of their averages in a training split."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gensample.data.records import Record
from gensample.stats.moments import mean_and_scale


def displacement_scales(records: Sequence[Record], species: Tensor, num_species: int) -> dict[str, Tensor]:
    """Scales of the records of configurations that have displacements; species: (N,).

    ``rms`` displacement component; mean ``propensity``, ``spread`` over replicas and ``mobility``, and the
    standard deviation of each, ``propensity_scale`` and so on; ``mobility_spread``, the root mean square over
    particles of its standard deviation over replicas; each (S, K) per species and lag. ``elongation_scale``
    (K,), its root mean square over bonds.
    """
    of = [species == s for s in range(num_species)]

    def moments(name: str, power: int = 1) -> tuple[Tensor, Tensor]:
        found = [mean_and_scale(record[name][mine] ** power for record in records) for mine in of]
        mean, scale = (torch.stack(each).float() for each in zip(*found, strict=True))
        return mean, scale

    stretch = torch.stack([record["elongation"].double().square().mean(0) for record in records]).mean(0)
    scales = {
        "rms": (moments("msd")[0] / records[0]["pos"].shape[1]).sqrt(),
        "mobility_spread": moments("mobility_spread", power=2)[0].sqrt(),
        "elongation_scale": stretch.sqrt().float(),
    }
    for name in ("propensity", "spread", "mobility"):
        scales[name], scales[f"{name}_scale"] = moments(name)
    return scales
