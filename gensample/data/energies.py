"""The potential of a dataset, and energies of stored configurations, one at a time in double precision."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from gensample.data.store import Store
from gensample.errors import DataError
from gensample.physics.box import check_cutoff
from gensample.physics.mixtures import TRUNCATIONS, Mixture, get_mixture
from gensample.physics.potentials import energy_forces_virial


def mixture_of(store: Store) -> Mixture:
    """The mixture of a dataset, truncated as the dataset says.

    Raises:
        ConfigError: the mixture is unknown, or a box is shorter than twice the interaction range.
        DataError: the dataset has no known potential.
    """
    mixture = get_mixture(store.mixture)
    if store.truncation not in TRUNCATIONS:
        raise DataError(
            f"{store.path} has the truncation {store.truncation!r}, known are {', '.join(TRUNCATIONS)}"
        )
    if store.dimension != mixture.dimension or int(store.species.max()) >= mixture.num_species:
        raise DataError(f"{store.path} has other dimensions or more species than its mixture {mixture.name}")
    check_cutoff(mixture.cutoff, torch.from_numpy(store.box))
    return replace(mixture, truncation=store.truncation)


def potential(
    positions: np.ndarray,
    species: np.ndarray,
    box: np.ndarray,
    mixture: Mixture,
    truncation: str | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Energy per particle U/N, virial per particle W/N and largest force, each (C,).

    positions: (C, N, d), species: (N,), box: (C, d); truncation: overrides the mixture's.

    Raises:
        ConfigError: the box is shorter than twice the interaction range.
    """
    kinds = torch.from_numpy(species.astype(np.int64))
    rows = []
    for x, edges in zip(positions, box, strict=True):
        result = energy_forces_virial(
            torch.from_numpy(x), kinds, torch.from_numpy(edges), mixture, truncation
        )
        forces = result.forces.norm(dim=-1)
        rows.append((float(result.energy.mean()), float(result.virial) / len(x), float(forces.max())))
    energy, virial, force = np.array(rows).reshape(-1, 3).T
    return energy, virial, force
