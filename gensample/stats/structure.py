"""Static structure of configurations: partial g(r), partial S(q), closest pairs.

``positions`` (C, N, d) or (N, d), ``box`` (C, d) or (d,), ``species`` (N,), lengths in sigma_AA. Functions
called ``..._table`` keep the configurations apart, so that means with any weights cost a product of matrices.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gensample.errors import ConfigError
from gensample.stats.dynamics import shell_volumes
from gensample.stats.ensemble import Floats, Integers, as_array
from gensample.stats.pairs import PairChunk

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
    """g_ab(r) of each configuration of a chunk, boxes (c, d): (c, pairs, bins); see `pair_distribution`."""
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


def wave_vectors(box: Any, q_max: float) -> Floats:
    """Wave vectors (Q, d) a periodic box allows, 2 pi n / L with 0 < |q| <= q_max, one of each +-q."""
    lengths = as_array(box)
    limits = _limits(lengths, q_max)
    ranges = [np.arange(-m, m + 1) for m in limits]
    n = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, len(lengths))
    # The first half of a symmetric grid, before the zero vector in its middle.
    q = 2 * np.pi * n[: len(n) // 2] / lengths
    return q[(q**2).sum(axis=1) <= q_max**2]


def _limits(lengths: Floats, q_max: float) -> Integers:
    """Largest |n| along each axis of a box (d,)."""
    limits = np.floor(q_max * lengths / (2 * np.pi)).astype(np.int64)
    if (limits < 1).all():
        raise ConfigError(
            f"no wave vector below q_max = {q_max:g} fits the box: "
            f"raise q_max above {2 * np.pi / lengths.max():g}"
        )
    return limits


def structure_table(positions: Any, box: Any, species: Any, q_max: float, bins: int) -> StructureTable:
    """S_ab summed over the wave vectors of each bin, for each configuration; see `structure_factor`.

    exp(-i q.r) is a product over the axes, so that the sum over particles is a product of matrices.
    """
    x, boxes = batches(positions, box)
    kinds = np.asarray(species)
    limits = _limits(boxes.max(axis=0), q_max)
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
