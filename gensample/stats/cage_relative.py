"""Displacements relative to the cage: what is left without the long waves of a two-dimensional solid."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from gensample.stats.ensemble import Floats, as_array
from gensample.stats.pairs import Neighbors


def cage_relative(displacements: Any, neighbors: Neighbors) -> Floats:
    """u_i minus the mean displacement of its initial neighbours: (R, N, d) to (R, N, d), sigma_AA.

    Mazoyer, Ebert, Maret, Keim, EPL 88, 66004 (2009). A particle without neighbours has no cage to move with
    and keeps u_i.
    """
    u = as_array(displacements)
    replicas, particles, d = u.shape
    count = np.diff(neighbors.start)
    share = np.repeat(1.0 / np.maximum(count, 1), count)
    mean = csr_array((share, neighbors.other, neighbors.start), shape=(particles, particles))
    rows = u.transpose(1, 0, 2).reshape(particles, -1)
    return (rows - mean @ rows).reshape(particles, replicas, d).transpose(1, 0, 2)
