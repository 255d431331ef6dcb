"""Statistics of one configuration, computed once, which means over configurations turn into metrics.

A summary is a dict of arrays. `gensample.stats.metrics` averages summaries over configurations with weights,
so that a bootstrap over configurations never touches a particle again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gensample.seeding import numpy_generator
from gensample.stats import bonds, c2st, correlations, dynamics, pairs, propensity, scores
from gensample.stats.ensemble import Ensemble, Floats, Integers

Summary = dict[str, Floats]

VAN_HOVE_EDGES: Floats = np.linspace(0.0, 2.5, 101)
LOG_EDGES: Floats = np.linspace(-2.5, 1.0, 71)
CORRELATION_WIDTH = 0.1
CORRELATION_FIRST = 0.75
CORRELATION_REACH = 4.05
W1_SPLITS = 16
"""Random ways to halve the replicas over which W1 and its floor are averaged."""
C2ST_SAMPLES = 8192
"""Particles of each class in one classifier test, over all configurations."""


def correlation_edges(box: Floats) -> Floats:
    """Edges of the bins of initial pair distance, 0.1 wide, as far as the box allows."""
    reach = pairs.largest_cutoff(box, CORRELATION_REACH)
    bins = int(np.floor((reach - CORRELATION_FIRST) / CORRELATION_WIDTH + 1e-9))
    return CORRELATION_FIRST + CORRELATION_WIDTH * np.arange(max(bins, 1) + 1, dtype=np.float64)


@dataclass(frozen=True)
class Geometry:
    """What the initial configuration gives to all fields: members, like pairs of each species, neighbours."""

    members: list[Integers]
    like_pairs: list[pairs.Pairs]
    neighbors: pairs.Neighbors
    edges: Floats
    dimension: int


def geometry(ensemble: Ensemble, sigma: Floats, num_species: int, edges: Floats) -> Geometry:
    """Geometry of one configuration; ``sigma`` (S, S) pair diameters, ``edges`` of the distance bins."""
    x, box = ensemble.positions, ensemble.box
    members = [ensemble.members(a) for a in range(num_species)]
    reach = pairs.largest_cutoff(box, float(edges[-1]))
    like = [pairs.close_pairs(x[m], box, reach) for m in members]
    neighbors = pairs.initial_neighbors(x, box, ensemble.species, sigma, bonds.BOND_FORMED)
    return Geometry(members, like, neighbors, edges, ensemble.dimension)


def source_summary(fields: Floats, broken: Floats, species: int, space: Geometry) -> Summary:
    """Summary of one source: ``fields`` (R, N, d) of all particles and the bonds they broke, (R, N)."""
    u = fields[:, space.members[species]]
    length = propensity.magnitudes(u)
    split = propensity.split_variance(length)
    q = dynamics.overlap(u)
    sums = correlations.correlation_sums(u, space.like_pairs[species], space.edges)
    lost = broken[:, space.members[species]]
    return {
        "mu": length.mean(axis=0),
        "mean": length.mean(),
        "delta": np.float64(split.delta),
        "iso": np.float64(split.iso),
        "noise": np.float64(split.iso / split.replicas),
        "replicas": np.float64(split.replicas),
        "second": (length**2).mean(),
        "fourth": (length**4).mean(),
        "overlap": q.mean(),
        "overlap_square": q.mean() ** 2,
        "overlap_noise": q.var(ddof=1) / len(q),
        "chi4_iso": np.float64(dynamics.chi4_within(q, u.shape[1])),
        "bond_breaking": np.nanmean(lost) if np.isfinite(lost).any() else np.float64(np.nan),
        "correlations": np.stack(sums),
        "van_hove": dynamics.van_hove(u, VAN_HOVE_EDGES),
        "log_displacement": dynamics.log_displacement(u, LOG_EDGES),
    }


def paired_summary(observed: Floats, drawn: Floats, generator: np.random.Generator, shared: bool) -> Summary:
    """Summary of drawn (M', N, d) against observed (M, N, d) fields of one species.

    ``shared``: the draws are the observations, permuted for each particle (see `scores.energy_score`).
    """
    seen, made = propensity.magnitudes(observed), propensity.magnitudes(drawn)
    x, y = seen.mean(axis=0), made.mean(axis=0)
    summary = {
        "pearson": np.float64(propensity.pearson(x, y)),
        "spearman": np.float64(propensity.spearman(x, y)),
        "moments": np.array([x.mean(), y.mean(), (x * x).mean(), (y * y).mean(), (x * y).mean()]),
        "crps": scores.crps(seen, made, shared=shared).mean(),
        "crps_best": scores.best_score(seen).mean(),
        "crps_climatology": np.float64(scores.climatology_score(seen, generator)),
        "energy": scores.energy_score(observed, drawn, shared=shared).mean(),
        "energy_best": scores.best_score(observed).mean(),
        "energy_climatology": np.float64(scores.climatology_score(observed, generator)),
    }
    return summary | half_cdfs(seen, made, generator)


def half_cdfs(seen: Floats, made: Floats, generator: np.random.Generator) -> Summary:
    """Cumulative functions of |u| for random halves of both sources, {"cdf": (4, splits, E)}.

    Order: two halves of the observed replicas, two of the drawn ones, m = min(M, M') // 2 replicas in each.
    """
    size = min(len(seen), len(made)) // 2
    parts = [scores.cdf_on(source, scores.LENGTH_GRID) for source in (seen, made)]
    halves: list[list[Floats]] = [[], [], [], []]
    for _ in range(W1_SPLITS):
        for k, part in enumerate(parts):
            order = generator.permutation(len(part))
            halves[2 * k].append(part[order[:size]].mean(axis=0))
            halves[2 * k + 1].append(part[order[size : 2 * size]].mean(axis=0))
    # Single precision: the tables of all configurations are kept for the bootstrap.
    return {"cdf": np.asarray(halves, dtype=np.float32)}


def feature_sample(fields: Floats, species: int, space: Geometry, size: int, *seed: int) -> Floats:
    """Features (n, F) of ``size`` random particles of a species in random fields, for the classifier test."""
    generator = numpy_generator(*seed)
    replica, particle = c2st.draw_samples(len(fields), space.members[species], size, generator)
    return c2st.local_features(fields, replica, particle, space.neighbors)
