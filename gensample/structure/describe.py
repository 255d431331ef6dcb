"""Sets of structural descriptors by name, each a function of one structure.

Regressors, support-vector machines and small networks read one or more of them; the data module serves their
columns side by side. A new set is a line in `SETS`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.physics.mixtures import Mixture
from gensample.structure.cage import cage_descriptors, cage_names
from gensample.structure.glassmlp import glassmlp_descriptors, glassmlp_names
from gensample.structure.invariants import invariant_names, invariants
from gensample.structure.mechanics import mechanics, mechanics_names
from gensample.structure.probe import probe_descriptors, probe_names
from gensample.structure.recursive import recursive, recursive_names
from gensample.structure.symmetry import symmetry_functions, symmetry_names


@dataclass(frozen=True)
class Structure:
    """What descriptors may read of one configuration.

    positions: (N, d) float64, thermal, inherent or cage ones; species: (N,); box: (d,);
    cage_vector: (N, d), from the thermal position to the centre of the cage, zero where unknown;
    short_runs: the vector from the thermal position to the mean position of short runs (N, d), and how far
    the runs' own means are apart (N,); None where there are none; probe: what `probe_descriptors` reads.
    """

    positions: Tensor
    species: Tensor
    box: Tensor
    mixture: Mixture
    cage_vector: Tensor
    short_runs: tuple[Tensor, Tensor] | None = None
    probe: tuple[Tensor, Tensor] | None = None


Levels = Sequence[tuple[float, float]]
"""Temperatures and times of probe runs."""


@dataclass(frozen=True)
class DescriptorSet:
    """Names of the columns for a mixture and probe runs, and the columns (N, F) of a structure.

    reads: what of a `Structure` the set needs beside the positions and may be absent.
    """

    names: Callable[[Mixture, Levels], list[str]]
    compute: Callable[[Structure], Tensor]
    reads: Literal["short_runs", "probe"] | None = None


def _invariants(of: Structure) -> Tensor:
    distance = of.cage_vector.double().norm(dim=-1)
    return invariants(of.positions, of.species, of.box, of.mixture, distance)


def _recursive(of: Structure) -> Tensor:
    distance = of.cage_vector.double().norm(dim=-1)
    return recursive(of.positions, of.species, of.box, of.mixture, distance)


def _recursive_positions(of: Structure) -> Tensor:
    return recursive(of.positions, of.species, of.box, of.mixture)[:, :-1]


def _symmetry(of: Structure) -> Tensor:
    return symmetry_functions(of.positions, of.species, of.box, of.mixture)


def _mechanics(of: Structure) -> Tensor:
    distance = of.cage_vector.double().norm(dim=-1)
    return mechanics(of.positions, of.species, of.box, of.mixture, distance)


def _glassmlp(of: Structure) -> Tensor:
    return glassmlp_descriptors(of.positions, of.species, of.box, of.mixture)


def _cage(of: Structure) -> Tensor:
    return cage_descriptors(of.positions, of.box, of.short_runs)


def _probe(of: Structure) -> Tensor:
    return probe_descriptors(of.positions, of.box, of.probe)


def _of_mixture(names: Callable[[Mixture], list[str]]) -> Callable[[Mixture, Levels], list[str]]:
    return lambda mixture, levels: names(mixture)


SETS: dict[str, DescriptorSet] = {
    "cage": DescriptorSet(lambda mixture, levels: cage_names(), _cage, "short_runs"),
    "glassmlp": DescriptorSet(_of_mixture(glassmlp_names), _glassmlp),
    "invariants": DescriptorSet(_of_mixture(invariant_names), _invariants),
    "mechanics": DescriptorSet(_of_mixture(mechanics_names), _mechanics),
    "probe": DescriptorSet(lambda mixture, levels: probe_names(levels), _probe, "probe"),
    "recursive": DescriptorSet(_of_mixture(recursive_names), _recursive),
    # Without the distance to the cage: of thermal positions, a predictor that knows nothing else.
    "recursive-positions": DescriptorSet(
        lambda mixture, levels: recursive_names(mixture)[:-1], _recursive_positions
    ),
    "symmetry": DescriptorSet(_of_mixture(symmetry_names), _symmetry),
}


def describe(structure: Structure, sets: Sequence[str]) -> Tensor:
    """Columns (N, F) float32 of the named sets, in their order.

    Raises:
        ConfigError: a name is unknown, or the box is too small for a set.
    """
    return torch.cat([_set(name).compute(structure).float() for name in sets], dim=1)


def descriptor_names(mixture: Mixture, sets: Sequence[str], levels: Levels = ()) -> list[str]:
    """Names of the columns of `describe`, each with its set in front: "invariants/energy".

    ``levels``: temperature and time of each column of the probe runs, where there are any.
    """
    return [f"{name}/{column}" for name in sets for column in _set(name).names(mixture, levels)]


def _set(name: str) -> DescriptorSet:
    if name not in SETS:
        raise ConfigError(f"no set of descriptors is called {name!r}; choose among {', '.join(SETS)}")
    return SETS[name]
