"""First shells: how many neighbours of each species, and the angles between them.

Neighbours are nearer than FIRST_SHELL sigma_ab, between the first and the second peak of g_ab(r).
"""

from __future__ import annotations

import numpy as np

from gensample.stats.ensemble import Floats, Integers
from gensample.stats.pairs import PairChunk

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
