"""Clusters of chosen particles that are neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from gensample.stats.ensemble import Floats
from gensample.stats.pairs import Pairs


def sizes(chosen: NDArray[np.bool_], pairs: Pairs) -> Floats:
    """Sizes of all clusters of R fields: particles (R, N) that are chosen, joined where they are a pair."""
    particles = chosen.shape[1]
    field, pair = np.nonzero(chosen[:, pairs.i] & chosen[:, pairs.j])
    ends = (field * particles + pairs.i[pair], field * particles + pairs.j[pair])
    graph = coo_matrix((np.ones(len(pair), dtype=bool), ends), shape=(chosen.size, chosen.size))
    _, label = connected_components(graph, directed=False)
    return np.unique(label[chosen.ravel()], return_counts=True)[1].astype(np.float64)
