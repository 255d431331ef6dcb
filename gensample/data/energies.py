"""Potential energies of stored configurations, one at a time and in double precision."""

from __future__ import annotations

import numpy as np
import torch

from gensample.physics.mixtures import Mixture
from gensample.physics.potentials import energy_forces_virial


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
