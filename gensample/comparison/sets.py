"""Compare two sets of configurations of one mixture at one temperature; nothing is paired."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from gensample.comparison.pairing import check_configurations
from gensample.comparison.quantities import EVERYONE, OfSets, all_quantities
from gensample.errors import DataError
from gensample.physics.mixtures import Mixture
from gensample.physics.potentials import energy
from gensample.seeding import numpy_generator
from gensample.stats import sets as stats
from gensample.stats.dynamics import Floats, Integers, as_array
from gensample.stats.sets import part_size
from gensample.stats.structure import Tables, common_edges, letters, structure_tables

Entry = dict[str, Any]
"""{"value": v, "interval": [lo, hi] or None}"""
ATOMS_AT_ONCE = 20_000
"""Particles whose energies are computed in one piece."""


@dataclass(frozen=True)
class Configurations:
    """C configurations of N particles in d dimensions at one temperature, and what is known of each.

    ``positions`` (C, N, d), ``box`` (C, d), ``species`` (N,) from 0; optional: ``inherent_energy`` (C,) per
    particle; ``log_density`` (C,) of the labelled configuration under its model, with the variance of its
    estimate in ``log_density_variance`` (C,); ``propensity`` (C', N, K) of some of the configurations at
    the lag times ``times`` (K,).

    Raises DataError where shapes disagree.
    """

    positions: Floats
    box: Floats
    species: Integers
    inherent_energy: Floats | None = None
    log_density: Floats | None = None
    log_density_variance: Floats | None = None
    propensity: Floats | None = None
    times: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        count, n, d = self.positions.shape
        if self.box.shape != (count, d) or self.species.shape != (n,) or count == 0:
            raise DataError(
                f"configurations need positions (C, N, d), box (C, d) and species (N,) with C >= 1, got "
                f"{self.positions.shape}, {self.box.shape} and {self.species.shape}"
            )
        for name in ("inherent_energy", "log_density", "log_density_variance"):
            value = getattr(self, name)
            if value is not None and value.shape != (count,):
                raise DataError(f"{name} must have shape ({count},), got {value.shape}")
        if self.propensity is not None and self.propensity.shape[1:] != (n, len(self.times)):
            raise DataError(
                f"propensity must have shape (C', {n}, {len(self.times)}), got {self.propensity.shape}"
            )

    @property
    def size(self) -> int:
        """C."""
        return len(self.positions)

    @property
    def num_particles(self) -> int:
        """N."""
        return int(self.positions.shape[1])

    @property
    def dimension(self) -> int:
        """d."""
        return int(self.positions.shape[2])


@dataclass(frozen=True, kw_only=True)
class Side(Configurations):
    """One set of configurations with their structure in `Tables` and their ``energy`` (C,) per particle, None
    without a potential.
    """

    energy: Floats | None
    tables: Tables

    def by_group(self) -> Iterator[Floats]:
        """Propensities (C', n) of each lag time and species, in the order of `group_letters`."""
        assert self.propensity is not None, "the propensities are not known"
        for k in range(len(self.times)):
            for a in range(int(self.species.max()) + 1):
                yield self.propensity[:, self.species == a, k]


def group_letters(side: Side) -> list[str]:
    """ "A, t = 1", "B, t = 1", "A, t = 10" ..."""
    species = range(int(side.species.max()) + 1)
    return [f"{letters(a)}, t = {time:g}" for time in side.times for a in species]


@dataclass(frozen=True)
class Sets:
    """Both sets at one temperature: what quantities of configurations are found from.

    ``log_weights`` (C,) of the generated configurations, None without a density; ``bootstrap`` resamples;
    ``found`` are the entries of the quantities before.
    """

    simulated: Side
    generated: Side
    temperature: float
    log_weights: Floats | None
    bootstrap: int
    found: dict[str, Any] = field(default_factory=dict)


class AtTemperature(NamedTuple):
    """``metrics`` of one temperature, JSON-ready; ``curves`` maps a name to rows (`all_curves`)."""

    metrics: dict[str, Any]
    curves: dict[str, list[dict[str, Any]]]


def compare_configurations(
    simulated: Configurations,
    generated: Configurations,
    *,
    mixture: Mixture,
    temperature: float,
    truncation: str | None = None,
    seed: int,
    bootstrap: int = 1000,
    progress: Callable[[str], None] | None = None,
) -> AtTemperature:
    """All quantities of docs/statistics.md, section "Generated configurations", at one temperature.

    The two sets share mixture and temperature; numbers of configurations and of particles may differ.
    ``truncation`` overrides the mixture's; ``seed`` decides splits and resamples; ``bootstrap`` resamples
    of the configurations; ``progress`` is called with a line before each part.

    Raises DataError where the sets do not fit the mixture or each other or hold a structure twice,
    ConfigError for a box too small.
    """
    tell = progress or (lambda line: None)
    _check(simulated, generated, mixture)
    edges = common_edges(simulated.box, generated.box)
    check_configurations(simulated.positions, generated.positions, simulated.box, generated.box)

    def reduced(name: str, of: Configurations) -> Side:
        tell(f"T = {temperature:g}, {name}: energies")
        known = mixture.has_potential
        per_particle = potential_energies(of, mixture, truncation) / of.num_particles if known else None
        tell(f"T = {temperature:g}, {name}: pairs, neighbours, structure factor")
        found = structure_tables(of.positions, of.box, of.species, as_array(mixture.sigma), edges)
        return Side(**vars(of), energy=per_particle, tables=found)

    ours, theirs = reduced("simulated", simulated), reduced("generated", generated)
    tell(f"T = {temperature:g}: intervals and distances")
    logs = None
    if generated.log_density is not None and theirs.energy is not None:
        total = theirs.energy * generated.num_particles
        logs = stats.log_weights(total, temperature, generated.log_density, generated.log_density_variance)
    sets, generator = Sets(ours, theirs, temperature, logs, bootstrap), numpy_generator(seed)
    for find in dict.fromkeys(q.find for q in all_quantities(OfSets)):
        sets.found.update(find(sets, generator))
    metrics = {
        "temperature": temperature,
        "configurations": {"simulated": simulated.size, "generated": generated.size},
        "particles": {"simulated": simulated.num_particles, "generated": generated.num_particles},
        "compared": part_size(simulated.size, generated.size),
        "quantities": sets.found,
        "weights": None if logs is None else stats.effective_sample_size(logs)._asdict(),
    }
    return AtTemperature(metrics, all_curves(sets, numpy_generator(seed, 1)))


def _check(simulated: Configurations, generated: Configurations, mixture: Mixture) -> None:
    ours, theirs = (np.unique(c.species).tolist() for c in (simulated, generated))
    if ours != theirs or ours != list(range(mixture.num_species)):
        raise DataError(
            f"both sets must hold the species {list(range(mixture.num_species))} of {mixture.name}, "
            f"got {ours} and {theirs}"
        )
    both = simulated.propensity is not None and generated.propensity is not None
    if both and simulated.times != generated.times:
        raise DataError(
            f"the propensities belong to other lag times, {simulated.times} and {generated.times}; "
            "let one predictor give both"
        )
    share = [np.bincount(c.species) / c.num_particles for c in (simulated, generated)]
    # N particles realise a composition to within about one of each species.
    if np.abs(share[0] - share[1]).max() > 1.5 / min(simulated.num_particles, generated.num_particles):
        raise DataError(
            f"the two sets have different compositions, {share[0].round(3).tolist()} and "
            f"{share[1].round(3).tolist()}; compare configurations of one mixture"
        )


def potential_energies(of: Configurations, mixture: Mixture, truncation: str | None = None) -> Floats:
    """Total potential energy of each configuration, (C,), infinite where particles coincide."""
    kinds = torch.from_numpy(of.species.astype(np.int64))
    step = max(1, ATOMS_AT_ONCE // of.num_particles)
    parts = []
    for k in range(0, of.size, step):
        x, box = (torch.from_numpy(as_array(v[k : k + step]).copy()) for v in (of.positions, of.box))
        parts.append(energy(x, kinds, box, mixture, truncation).sum(-1))
    total = torch.cat(parts).numpy()
    # At a distance of zero both terms of the potential are infinite and their difference is not a number.
    return np.where(np.isnan(total), np.inf, total)


RESAMPLES = 200
"""Bootstrap resamples of a curve: enough for a band."""
MOST_BINS = 40
BEYOND = 3.0
"""A histogram ends this many interquartile ranges outside the quartiles; the rest is in no bin."""
DECADES = 10.0
"""Ratio of the quartiles of positive values from which the bins are logarithmic: energies of overlaps."""
POINTS = 200

Curve = tuple[str, str, str, Any]
"""Name of the curve, what it is of, source, and x, value and, where known, the bounds of value."""


def all_curves(sets: Sets, generator: np.random.Generator) -> dict[str, list[dict[str, Any]]]:
    """Histograms, profiles, weights and propensities: rows as dicts, by name of the curve."""
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for part in (
        _energies(sets),
        _profiles(sets, generator),
        _closest(sets),
        _weights(sets),
        _propensities(sets),
    ):
        for name, of, source, columns in part:
            for numbers in zip(*columns, strict=True):
                x, *known = map(float, numbers)
                value, lo, hi = ((v if np.isfinite(v) else None) for v in (*known, np.nan, np.nan)[:3])
                row = {"temperature": sets.temperature, "species": of, "source": source}
                rows[name].append({**row, "x": x, "value": value, "lo": lo, "hi": hi})
    return dict(rows)


def histogram(values: Floats, shares: Floats | None = None) -> tuple[Floats, Floats]:
    """Centres of bins and probability density of finite values; the tails are cut, see BEYOND.

    The density is that of all values: what is cut off, or not finite, is missing from its integral.
    """
    w = np.full(len(values), 1 / max(len(values), 1)) if shares is None else shares
    finite = np.isfinite(values)
    known = values[finite]
    if not len(known):
        return np.empty(0), np.empty(0)
    edges = _edges(known)
    counts, _ = np.histogram(known, bins=edges, weights=w[finite])
    return (edges[1:] + edges[:-1]) / 2, counts / np.diff(edges)


def _edges(values: Floats) -> Floats:
    low, high = np.quantile(values, [0.25, 0.75])
    bins = int(np.clip(2 * len(values) ** (1 / 3), 6, MOST_BINS))
    if values.min() > 0 and high > DECADES * low:
        return np.geomspace(values.min() * (1 - 1e-9), values.max() * (1 + 1e-9), bins + 1)
    # Something to divide by where all values agree.
    width = max(high - low, 1e-6 * (1 + abs(low)))
    first, last = max(values.min(), low - BEYOND * width), min(values.max(), high + BEYOND * width)
    return np.linspace(first - 1e-6 * width, last + 1e-6 * width, bins + 1)


def _energies(sets: Sets) -> Iterator[Curve]:
    for name in ("energy", "inherent_energy"):
        sim, gen = (getattr(side, name) for side in (sets.simulated, sets.generated))
        if sim is not None and gen is not None:
            yield name, EVERYONE, "simulated", histogram(sim)
            yield name, EVERYONE, "generated", histogram(gen)
            if sets.log_weights is not None:
                yield name, EVERYONE, "reweighted", histogram(gen, stats.normalised(sets.log_weights))


def _profiles(sets: Sets, generator: np.random.Generator) -> Iterator[Curve]:
    samples = min(sets.bootstrap, RESAMPLES)
    for name in sets.simulated.tables.profiles:
        for source, side in (("simulated", sets.simulated), ("generated", sets.generated)):
            profile, count = side.tables.profiles[name], len(side.tables.closest)
            mean = profile.mean(np.full((1, count), 1 / count))[0]
            low, high = profile.interval(generator, samples)
            for k, label in enumerate(profile.labels):
                yield name, label, source, (profile.x, mean[k], low[k], high[k])
        if sets.log_weights is not None:
            reweighted = profile.mean(stats.normalised(sets.log_weights)[None])[0]
            for k, label in enumerate(profile.labels):
                yield name, label, "reweighted", (profile.x, reweighted[k])


def _closest(sets: Sets) -> Iterator[Curve]:
    """Cumulative distribution over configurations of the smallest distance over sigma_ab."""
    for source, side in (("simulated", sets.simulated), ("generated", sets.generated)):
        for k, label in enumerate(side.tables.pairs):
            values = np.sort(side.tables.closest[:, k])
            values = values[np.isfinite(values)]
            if len(values):
                at = np.unique(np.linspace(0, len(values) - 1, min(len(values), POINTS)).astype(int))
                yield "closest", label, source, (values[at], (at + 1) / len(side.tables.closest))


def _weights(sets: Sets) -> Iterator[Curve]:
    """Histogram of the log weights about their median, and the share of the sum of the largest weights.

    The second has the fraction of configurations, largest weights first, as x.
    """
    logs = sets.log_weights
    if logs is None or not np.isfinite(logs).any():
        return
    yield "log_weights", EVERYONE, "generated", histogram(logs - np.median(logs[np.isfinite(logs)]))
    share = np.cumsum(np.sort(stats.normalised(logs))[::-1])
    at = np.unique(np.geomspace(1, len(share), POINTS).astype(int)) - 1
    yield "weight_share", EVERYONE, "generated", ((at + 1) / len(share), share[at])


def _propensities(sets: Sets) -> Iterator[Curve]:
    """Histograms over particles, labelled by species and lag time."""
    sides = {"simulated": sets.simulated, "generated": sets.generated}
    if any(side.propensity is None for side in sides.values()):
        return
    for source, side in sides.items():
        for label, values in zip(group_letters(side), side.by_group(), strict=True):
            yield "propensity", label, source, histogram(values.ravel())
