"""Pairs and first neighbours, and what becomes of them: bonds, clusters, cages, correlations, S4(q)."""

from __future__ import annotations

import math
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
from gensample.stats.dynamics import OVERLAP_LENGTH, Floats, Integers, as_array, magnitudes, require_replicas

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


CHUNK = 16384
"""Pairs handled at once, so that the gathered displacements of 32 replicas stay near the cache."""


class CorrelationSums(NamedTuple):
    """Sums of replica averages over the pairs in each distance bin, (bins,); they add over configurations.

    ``longitudinal`` of (u_i.r)(u_j.r), ``transverse`` of the same for one direction normal to r, ``mobility``
    of (|u_i| - mu_i)(|u_j| - mu_j) with R - 1 below, since the means come from the same replicas.
    """

    pairs: Floats
    longitudinal: Floats
    transverse: Floats
    mobility: Floats


def correlation_sums(displacements: Any, pairs: Pairs, edges: Any) -> CorrelationSums:
    """Sums for fields (R, N, d) whose particles the pairs number; bins of initial distance ``edges``.

    C_L(r) = <(u_i.r_ij)(u_j.r_ij)>, C_T(r) = (<u_i.u_j> - C_L) / (d - 1): the two invariants of an isotropic
    second-rank tensor field, as in turbulence (von Karman and Howarth, Proc. R. Soc. A 164, 192 (1938)); for
    liquids Doliwa and Heuer, Phys. Rev. E 61, 6898 (2000).
    """
    u = as_array(displacements)
    replicas, _, d = u.shape
    require_replicas(replicas, 2, "a correlation about the isoconfigurational mean")
    length = magnitudes(u)
    rows = [np.ascontiguousarray(u[..., k].T) for k in range(d)]
    rows.append(np.ascontiguousarray((length - length.mean(axis=0)).T))
    bins = len(as_array(edges)) - 1
    which = np.searchsorted(as_array(edges), pairs.distance, side="right") - 1
    inside = np.flatnonzero((which >= 0) & (which < bins))
    sums = np.zeros((3, bins))
    for begin in range(0, inside.size, CHUNK):
        chosen = inside[begin : begin + CHUNK]
        sums += _chunk_sums(rows, pairs, chosen, which[chosen], bins)
    pairs_in_bin = np.bincount(which[inside], minlength=bins).astype(np.float64)
    longitudinal, total, mobility = sums[0] / replicas, sums[1] / replicas, sums[2] / (replicas - 1)
    return CorrelationSums(pairs_in_bin, longitudinal, (total - longitudinal) / (d - 1), mobility)


def _chunk_sums(rows: list[Floats], pairs: Pairs, chosen: Integers, which: Integers, bins: int) -> Floats:
    i, j, direction = pairs.i[chosen], pairs.j[chosen], pairs.direction[chosen]
    along_i = np.zeros((len(chosen), rows[0].shape[1]))
    along_j = np.zeros_like(along_i)
    total = np.zeros(len(chosen))
    for axis, row in enumerate(rows[:-1]):
        a, b = row[i], row[j]
        total += np.einsum("pr,pr->p", a, b)
        a *= direction[:, axis, None]
        b *= direction[:, axis, None]
        along_i += a
        along_j += b
    longitudinal = np.einsum("pr,pr->p", along_i, along_j)
    mobility = np.einsum("pr,pr->p", rows[-1][i], rows[-1][j])
    return np.stack([np.bincount(which, v, bins) for v in (longitudinal, total, mobility)])


class Correlations(NamedTuple):
    """C(r) of `normalise`, all dimensionless and (..., bins); nan in bins without pairs."""

    longitudinal: Floats
    transverse: Floats
    mobility: Floats


def normalise(sums: CorrelationSums, second_moment: Any, iso: Any, dimension: int) -> Correlations:
    """C_L and C_T in units of MSD/d and C_mobility in units of iso, so that each would be 1 for i = j.

    Sums may be means over configurations, (..., bins), with ``second_moment`` (MSD) and ``iso`` (...).
    """
    count = np.where(sums.pairs > 0, sums.pairs, np.nan)
    scale = np.asarray(as_array(second_moment) / dimension)[..., None]
    within = np.asarray(as_array(iso))[..., None]
    scale, within = (np.where(s > 0, s, np.nan) for s in (scale, within))
    return Correlations(
        sums.longitudinal / count / scale, sums.transverse / count / scale, sums.mobility / count / within
    )


def wave_vectors(box: Any, q_max: float) -> Floats:
    """Wave vectors (Q, d) a periodic box allows, 2 pi n / L with 0 < |q| <= q_max, one of each +-q."""
    lengths = as_array(box)
    limits = wave_limits(lengths, q_max)
    ranges = [np.arange(-m, m + 1) for m in limits]
    n = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, len(lengths))
    # The first half of a symmetric grid, before the zero vector in its middle.
    q = 2 * np.pi * n[: len(n) // 2] / lengths
    return q[(q**2).sum(axis=1) <= q_max**2]


def wave_limits(lengths: Floats, q_max: float) -> Integers:
    """Largest |n| along each axis of a box (d,)."""
    limits = np.floor(q_max * lengths / (2 * np.pi)).astype(np.int64)
    if (limits < 1).all():
        raise ConfigError(
            f"no wave vector below q_max = {q_max:g} fits the box: "
            f"raise q_max above {2 * np.pi / lengths.max():g}"
        )
    return limits


Q_MAX = 2.0
"""Largest |q| at which S4 is kept, below the first peak of S(q)."""
FIT_REACH = 1.5
"""Largest |q| of the fit for the length: Flenner, Szamel, Phys. Rev. Lett. 105, 217801 (2010)."""
_FEWEST = 3


def wave_edges(box: Any) -> Floats:
    """Edges of the bins of |q|, one spacing 2 pi / L wide and centred on its multiples; at least three."""
    least = 2 * np.pi / float(as_array(box).max())
    return as_array(least * (np.arange(max(int(Q_MAX / least), _FEWEST) + 1) + 0.5))


_VECTORS_AT_ONCE = 64
"""Wave vectors whose waves at all particles are held at once, so that they stay near the cache."""


def fourier_sums(weights: Floats, positions: Floats, box: Floats, q: Floats) -> NDArray[np.complex128]:
    """Sums of w_j exp(-i q.r_j) over particles, weights (W, N), at wave vectors (Q, d) of the box: (W, Q).

    A wave is the product of one along each axis, of which there are few: exponentials are O(N sqrt(Q)) in 2D.
    """
    number = np.rint(q * box / (2 * np.pi)).astype(np.int64)
    least = number.min(axis=0)
    axes = [
        np.exp(-2j * np.pi / edge * np.arange(low, high + 1)[:, None] * x)
        for edge, low, high, x in zip(box, least, number.max(axis=0), positions.T, strict=True)
    ]
    number, columns = number - least, np.ascontiguousarray(weights.T)
    found = np.empty((len(weights), len(q)), np.complex128)
    for begin in range(0, len(q), _VECTORS_AT_ONCE):
        part = slice(begin, begin + _VECTORS_AT_ONCE)
        waves = math.prod(axis[n] for axis, n in zip(axes, number[part].T, strict=True))
        found[:, part] = (waves.real @ columns + 1j * (waves.imag @ columns)).T
    return found


class FourPointSums(NamedTuple):
    """Sums over the wave vectors in each bin for one configuration, (bins,); they add over configurations.

    ``vectors`` their number, ``square`` of |q|^2, and over the number of particles: ``slow`` of |W(q)|^2,
    ``cross`` of Re W(q) rho(q)* and ``density`` of |rho(q)|^2, means over replicas, ``within`` of the
    variance of W(q) over replicas (R - 1).
    """

    vectors: Floats
    square: Floats
    slow: Floats
    cross: Floats
    density: Floats
    within: Floats


def four_point_sums(
    displacements: Any, positions: Any, box: Any, edges: Any, length: float = OVERLAP_LENGTH
) -> FourPointSums:
    """Sums for fields (R, N, d) of one species from its initial positions (N, d); bins of |q| ``edges``.

    W(q) = sum over particles with |u| < length of exp(-i q.r(0)), rho(q) the same over all particles.
    Lacevic, Starr, Schroder, Glotzer, J. Chem. Phys. 119, 7372 (2003). DataError for one replica.
    """
    slow = (magnitudes(displacements) < length).astype(np.float64)
    replicas, particles = slow.shape
    require_replicas(replicas, 2, "S4 within a configuration")
    grid = as_array(edges)
    q = wave_vectors(box, float(grid[-1]))
    weights = np.vstack([slow, np.ones(particles)])
    both = fourier_sums(weights, as_array(positions), as_array(box), q)
    w, rho = both[:-1], both[-1]
    square = (q**2).sum(axis=1)
    which = np.searchsorted(grid, np.sqrt(square), side="right") - 1
    inside = (which >= 0) & (which < len(grid) - 1)

    def binned(values: Floats) -> Floats:
        return as_array(np.bincount(which[inside], values[inside], len(grid) - 1))

    table = (
        np.ones(len(q)),
        square,
        (np.abs(w) ** 2).mean(axis=0) / particles,
        (w.mean(axis=0) * rho.conj()).real / particles,
        np.abs(rho) ** 2 / particles,
        w.var(axis=0, ddof=1) / particles,
    )
    return FourPointSums(*(binned(values) for values in table))


class FourPoint(NamedTuple):
    """S4(q) of all fields together, ``total``, and its part ``within`` configurations, (..., bins)."""

    total: Floats
    within: Floats


def four_point(sums: FourPointSums, overlap: Any) -> FourPoint:
    """S4(q) = <|W(q) - Q rho(q)|^2> / N from means of sums over configurations (..., bins), Q (...).

    The overlap Q, the mean over all fields, is taken from every particle, so that S4(q -> 0) is chi4 of all
    fields, and equal particles on any structure have none: Toninelli et al., Phys. Rev. E 71, 041505 (2005).
    ``within`` is the variance over replicas alone, S4(q -> 0) the chi4 within a configuration. nan in bins
    without wave vector.
    """
    count = np.where(sums.vectors > 0, sums.vectors, np.nan)
    q = as_array(overlap)[..., None]
    total = sums.slow - 2 * q * sums.cross + q**2 * sums.density
    return FourPoint(total / count, sums.within / count)


def ornstein_zernike(square: Any, s4: Any, vectors: Any) -> Floats:
    """Length xi of S4(q) = S4(0) / (1 + (q xi)^2), fitted at |q| <= 1.5: (..., bins) to (...), sigma_AA.

    ``square`` (..., bins) mean |q|^2 and ``vectors`` (..., bins) number of wave vectors of the bins. Least
    squares of S4 (a + b q^2) - 1, each vector alike (the error of S4 is proportional to it), xi^2 = b / a; 0
    where S4 does not fall with q, nan with fewer than three bins. Lacevic et al., J. Chem. Phys. 119,
    7372 (2003).
    """
    x, y = np.broadcast_arrays(as_array(square), as_array(s4))
    used = (x <= FIT_REACH**2) & np.isfinite(y) & (as_array(vectors) > 0)
    n = np.where(used, as_array(vectors), 0.0)
    x, y = np.where(used, x, 0.0), np.where(used, y, 0.0)
    yy, xyy, xxyy = ((n * x**k * y**2).sum(axis=-1) for k in range(3))
    right, x_right = (n * y).sum(axis=-1), (n * x * y).sum(axis=-1)
    a = right * xxyy - x_right * xyy
    b = x_right * yy - right * xyy
    enough = (used.sum(axis=-1) >= _FEWEST) & (a > 0)
    return np.where(enough, np.sqrt(np.maximum(b, 0.0) / np.where(a > 0, a, 1.0)), np.nan)
