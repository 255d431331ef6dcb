"""Bond breaking: which initial neighbours a particle has lost."""

from __future__ import annotations

from typing import Any

import numpy as np

from gensample.errors import ConfigError
from gensample.stats.ensemble import Floats, as_array
from gensample.stats.pairs import Neighbors, sum_by_center

BOND_FORMED = 1.35
"""Neighbours at first: r_ij(0) < 1.35 sigma_ab, beyond the first peak of g_ab(r)."""
BOND_BROKEN = 1.7
"""Lost: r_ij(t) > 1.7 sigma_ab; the gap keeps vibrations across one cut-off from counting as breaking."""


def bond_breaking(displacements: Any, neighbors: Neighbors, broken: float = BOND_BROKEN) -> Floats:
    """Fraction of initial neighbours lost by each particle in each field: (R, N, d) to (R, N).

    A neighbour is lost when |r_ij + u_j - u_i| > broken sigma_ab; no image is taken, since displacements are
    unwrapped. nan for a particle without initial neighbours. Yamamoto and Onuki, Phys. Rev. E 58, 3515
    (1998); Shiba, Kawasaki, Onuki, Phys. Rev. E 86, 041504 (2012).
    """
    if broken <= 1:
        raise ConfigError(f"broken must exceed 1 (in units of sigma_ab), got {broken}; 1.7 is usual")
    u = as_array(displacements)
    count = np.diff(neighbors.start).astype(np.float64)
    lost = np.empty(u.shape[:2])
    limit = (broken * neighbors.diameter) ** 2
    for k, field in enumerate(u):
        bond = neighbors.vector + field[neighbors.other] - field[neighbors.center]
        lost[k] = sum_by_center((bond**2).sum(axis=1) > limit, neighbors)
    return lost / np.where(count > 0, count, np.nan)
