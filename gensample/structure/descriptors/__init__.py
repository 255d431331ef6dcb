"""Sets of structural descriptors by name, each a function of one configuration.

Regressors, support-vector machines and small networks read one or more of them; the data module serves their
columns side by side. A new set is a file in this folder with a table `SETS` (or, from outside, an entry in
the one here); tests/structure/descriptors/test_describe.py is the contract.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from gensample.physics.mixtures import Mixture
from gensample.ranges import check_choice
from gensample.structure.particles import DescriptorSet, Levels, Particles, collect

SETS: dict[str, DescriptorSet] = collect(__name__, __path__, "SETS")


def descriptor_columns(particles: Particles, sets: Sequence[str]) -> Tensor:
    """Columns (N, F) float32 of the named sets, in their order.

    Raises:
        ConfigError: a name is unknown, or the box is too small for a set.
    """
    return torch.cat([_set(name).compute(particles).float() for name in sets], dim=1)


def descriptor_names(mixture: Mixture, sets: Sequence[str], levels: Levels = ()) -> list[str]:
    """Names of the columns of `descriptor_columns`, each with its set in front: "invariants/energy".

    ``levels``: temperature and time of each column of the probe runs, where there are any.
    """
    return [f"{name}/{column}" for name in sets for column in _set(name).names(mixture, levels)]


def _set(name: str) -> DescriptorSet:
    check_choice("the set of descriptors", name, SETS)
    return SETS[name]
