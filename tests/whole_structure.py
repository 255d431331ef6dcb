"""Pair distributions, structure factors and closest pairs of whole sets, from the tables of the library."""

import numpy as np

from gensample.stats.pairs import largest_cutoff, pair_chunks
from gensample.stats.structure import (
    batches,
    closest_table,
    distribution_table,
    species_pairs,
    structure_table,
)


def pair_distribution(positions, box, species, edges, weights=None):
    """Partial g_ab(r) averaged over configurations, {(a, b): (bins,)} with a <= b."""
    x, boxes = batches(positions, box)
    kinds, edges = np.asarray(species), np.asarray(edges, float)
    chunks = pair_chunks(x, boxes, float(edges[-1]))
    table = np.concatenate([distribution_table(chunk, boxes[chunk.rows], kinds, edges) for chunk in chunks])
    return dict(zip(species_pairs(kinds), np.average(table, axis=0, weights=weights), strict=True))


def structure_factor(positions, box, species, q_max, bins):
    """(mean |q|, {(a, b): S_ab}, total) in bins of |q|; nan without a wave vector."""
    kinds = np.asarray(species)
    table = structure_table(positions, box, kinds, q_max, bins)
    count = table.vectors.sum(axis=0)
    count = np.where(count > 0, count, np.nan)
    mean, pairs = table.partial.sum(axis=0) / count, species_pairs(kinds)
    share = [(1 if a == b else 2) * np.sqrt(np.mean(kinds == a) * np.mean(kinds == b)) for a, b in pairs]
    return table.modulus.sum(axis=0) / count, dict(zip(pairs, mean, strict=True)), np.array(share) @ mean


def closest_pairs(positions, box, species, search=2.0):
    """Smallest distance of each kind of pair in each configuration, {(a, b): (C,)}."""
    x, boxes = batches(positions, box)
    kinds = np.asarray(species)
    chunks = pair_chunks(x, boxes, largest_cutoff(boxes, search))
    table = np.concatenate([closest_table(chunk, kinds) for chunk in chunks])
    return dict(zip(species_pairs(kinds), table.T, strict=True))
