"""Pairs and first neighbours of a configuration, and what becomes of them: bonds, clusters, cages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_array
from scipy.sparse.csgraph import connected_components

from gensample.errors import ConfigError, DataError
from gensample.physics.box import check_cutoff
from gensample.physics.neighbors import batched_neighbor_list, neighbor_list
from gensample.stats.ensemble import Floats, Integers, as_array

PAIRS_AT_ONCE = 2_000_000
"""Ordered pairs looked at in one piece: a few hundred MB."""


class Pairs(NamedTuple):
    """Unordered pairs i < j (P,), their ``distance`` (P,) and unit vectors ``direction`` (P, d), i to j."""

    i: Integers
    j: Integers
    distance: Floats
    direction: Floats


def close_pairs(positions: Any, box: Any, cutoff: float) -> Pairs:
    """All pairs nearer than ``cutoff`` in a periodic box. ConfigError when that exceeds half an edge."""
    x, edges = (torch.from_numpy(as_array(v).copy()) for v in (positions, box))
    index, vectors = neighbor_list(x, edges, cutoff)
    first = index[0] < index[1]
    v = vectors[first].numpy()
    length = np.sqrt((v**2).sum(axis=1))
    if length.size and length.min() == 0:
        raise DataError("two particles of the configuration lie on one point: pairs have no direction there")
    return Pairs(index[0][first].numpy(), index[1][first].numpy(), length, v / length[:, None])


def largest_cutoff(box: Any, wanted: float) -> float:
    """``wanted``, or half the shortest edge where the box is smaller than that."""
    half = float(as_array(box).min()) / 2
    return min(wanted, half)


class PairChunk(NamedTuple):
    """Ordered pairs of some configurations, both directions, sorted by (configuration, i).

    ``rows`` are the configurations in the whole set; of each pair: ``configuration`` within these rows,
    particles ``i`` and ``j`` (P,), ``vector`` from i to j (P, d) and its length ``distance`` (P,).
    """

    rows: slice
    configuration: Integers
    i: Integers
    j: Integers
    vector: Floats
    distance: Floats

    @property
    def size(self) -> int:
        """Number of configurations."""
        return int(self.rows.stop - self.rows.start)


def pair_chunks(positions: Any, box: Any, reach: float) -> Iterator[PairChunk]:
    """All ordered pairs nearer than ``reach`` of positions (C, N, d) in boxes (C, d), some C at a time.

    Raises ConfigError when ``reach`` exceeds half an edge.
    """
    x, edges = (torch.from_numpy(as_array(v).copy()) for v in (positions, box))
    count, n, d = x.shape
    ball = np.pi ** (d / 2) / (1.0 if d == 2 else 0.75 * np.sqrt(np.pi)) * reach**d
    expected = n * min(n, n * ball / float(edges.prod(-1).min()))
    step = max(1, int(PAIRS_AT_ONCE / max(expected, 1.0)))
    for begin in range(0, count, step):
        rows = slice(begin, min(begin + step, count))
        index, vectors = batched_neighbor_list(x[rows], edges[rows], reach)
        owner, i = np.divmod(index[0].numpy(), n)
        yield PairChunk(rows, owner, i, index[1].numpy() % n, vectors.numpy(), vectors.norm(dim=-1).numpy())


class Neighbors(NamedTuple):
    """Initial neighbours in ragged rows: those of particle i are ``other[start[i]:start[i + 1]]``.

    ``center`` repeats i for each; ``vector`` (E, d) points from i to the other, ``diameter`` is sigma_ab.
    """

    center: Integers
    other: Integers
    start: Integers
    vector: Floats
    diameter: Floats


def initial_neighbors(positions: Any, box: Any, species: Any, sigma: Any, reach: float) -> Neighbors:
    """Neighbours with r_ij < reach sigma_ab, of every species. sigma: (S, S) pair diameters."""
    x, edges = (torch.from_numpy(as_array(v).copy()) for v in (positions, box))
    table, kind = as_array(sigma), np.asarray(species)
    if table.ndim != 2 or len(table) <= int(kind.max()):
        raise ConfigError(f"sigma must cover {int(kind.max()) + 1} species, got shape {table.shape}")
    cutoff = reach * float(table.max())
    check_cutoff(cutoff, edges)
    index, vectors = neighbor_list(x, edges, cutoff)
    i, j, v = index[0].numpy(), index[1].numpy(), vectors.numpy()
    diameter = table[kind[i], kind[j]]
    near = (v**2).sum(axis=1) < (reach * diameter) ** 2
    i, j = i[near], j[near]
    start = np.searchsorted(i, np.arange(len(kind) + 1))
    return Neighbors(i, j, start, v[near], diameter[near])


def sum_by_center(values: NDArray[Any], neighbors: Neighbors) -> Floats:
    """Sums over the neighbours of each particle: (..., E) to (..., N)."""
    shape = values.shape[:-1]
    total = np.concatenate([np.zeros((*shape, 1)), np.cumsum(values, axis=-1, dtype=np.float64)], axis=-1)
    return total[..., neighbors.start[1:]] - total[..., neighbors.start[:-1]]


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


def cluster_sizes(chosen: NDArray[np.bool_], pairs: Pairs) -> Floats:
    """Sizes of all clusters of R fields: particles (R, N) that are chosen, joined where they are a pair."""
    particles = chosen.shape[1]
    field, pair = np.nonzero(chosen[:, pairs.i] & chosen[:, pairs.j])
    ends = (field * particles + pairs.i[pair], field * particles + pairs.j[pair])
    graph = coo_matrix((np.ones(len(pair), dtype=bool), ends), shape=(chosen.size, chosen.size))
    _, label = connected_components(graph, directed=False)
    return np.unique(label[chosen.ravel()], return_counts=True)[1].astype(np.float64)


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
