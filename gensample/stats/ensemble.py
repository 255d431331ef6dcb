"""One isoconfigurational ensemble in memory: a configuration and its displacement fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gensample.errors import DataError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def as_array(values: Any) -> Floats:
    """Values of a numpy array or a torch tensor as float64 in main memory, so that sums keep their digits."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype=np.float64)


@dataclass(frozen=True)
class Ensemble:
    """Displacement fields of R replicas at K lags from one configuration of N particles in d dimensions.

    ``positions`` (N, d) and edge lengths ``box`` (d,) in sigma_AA, ``species`` (N,) integers from 0, and
    ``displacements`` (R, K, N, d), unwrapped and free of drift, in float32. Where known: ``inherent`` (N, d),
    the inherent structure; ``inherent_displacements`` (R', K, N, d) from it to those of the futures x + u, of
    some or all replicas; ``inherent_energies`` (R', K) of these, per particle.

    Raises DataError where the shapes of configuration and fields disagree.
    """

    positions: Floats
    box: Floats
    species: Integers
    displacements: NDArray[np.float32]
    inherent: Floats | None = None
    inherent_displacements: NDArray[np.float32] | None = None
    inherent_energies: Floats | None = None

    def __post_init__(self) -> None:
        n, d = self.positions.shape
        fields, h = self.displacements, self.inherent_displacements
        known = fields.ndim == 4 and fields.shape[2:] == (n, d) and self.box.shape == (d,)
        if not (known and fields.size and self.species.shape == (n,)):
            raise DataError(
                f"an ensemble needs positions (N, d), box (d,), species (N,) and displacements (R, K, N, "
                f"d), got {self.positions.shape}, {self.box.shape}, {self.species.shape} and {fields.shape}"
            )
        energies = self.inherent_energies
        fits = h is None or (h.shape[1:] == fields.shape[1:] and 1 <= len(h) <= len(fields))
        if not fits or (h is not None and energies is not None and energies.shape != h.shape[:2]):
            raise DataError(
                f"inherent displacements and energies must be those of some of the fields {fields.shape}, "
                f"got {None if h is None else h.shape} and {None if energies is None else energies.shape}"
            )

    @property
    def num_replicas(self) -> int:
        """R, the number of fields at each lag."""
        return int(self.displacements.shape[0])

    @property
    def num_lags(self) -> int:
        """K, the number of lag times."""
        return int(self.displacements.shape[1])

    @property
    def num_particles(self) -> int:
        """N, particles of all species together."""
        return int(self.positions.shape[0])

    @property
    def dimension(self) -> int:
        """The dimension d of space, 2 or 3."""
        return int(self.positions.shape[1])

    @property
    def num_species(self) -> int:
        """One more than the largest species integer present."""
        return int(self.species.max()) + 1 if self.species.size else 0

    def members(self, species: int) -> Integers:
        """Indices of the particles of one species, ascending."""
        return np.flatnonzero(self.species == species)
