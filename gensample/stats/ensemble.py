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


def _numpy(values: Any, dtype: Any) -> NDArray[Any]:
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    return np.ascontiguousarray(values, dtype=dtype)


_TYPES: dict[str, Any] = {
    "positions": np.float64,
    "box": np.float64,
    "species": np.int64,
    "displacements": np.float32,
    "inherent": np.float64,
    "inherent_displacements": np.float32,
    "inherent_energies": np.float64,
}


@dataclass(frozen=True)
class Ensemble:
    """Displacement fields of R replicas at K lags from one configuration of N particles in d dimensions.

    ``positions`` (N, d) and edge lengths ``box`` (d,) in sigma_AA, ``species`` (N,) integers from 0, and
    ``displacements`` (R, K, N, d), unwrapped and free of drift, kept in float32. Numpy arrays or tensors.
    Where known: ``inherent`` (N, d), the inherent structure; ``inherent_displacements`` (R', K, N, d) from it
    to those of the futures x + u, of some or all replicas; ``inherent_energies`` (R', K) of these, per
    particle.

    Raises DataError where shapes disagree, values are not finite or no replica is left.
    """

    positions: Floats
    box: Floats
    species: Integers
    displacements: NDArray[np.float32]
    inherent: Floats | None = None
    inherent_displacements: NDArray[np.float32] | None = None
    inherent_energies: Floats | None = None

    def __post_init__(self) -> None:
        for name, dtype in _TYPES.items():
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else _numpy(value, dtype))
        self._check_shapes()
        self._check_inherent()
        self._check_values()

    def _check_shapes(self) -> None:
        if self.positions.ndim != 2 or self.positions.shape[1] not in (2, 3):
            raise DataError(
                f"positions of an ensemble must have shape (N, 2) or (N, 3), got {self.positions.shape}; "
                "pass one configuration at a time"
            )
        n, d = self.positions.shape
        if self.box.shape != (d,):
            raise DataError(f"box must hold the {d} edge lengths, shape ({d},), got {self.box.shape}")
        if self.species.shape != (n,):
            raise DataError(
                f"species must have shape ({n},), one integer a particle, got {self.species.shape}"
            )
        if self.displacements.ndim != 4 or self.displacements.shape[2:] != (n, d):
            raise DataError(
                f"displacements must have shape (R, K, {n}, {d}), got {self.displacements.shape}; "
                "for one lag time add an axis: displacements[:, None]"
            )
        if self.displacements.shape[0] == 0 or self.displacements.shape[1] == 0:
            raise DataError(
                f"displacements of shape {self.displacements.shape} hold no field; "
                "finish at least one replica and one lag before asking for statistics"
            )

    def _check_inherent(self) -> None:
        h, energies, shape = self.inherent_displacements, self.inherent_energies, self.displacements.shape
        if h is None:
            return
        if h.shape[1:] != shape[1:] or not 1 <= len(h) <= len(self.displacements):
            raise DataError(
                f"inherent displacements must have shape (R', {', '.join(map(str, shape[1:]))}), R' at most "
                f"{shape[0]}, as displacements have, got {h.shape}"
            )
        if energies is not None and energies.shape != h.shape[:2]:
            raise DataError(f"inherent energies must have shape {h.shape[:2]}, got {energies.shape}")

    def _check_values(self) -> None:
        if not (self.box > 0).all():
            raise DataError(f"box edge lengths must be positive, got {self.box.tolist()}")
        if self.species.size and self.species.min() < 0:
            raise DataError(
                f"species are integers from 0 (A) upward, got {self.species.min()}; subtract the lowest"
            )
        for name in ("positions", "displacements", "inherent", "inherent_displacements"):
            values = getattr(self, name)
            if values is not None and not np.isfinite(values).all():
                bad = int(np.size(values) - np.isfinite(values).sum())
                raise DataError(
                    f"{bad} of {values.size} values of {name} are not finite; remove those replicas"
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

    def fields(self, lag: int) -> Floats:
        """Displacements (R, N, d) at one lag index, in float64."""
        return self.displacements[:, lag].astype(np.float64)
