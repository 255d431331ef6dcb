"""Static structure of configurations: partial g(r), partial S(q), closest pairs, first shells.

``positions`` (C, N, d) or (N, d), ``box`` (C, d) or (d,), ``species`` (N,), lengths in sigma_AA. Functions
called ``..._table`` keep the configurations apart, so that means with any weights cost a product of matrices.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gensample.errors import ConfigError
from gensample.stats.dynamics import Floats, Integers, as_array, shell_volumes
from gensample.stats.pairs import PairChunk, pair_chunks, wave_limits
from gensample.stats.sets import Profile, Singles

SpeciesPair = tuple[int, int]
_MEMORY = 4_000_000
"""Complex numbers in the largest intermediate array of the structure factor."""


def batches(positions: Any, box: Any) -> tuple[Floats, Floats]:
    """Positions (C, N, d) and boxes (C, d) of one or more configurations."""
    x = as_array(positions)
    x = x[None] if x.ndim == 2 else x
    return x, np.broadcast_to(as_array(box), (len(x), x.shape[-1]))


def species_pairs(species: Any) -> list[SpeciesPair]:
    """Kinds of pairs (a, b) with a <= b of the species that occur."""
    kinds = [int(k) for k in np.unique(np.asarray(species))]
    return [(a, b) for a in kinds for b in kinds if a <= b]


def pair_kinds(species: Any) -> Integers:
    """Number of the pair (a, b) in `species_pairs`, for every a and b: (S, S), -1 for what does not occur."""
    size = int(np.max(species)) + 1
    table = np.full((size, size), -1, dtype=np.int64)
    for k, (a, b) in enumerate(species_pairs(species)):
        table[a, b] = table[b, a] = k
    return table


def distribution_table(chunk: PairChunk, boxes: Floats, kinds: Any, edges: Floats) -> Floats:
    """g_ab(r) of each configuration of a chunk, boxes (c, d): (c, pairs, bins).

    Pairs found over pairs expected in an ideal gas of the same numbers, N_a N_b v / V for a != b and
    N_a (N_a - 1) v / (2 V) for a = b with the exact shell volume v: an ideal gas gives 1 at any N.
    Hansen and McDonald, Theory of Simple Liquids, sec. 2.5.
    """
    pairs, bins = species_pairs(kinds), len(edges) - 1
    once = chunk.i < chunk.j
    owner, r = chunk.configuration[once], chunk.distance[once]
    kind = pair_kinds(kinds)[kinds[chunk.i[once]], kinds[chunk.j[once]]]
    which = np.searchsorted(edges, r, side="right") - 1
    inside = (which >= 0) & (which < bins)
    cell = ((owner * len(pairs) + kind) * bins + which)[inside]
    counts = np.bincount(cell, minlength=chunk.size * len(pairs) * bins).reshape(chunk.size, len(pairs), bins)
    numbers = np.array([_pair_number(kinds, a, b) for a, b in pairs])
    ideal = numbers[:, None] * shell_volumes(edges, boxes.shape[-1])
    return counts * boxes.prod(axis=-1)[:, None, None] / ideal


def _pair_number(kinds: Any, a: int, b: int) -> float:
    n_a, n_b = int((kinds == a).sum()), int((kinds == b).sum())
    return max(n_a * (n_a - 1) / 2 if a == b else n_a * n_b, np.finfo(float).tiny)


class StructureTable(NamedTuple):
    """Sums over the wave vectors in each bin, one row a configuration.

    ``vectors`` (C, bins) their number, ``modulus`` (C, bins) sum of |q|, ``partial`` (C, pairs, bins).
    """

    vectors: Floats
    modulus: Floats
    partial: Floats


def structure_table(positions: Any, box: Any, species: Any, q_max: float, bins: int) -> StructureTable:
    """S_ab summed over the wave vectors of each bin, for each configuration.

    S_ab(q) = Re <rho_a(q) rho_b(-q)> / sqrt(N_a N_b), rho_a(q) = sum over a of exp(-i q.r): Hansen and
    McDonald, Theory of Simple Liquids, sec. 4.1.

    exp(-i q.r) is a product over the axes, so that the sum over particles is a product of matrices.
    """
    x, boxes = batches(positions, box)
    kinds = np.asarray(species)
    limits = wave_limits(boxes.max(axis=0), q_max)
    step = max(1, int(_MEMORY / (x.shape[1] * np.prod(2.0 * limits[:-1] + 1))))
    parts = [
        _structure_sums(x[k : k + step], boxes[k : k + step], kinds, limits, np.linspace(0, q_max, bins + 1))
        for k in range(0, len(x), step)
    ]
    return StructureTable(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _structure_sums(
    x: Floats, boxes: Floats, kinds: Any, limits: Integers, edges: Floats
) -> tuple[Floats, Floats, Floats]:
    # Half of the vectors +-q will do: n along the first axis up to 0, and the first half of that grid.
    numbers = [np.arange(-limits[0], 1), *(np.arange(-m, m + 1) for m in limits[1:])]
    half = int(np.prod(2 * limits + 1)) // 2
    n = np.stack(np.meshgrid(*numbers, indexing="ij"), axis=-1).reshape(-1, len(limits))[:half]
    modulus = np.sqrt((((2 * np.pi / boxes[:, None]) * n) ** 2).sum(axis=-1))
    bins = len(edges) - 1
    which = np.clip(np.searchsorted(edges, modulus, side="right") - 1, 0, bins - 1)
    cell = which + bins * np.arange(len(x))[:, None]
    kept = modulus <= edges[-1]

    def binned(values: Floats) -> Floats:
        return as_array(np.bincount(cell[kept], values[kept], len(x) * bins)).reshape(len(x), bins)

    phase = 2 * np.pi * x / boxes[:, None]
    density = {
        int(a): _density(phase[:, kinds == a], numbers)[:, :half] / np.sqrt((kinds == a).sum())
        for a in np.unique(kinds)
    }
    products = [binned((density[a] * density[b].conj()).real) for a, b in species_pairs(kinds)]
    return binned(np.ones_like(modulus)), binned(modulus), np.stack(products, axis=1)


def _density(phase: Floats, numbers: list[Integers]) -> Any:
    """rho(n) = sum over particles of exp(-i n.phase) on the grid of ``numbers``, (c, N, d) to (c, grid)."""
    waves = [np.exp(-1j * phase[..., k, None] * n) for k, n in enumerate(numbers)]
    product = waves[0]
    for wave in waves[1:-1]:
        product = (product[..., None] * wave[:, :, None]).reshape(*product.shape[:2], -1)
    return (product.swapaxes(1, 2) @ waves[-1]).reshape(len(phase), -1)


def closest_table(chunk: PairChunk, kinds: Any) -> Floats:
    """Smallest distance of each kind of pair in each configuration of a chunk: (c, pairs), inf for none."""
    pairs = species_pairs(kinds)
    least = np.full(chunk.size * len(pairs), np.inf)
    kind = pair_kinds(kinds)[kinds[chunk.i], kinds[chunk.j]]
    np.minimum.at(least, chunk.configuration * len(pairs) + kind, chunk.distance)
    return least.reshape(chunk.size, len(pairs))


FIRST_SHELL = 1.4
"""Cut-off in units of sigma_ab: near the first minimum of every g_ab(r) of the Kob-Andersen mixtures."""
MOST_NEIGHBORS = 24
"""Coordination numbers from here on are counted together: only overlapping cores reach them."""
ANGLE_BINS = 36


class Shells:
    """First neighbours in a chunk of ordered pairs; ``kinds`` (N,) species, ``sigma`` (S, S) diameters."""

    def __init__(self, chunk: PairChunk, kinds: Integers, sigma: Floats) -> None:
        near = chunk.distance < FIRST_SHELL * sigma[kinds[chunk.i], kinds[chunk.j]]
        self.size, self.kinds = chunk.size, kinds
        self.center = chunk.configuration[near] * len(kinds) + chunk.i[near]
        self.other_kind = kinds[chunk.j[near]]
        # The floor gives particles on one point some direction instead of none.
        self.direction = chunk.vector[near] / np.maximum(chunk.distance[near], 1e-300)[:, None]

    def coordination(self) -> Floats:
        """Share of the particles of species a with k neighbours of species b: (c, S * S, MOST + 1).

        Rows (a, b) in the order aa, ab, ba, bb; zero where there is no particle of species a.
        """
        n, species = len(self.kinds), int(self.kinds.max()) + 1
        counts = np.bincount(self.center * species + self.other_kind, minlength=self.size * n * species)
        k = np.minimum(counts.reshape(self.size, n, species), MOST_NEIGHBORS)
        row = self.kinds[:, None] * species + np.arange(species)
        block = np.arange(self.size)[:, None, None] * species**2 + row
        bins = MOST_NEIGHBORS + 1
        table = np.bincount((block * bins + k).ravel(), minlength=self.size * species**2 * bins)
        numbers = np.repeat(np.bincount(self.kinds, minlength=species), species)
        return table.reshape(self.size, species**2, bins) / np.maximum(numbers, 1)[:, None]

    def angles(self) -> Floats:
        """Numbers of angles between neighbours j and k of i, seen from i, by species of i: (c, S, bins).

        Every pair of neighbours once, of any species, in ANGLE_BINS bins from 0 to 180 degrees.
        """
        first, second = _pairs_within_rows(self.center)
        cosine = np.einsum("pd,pd->p", self.direction[first], self.direction[second])
        angle = np.arccos(np.clip(cosine, -1.0, 1.0))
        which = np.minimum((angle * (ANGLE_BINS / np.pi)).astype(np.int64), ANGLE_BINS - 1)
        owner, particle = np.divmod(self.center[first], len(self.kinds))
        species = int(self.kinds.max()) + 1
        cell = (owner * species + self.kinds[particle]) * ANGLE_BINS + which
        table = np.bincount(cell, minlength=self.size * species * ANGLE_BINS)
        return table.reshape(self.size, species, ANGLE_BINS).astype(np.float64)


def _pairs_within_rows(row: Integers) -> tuple[Integers, Integers]:
    """Every unordered pair of entries that share a row; ``row`` (E,) ascending. Two arrays of entries."""
    new = np.concatenate([[True], row[1:] != row[:-1]]) if len(row) else np.zeros(0, bool)
    entry = np.arange(len(row))
    start = np.maximum.accumulate(np.where(new, entry, 0)) if len(row) else entry
    earlier = entry - start  # entries of the same row before this one
    first = np.repeat(entry, earlier)
    offset = np.repeat(np.cumsum(earlier) - earlier, earlier)
    return first, np.repeat(start, earlier) + np.arange(len(first)) - offset


BIN = 0.025
"""Width of the bins of g(r)."""
REACH = 4.0
"""g(r) is compared up to here, or to half the smallest box."""
Q_MAX = 12.0
Q_BINS = 60


class Tables(NamedTuple):
    """``profiles`` by name; ``closest`` (C, pairs) smallest distance over sigma_ab, inf for none in reach;
    ``pairs`` their labels; ``coordination`` (C, S * S) means and ``shells`` their labels, neighbours second.
    """

    profiles: dict[str, Profile]
    closest: Floats
    pairs: tuple[str, ...]
    coordination: Floats
    shells: tuple[str, ...]


def letters(*species: int) -> str:
    """AB for 0, 1."""
    return "".join(chr(ord("A") + s) for s in species)


def common_edges(*boxes: Floats) -> Floats:
    """Edges of the bins of g(r), BIN wide, as far as half the smallest edge of all boxes allows."""
    half = min(float(box.min()) for box in boxes) / 2
    bins = int(np.floor(min(REACH, half) / BIN + 1e-9))
    return np.arange(bins + 1, dtype=np.float64) * BIN


def structure_tables(
    positions: Floats, box: Floats, species: Integers, sigma: Floats, edges: Floats
) -> Tables:
    """Tables of configurations (C, N, d); ``sigma`` (S, S) pair diameters, ``edges`` of the bins of g(r).

    Raises ConfigError when the first shell does not fit half the box.
    """
    shell = FIRST_SHELL * float(sigma.max())
    if shell > edges[-1] + BIN:
        raise ConfigError(
            f"the first shell reaches {shell:g}, half the smallest box only {edges[-1]:g}: "
            "use a larger system"
        )
    parts = []
    for chunk in pair_chunks(positions, box, min(max(edges[-1], shell), float(box.min()) / 2)):
        shells = Shells(chunk, species, sigma)
        parts.append(
            (
                distribution_table(chunk, box[chunk.rows], species, edges).astype(np.float32),
                closest_table(chunk, species),
                shells.coordination().astype(np.float32),
                shells.angles().astype(np.float32),
            )
        )
    g, closest, coordination, angles = (np.concatenate(part) for part in zip(*parts, strict=True))
    pairs = species_pairs(species)
    kinds = range(int(species.max()) + 1)
    ordered = [(a, b) for a in kinds for b in kinds]
    factor = structure_table(positions, box, species, Q_MAX, Q_BINS)
    profiles = _profiles(g, factor, coordination, angles, species, edges)
    return Tables(
        profiles,
        closest / np.array([sigma[a, b] for a, b in pairs]),
        tuple(letters(*pair) for pair in pairs),
        (coordination @ np.arange(MOST_NEIGHBORS + 1)).astype(np.float64),
        tuple(letters(*pair) for pair in ordered),
    )


def _norm_of_one(value: Singles) -> Singles:
    """A norm of 1 for every configuration."""
    return np.broadcast_to(np.ones((1, 1, 1), np.float32), (len(value), 1, 1))


def _profiles(
    g: Singles,
    factor: StructureTable,
    coordination: Singles,
    angles: Singles,
    species: Integers,
    edges: Floats,
) -> dict[str, Profile]:
    """Profiles by name, each weighed in a distance by the share of what it is of.

    g_ab by that of the pairs, S_ab by its factor in the total S(q), numbers of neighbours and angles by that
    of the particles. All angles of a set together, so that particles with more neighbours count more.
    """
    share, pairs = np.bincount(species) / len(species), species_pairs(species)
    kinds = range(len(share))
    labels, ordered = (
        tuple(letters(*p) for p in of) for of in (pairs, [(a, b) for a in kinds for b in kinds])
    )
    times = [1 if a == b else 2 for a, b in pairs]
    of_pairs = np.array([share[a] * share[b] * n for (a, b), n in zip(pairs, times, strict=True)])
    of_waves = np.array([np.sqrt(share[a] * share[b]) * n for (a, b), n in zip(pairs, times, strict=True)])
    of_neighbors = np.array([share[a] for a in kinds for _ in kinds]) / len(share)
    s = (factor.partial / np.maximum(factor.vectors, 1)[:, None]).astype(np.float32)
    filled = (factor.vectors > 0)[:, None].astype(np.float32)
    width = 180 / ANGLE_BINS
    q = (np.arange(Q_BINS) + 0.5) * Q_MAX / Q_BINS
    neighbors = np.arange(MOST_NEIGHBORS + 1, dtype=np.float64)
    degrees = (np.arange(ANGLE_BINS, dtype=np.float64) + 0.5) * width
    density, norm = (angles / width).astype(np.float32), angles.sum(axis=-1, keepdims=True)
    return {
        "pair_distribution": Profile(labels, of_pairs, (edges[1:] + edges[:-1]) / 2, g, _norm_of_one(g)),
        "structure_factor": Profile(labels, of_waves, q, s, filled),
        "coordination": Profile(ordered, of_neighbors, neighbors, coordination, _norm_of_one(coordination)),
        "angles": Profile(tuple(letters(a) for a in kinds), share, degrees, density, norm),
    }
