"""Everything about the arrangement of particles, one row a configuration, from one pass over the pairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gensample.errors import ConfigError
from gensample.stats.ensemble import Floats, Integers
from gensample.stats.pairs import pair_chunks
from gensample.stats.profiles import Profile, Singles
from gensample.stats.shells import ANGLE_BINS, FIRST_SHELL, MOST_NEIGHBORS, Shells
from gensample.stats.structure import (
    closest_table,
    distribution_table,
    species_pairs,
    structure_table,
)

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


def tables(positions: Floats, box: Floats, species: Integers, sigma: Floats, edges: Floats) -> Tables:
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
    profiles = {
        "pair_distribution": _pair_profile(g, species, edges),
        "structure_factor": _structure_profile(positions, box, species),
        "coordination": _coordination_profile(coordination, species, ordered),
        "angles": _angle_profile(angles, species),
    }
    return Tables(
        profiles,
        closest / np.array([sigma[a, b] for a, b in pairs]),
        tuple(letters(*pair) for pair in pairs),
        (coordination @ np.arange(MOST_NEIGHBORS + 1)).astype(np.float64),
        tuple(letters(*pair) for pair in ordered),
    )


def _shares(species: Integers) -> Floats:
    return np.bincount(species) / len(species)


_ONE = np.ones((1, 1, 1), np.float32)


def _constant(value: Singles) -> Singles:
    """A norm of 1 for every configuration."""
    return np.broadcast_to(_ONE, (len(value), 1, 1))


def _pair_profile(g: Singles, species: Integers, edges: Floats) -> Profile:
    """g_ab, weighed by the share of pairs of that kind."""
    share, pairs = _shares(species), species_pairs(species)
    composition = np.array([share[a] * share[b] * (1 if a == b else 2) for a, b in pairs])
    return Profile(
        tuple(letters(*p) for p in pairs), composition, (edges[1:] + edges[:-1]) / 2, g, _constant(g)
    )


def _structure_profile(positions: Floats, box: Floats, species: Integers) -> Profile:
    """S_ab, weighed by its factor in the total S(q)."""
    found = structure_table(positions, box, species, Q_MAX, Q_BINS)
    filled = found.vectors > 0
    value = (found.partial / np.maximum(found.vectors, 1)[:, None]).astype(np.float32)
    share, pairs = _shares(species), species_pairs(species)
    composition = np.array([np.sqrt(share[a] * share[b]) * (1 if a == b else 2) for a, b in pairs])
    x = (np.arange(Q_BINS) + 0.5) * Q_MAX / Q_BINS
    return Profile(
        tuple(letters(*p) for p in pairs), composition, x, value, filled[:, None].astype(np.float32)
    )


def _coordination_profile(table: Singles, species: Integers, ordered: list[tuple[int, int]]) -> Profile:
    share = _shares(species)
    composition = np.array([share[a] for a, _ in ordered]) / len(share)
    x = np.arange(MOST_NEIGHBORS + 1, dtype=np.float64)
    return Profile(tuple(letters(*p) for p in ordered), composition, x, table, _constant(table))


def _angle_profile(counts: Singles, species: Integers) -> Profile:
    """Density per degree; all angles of a set together, so that particles with more neighbours count more."""
    width = 180 / ANGLE_BINS
    x = (np.arange(ANGLE_BINS, dtype=np.float64) + 0.5) * width
    labels = tuple(letters(a) for a in range(counts.shape[1]))
    return Profile(
        labels, _shares(species), x, (counts / width).astype(np.float32), counts.sum(axis=-1, keepdims=True)
    )
