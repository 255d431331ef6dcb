"""Datasets whose particles are predicted to lose neighbours, in place of how far they move."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gensample.data.store import Store
from gensample.errors import ConfigError, DataError
from gensample.physics.mixtures import get_mixture
from gensample.stats.bonds import BOND_FORMED, bond_breaking
from gensample.stats.pairs import initial_neighbors


class BondBreakingView(Store):
    """Read-only view of a dataset that serves the bond-breaking propensity as what is predicted.

    The mean over replicas of the fraction of initial neighbours lost (`stats.bonds`), from the displacements,
    or as stored where there are averages only.

    Raises:
        ConfigError: the dataset has neither.
        DataError: as `Store`, or the mixture is unknown.
    """

    def __init__(self, path: str | Path | Store) -> None:
        super().__init__(path)
        self._last: tuple[int, np.ndarray] | None = None
        if not self.has_displacements and self.bond_breaking is None:
            self.close()
            raise ConfigError(
                f"{path} has neither displacements nor a stored bond-breaking propensity; "
                "set data.quantity to displacement"
            )

    def node_target(self, configuration: int) -> np.ndarray:
        """Bond-breaking propensity (K, N)."""
        mean: np.ndarray = self._fractions(configuration).mean(0)
        return mean

    def node_spread(self, configuration: int) -> np.ndarray:
        """Standard deviation (K, N) over replicas (ddof = 1) of the fraction lost; zero for one replica."""
        fractions = self._fractions(configuration)
        spread: np.ndarray = fractions.std(0, ddof=1) if len(fractions) > 1 else np.zeros_like(fractions[0])
        return spread

    @property
    def propensity(self) -> np.ndarray | None:
        """Of datasets with averages only: their bond-breaking propensity (C, K, N)."""
        return self.bond_breaking

    def row(self, name: str, configuration: int) -> np.ndarray | None:
        """One configuration of an array; of "propensity", the stored bond-breaking propensity."""
        return super().row("bond_breaking" if name == "propensity" else name, configuration)

    def _fractions(self, configuration: int) -> np.ndarray:
        """Fraction of its neighbours that each particle has lost, (R, K, N); kept for the next call."""
        if self._last is None or self._last[0] != configuration:
            self._last = (configuration, self._count(configuration))
        return self._last[1]

    def _count(self, configuration: int) -> np.ndarray:
        try:
            sigma = np.array(get_mixture(self.mixture).sigma)
        except ConfigError:
            raise DataError(
                f"{self.path}: bonds are those of a known mixture, {self.mixture!r} is none"
            ) from None
        where = self.origin(configuration), self._array("box", configuration)
        neighbors = initial_neighbors(*where, self.species, sigma, BOND_FORMED)
        fields = self.displacements(configuration)
        lost = [bond_breaking(fields[:, k], neighbors) for k in range(fields.shape[1])]
        # A particle without neighbours has none to lose.
        return np.nan_to_num(np.stack(lost, axis=1))
