"""Static structure of configurations: partial g(r), partial S(q), closest pairs.

``positions`` (C, N, d) or (N, d), ``box`` (C, d) or (d,), ``species`` (N,), lengths in sigma_AA.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gensample.errors import ConfigError
from gensample.stats.dynamics import shell_volumes
from gensample.stats.ensemble import Floats, as_array
from gensample.stats.pairs import close_pairs, largest_cutoff

SpeciesPair = tuple[int, int]


def _batches(positions: Any, box: Any) -> tuple[Floats, Floats]:
    x = as_array(positions)
    x = x[None] if x.ndim == 2 else x
    return x, np.broadcast_to(as_array(box), (len(x), x.shape[-1]))


def _species_pairs(species: Any) -> list[SpeciesPair]:
    kinds = [int(k) for k in np.unique(np.asarray(species))]
    return [(a, b) for a in kinds for b in kinds if a <= b]


def pair_distribution(positions: Any, box: Any, species: Any, edges: Any) -> dict[SpeciesPair, Floats]:
    """Partial g_ab(r) in bins of r, averaged over configurations: {(a, b): (bins,)} with a <= b.

    Pairs found over pairs expected in an ideal gas of the same numbers, N_a N_b v / V for a != b and
    N_a (N_a - 1) v / (2 V) for a = b with the exact shell volume v: an ideal gas gives 1 at any N.
    Hansen and McDonald, Theory of Simple Liquids, sec. 2.5. ConfigError when edges reach beyond half the box.
    """
    x, boxes = _batches(positions, box)
    kinds, grid = np.asarray(species), as_array(edges)
    shells = shell_volumes(grid, x.shape[-1])
    found = {pair: np.zeros(len(grid) - 1) for pair in _species_pairs(kinds)}
    for frame, lengths in zip(x, boxes, strict=True):
        pairs = close_pairs(frame, lengths, float(grid[-1]))
        low, high = np.minimum(kinds[pairs.i], kinds[pairs.j]), np.maximum(kinds[pairs.i], kinds[pairs.j])
        for (a, b), total in found.items():
            counts, _ = np.histogram(pairs.distance[(low == a) & (high == b)], bins=grid)
            total += counts * np.prod(lengths) / (_pair_number(kinds, a, b) * shells)
    return {pair: total / len(x) for pair, total in found.items()}


def _pair_number(kinds: Any, a: int, b: int) -> float:
    n_a, n_b = int((kinds == a).sum()), int((kinds == b).sum())
    return max(n_a * (n_a - 1) / 2 if a == b else n_a * n_b, np.finfo(float).tiny)


class StructureFactor(NamedTuple):
    """``q`` (bins,) mean modulus of the vectors in each bin, ``partial`` {(a, b): (bins,)} and ``total``."""

    q: Floats
    partial: dict[SpeciesPair, Floats]
    total: Floats


def wave_vectors(box: Any, q_max: float) -> Floats:
    """Wave vectors (Q, d) a periodic box allows, 2 pi n / L with 0 < |q| <= q_max, one of each +-q."""
    lengths = as_array(box)
    limits = np.floor(q_max * lengths / (2 * np.pi)).astype(int)
    if (limits < 1).all():
        raise ConfigError(
            f"no wave vector below q_max = {q_max:g} fits the box: "
            f"raise q_max above {2 * np.pi / lengths.max():g}"
        )
    ranges = [np.arange(-m, m + 1) for m in limits]
    n = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, len(lengths))
    # The first half of a symmetric grid, before the zero vector in its middle.
    q = 2 * np.pi * n[: len(n) // 2] / lengths
    return q[(q**2).sum(axis=1) <= q_max**2]


def structure_factor(
    positions: Any, box: Any, species: Any, q_max: float = 12.0, bins: int = 60, chunk: int = 2048
) -> StructureFactor:
    """Partial structure factors on the allowed wave vectors, averaged in bins of |q| and over configurations.

    S_ab(q) = Re <rho_a(q) rho_b(-q)> / sqrt(N_a N_b), rho_a(q) = sum over a of exp(-i q.r); the total divides
    by N. Hansen and McDonald, Theory of Simple Liquids, sec. 4.1. nan in bins without a wave vector.
    """
    x, boxes = _batches(positions, box)
    kinds = np.asarray(species)
    edges = np.linspace(0, q_max, bins + 1)
    pairs = _species_pairs(kinds)
    sums = np.zeros((2 + len(pairs), bins))
    for frame, lengths in zip(x, boxes, strict=True):
        q = wave_vectors(lengths, q_max)
        for begin in range(0, len(q), chunk):
            sums += _structure_sums(frame, kinds, pairs, q[begin : begin + chunk], edges)
    count = np.where(sums[0] > 0, sums[0], np.nan)
    partial = {pair: sums[2 + k] / count for k, pair in enumerate(pairs)}
    numbers = {a: int((kinds == a).sum()) for a, _ in pairs}
    total = sum(
        (partial[a, b] * (1 if a == b else 2) * np.sqrt(numbers[a] * numbers[b]) for a, b in pairs),
        start=np.zeros(bins),
    )
    return StructureFactor(sums[1] / count, partial, total / len(kinds))


def _structure_sums(frame: Floats, kinds: Any, pairs: list[SpeciesPair], q: Floats, edges: Floats) -> Floats:
    modulus = np.sqrt((q**2).sum(axis=1))
    which = np.clip(np.searchsorted(edges, modulus, side="right") - 1, 0, len(edges) - 2)
    density = {}
    for a in {k for pair in pairs for k in pair}:
        phase = q @ frame[kinds == a].T
        density[a] = (np.cos(phase).sum(axis=1) - 1j * np.sin(phase).sum(axis=1)) / np.sqrt(
            (kinds == a).sum()
        )
    products = [(density[a] * density[b].conj()).real for a, b in pairs]
    rows = [np.ones_like(modulus), modulus, *products]
    return np.stack([np.bincount(which, row, len(edges) - 1) for row in rows])


def closest_pairs(positions: Any, box: Any, species: Any, search: float = 2.0) -> dict[SpeciesPair, Floats]:
    """Smallest distance of each kind of pair in each configuration, {(a, b): (C,)}; inf for none in reach.

    Overlapping cores show here long before they show in g(r).
    """
    x, boxes = _batches(positions, box)
    kinds = np.asarray(species)
    least = {pair: np.full(len(x), np.inf) for pair in _species_pairs(kinds)}
    for c, (frame, lengths) in enumerate(zip(x, boxes, strict=True)):
        pairs = close_pairs(frame, lengths, largest_cutoff(lengths, search))
        low, high = np.minimum(kinds[pairs.i], kinds[pairs.j]), np.maximum(kinds[pairs.i], kinds[pairs.j])
        for (a, b), values in least.items():
            values[c] = pairs.distance[(low == a) & (high == b)].min(initial=np.inf)
    return least
