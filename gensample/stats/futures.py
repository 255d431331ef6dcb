"""A future x + u seen as a configuration: its energy, its closest pair, its pair distribution, its own
future.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from gensample.physics.box import check_cutoff, minimum_image_
from gensample.physics.dynamics import TIMESTEP, Limits, run_dynamics, steps_of
from gensample.physics.listed_forces import reduced_potential
from gensample.physics.mixtures import Mixture
from gensample.physics.neighbors import batched_half_list
from gensample.stats.dynamics import Floats, Integers, as_array, overlap, shell_volumes

OVERLAPPING = 0.85
"""Pairs nearer than this, in units of sigma_ab, cost more than 17 epsilon: no liquid at its temperature has
them (closest in simulation at T = 0.45: 0.91)."""
BIN = 0.05
"""Width of the bins of g(r), in sigma_AA."""
PAIRS_AT_ONCE = 1_000_000


class Futures(NamedTuple):
    """What R configurations of one system look like.

    ``energy`` (R,) per particle, 1e24 and more where cores coincide; ``closest`` (R,) smallest r / sigma_ab
    of any pair; ``overlaps`` (R,) pairs nearer than OVERLAPPING per particle; ``like`` and ``unlike``
    (S, bins) g(r) of a species with itself and with all others, mean over the R; see `distance_edges`.
    """

    energy: Floats
    closest: Floats
    overlaps: Floats
    like: Floats
    unlike: Floats


def distance_edges(mixture: Mixture) -> Floats:
    """Edges of the bins of g(r), from 0 to the range of the interactions."""
    return as_array(BIN * np.arange(int(mixture.cutoff / BIN + 1e-9) + 1))


def futures(positions: Floats, species: Integers, box: Floats, mixture: Mixture) -> Futures:
    """`Futures` of positions (R, N, d), wrapped or not, in a box (d,).

    Energies are those of `gensample.physics.potentials`, flat below 0.01 sigma_ab, so that they stay finite.
    g_ab(r): pairs found over pairs expected in an ideal gas of the same numbers (`stats.structure`). Raises
    ConfigError when the box is shorter than twice the interaction range.
    """
    check_cutoff(mixture.cutoff, torch.from_numpy(box))
    kinds = torch.from_numpy(np.asarray(species, dtype=np.int64))
    parts = [
        _Part.of(x, kinds, torch.from_numpy(box), mixture) for x in _pieces(positions, box, mixture.cutoff)
    ]
    counts = np.sum([part.counts for part in parts], axis=0) / len(positions)
    energy, closest, overlaps = (np.concatenate(column) for column in list(zip(*parts, strict=True))[:3])
    return Futures(energy, closest, overlaps, *_distribution(counts, np.asarray(species), box, mixture))


def _pieces(positions: Floats, box: Floats, cutoff: float) -> Iterator[torch.Tensor]:
    """Some configurations at a time, so that their pairs fit the memory."""
    count, n, d = positions.shape
    near = n * np.pi * cutoff**d * (1.0 if d == 2 else 4 / 3) / box.prod()
    step = max(1, int(PAIRS_AT_ONCE / (n * near / 2 + 1)))
    for begin in range(0, count, step):
        yield torch.from_numpy(np.ascontiguousarray(positions[begin : begin + step]))


class _Part(NamedTuple):
    """`Futures` of some configurations, with ``counts`` (S, S, bins) of unordered pairs in place of g(r)."""

    energy: Floats
    closest: Floats
    overlaps: Floats
    counts: Floats

    @classmethod
    def of(cls, x: torch.Tensor, kinds: torch.Tensor, box: torch.Tensor, mixture: Mixture) -> _Part:
        count, n, _ = x.shape
        i, j = batched_half_list(x, box, mixture.cutoff)
        owner, kind = (
            torch.div(i, n, rounding_mode="floor"),
            kinds[i % n] * mixture.num_species + kinds[j % n],
        )
        columns = x.reshape(-1, x.shape[-1]).T.contiguous()
        vectors = [column[j] - column[i] for column in columns]
        minimum_image_(vectors, box)
        r2 = sum((v.square() for v in vectors), torch.zeros_like(vectors[0]))
        sigma, epsilon = (x.new_tensor(t).reshape(-1)[kind] for t in (mixture.sigma, mixture.epsilon))
        q2 = r2 / sigma.square()
        closest = x.new_full((count,), torch.inf).scatter_reduce_(0, owner, q2, "amin").sqrt_()
        overlaps = torch.bincount(owner[q2 < OVERLAPPING**2], minlength=count).double() / n
        energy, _ = reduced_potential(mixture).energy_and_slope(q2)
        total = x.new_zeros(count).scatter_add_(0, owner, energy.mul_(epsilon)) / n
        bins = len(distance_edges(mixture)) - 1
        cell = kind * bins + (r2.sqrt_() / BIN).long().clamp_(max=bins - 1)
        counts = torch.bincount(cell, minlength=mixture.num_species**2 * bins)
        table = counts.reshape(mixture.num_species, mixture.num_species, bins).double()
        return cls(total.numpy(), closest.numpy(), overlaps.numpy(), table.numpy())


def _distribution(counts: Floats, species: Integers, box: Floats, mixture: Mixture) -> tuple[Floats, Floats]:
    """g(r) of every species with itself and with all others, from numbers of pairs (S, S, bins)."""
    both = counts + counts.swapaxes(0, 1)  # pairs (a, b) and (b, a); those of one species twice
    numbers = np.bincount(species, minlength=mixture.num_species).astype(np.float64)
    ideal = shell_volumes(distance_edges(mixture), len(box)) / box.prod()
    own = np.einsum("aab->ab", both)
    others = both.sum(axis=1) - own
    with np.errstate(invalid="ignore", divide="ignore"):
        like = own / (numbers * (numbers - 1))[:, None] / ideal
        unlike = others / (numbers * (len(species) - numbers))[:, None] / ideal
    return np.nan_to_num(like), np.nan_to_num(unlike)


# What happens next: molecular dynamics that starts from futures

TIMES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
"""When it is looked at, tau: not at once, when overlapping cores still have any energy."""
FARTHEST_MOVE = 0.05
"""Of a particle in a step, as ``fix nve/limit`` of LAMMPS has it: three times what heat does at most at
T = 0.45, so that overlapping cores part and do not fly."""


class Aftermath(NamedTuple):
    """Of R futures at the K times: energy per particle (R, K) and overlap with the future (R, K)."""

    energy: Floats
    overlap: Floats


def aftermath(
    positions: Floats,
    species: Integers,
    box: Floats,
    mixture: Mixture,
    temperature: float,
    generators: Sequence[np.random.Generator],
) -> Aftermath:
    """Dynamics at ``temperature`` from futures (R, N, d), wrapped or not; each has a generator of velocities.

    Nose-Hoover dynamics of `gensample.physics.dynamics` in which no particle moves farther than
    FARTHEST_MOVE in a step. Energies as in `futures`; the overlap is that of
    `gensample.stats.dynamics`, with the future in the place of the configuration, drift removed.
    """
    start = np.ascontiguousarray(positions)
    v = np.stack([generator.normal(scale=temperature**0.5, size=start.shape[1:]) for generator in generators])
    kinds = torch.from_numpy(np.asarray(species, np.int64))
    mass = mixture.masses_of(kinds)
    if mass is None:
        v -= v.mean(axis=1, keepdims=True)
    else:
        weight = mass.numpy()[:, None]
        v /= weight**0.5
        v -= (v * weight).sum(axis=1, keepdims=True) / weight.sum()
    steps = [steps_of(time, TIMESTEP) for time in TIMES]
    limits = Limits(temperature, move=FARTHEST_MOVE)
    x, speed, edges = torch.from_numpy(start), torch.from_numpy(v), torch.from_numpy(box)
    moved = run_dynamics(x, speed, kinds, edges, mixture, steps, limits).numpy()
    moved -= moved.mean(axis=2, keepdims=True)
    energies = [futures(start + u, species, box, mixture).energy for u in moved]
    return Aftermath(np.stack(energies, axis=1), np.stack([overlap(u) for u in moved], axis=1))
