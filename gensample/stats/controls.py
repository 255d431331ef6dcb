"""Controls made from the simulated fields themselves, to say what a metric can and cannot see.

Every control takes and returns displacements (R, K, N, d); the lags of a replica stay together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gensample.stats.propensity import require_replicas

Fields = NDArray[np.float32]


def climatology(displacements: Fields, species: Any, generator: np.random.Generator) -> Fields:
    """Each field with its displacements permuted among the particles of a species.

    Right van Hove function and, since every field keeps its values, right overlap and chi4 within a
    configuration; no relation to the structure, no correlation in space.
    """
    shuffled = displacements.copy()
    kinds = np.asarray(species)
    for kind in np.unique(kinds):
        members = np.flatnonzero(kinds == kind)
        for replica in range(len(displacements)):
            source = generator.permutation(members)
            shuffled[replica][:, members] = displacements[replica][:, source]
    return shuffled


def independent(displacements: Fields, generator: np.random.Generator) -> Fields:
    """Replicas permuted for each particle by itself: every particle keeps its own distribution.

    Right propensity and marginals; two particles no longer move together, so chi4 within a configuration and
    the displacement correlations are those of a bag of marginals.
    """
    replicas, _, particles, _ = displacements.shape
    order = generator.permuted(np.tile(np.arange(replicas)[:, None], (1, particles)), axis=0)
    return np.take_along_axis(displacements, order[:, None, :, None], axis=0)


def halves(displacements: Fields) -> tuple[Fields, Fields]:
    """First and second half of the replicas: a perfect sampler against simulation.

    An odd last replica is left out. Raises DataError for fewer than four replicas.
    """
    require_replicas(len(displacements), 4, "the halves control")
    half = len(displacements) // 2
    return displacements[:half], displacements[half : 2 * half]
