r"""Energies, forces, virials and stresses of the mixtures, with analytic forces, in any periodic box.

With q = r / sigma, V(r) = eps v(q) below the cut-off q_c, where v is

* lennard-jones: 4 (q^-12 - q^-6);
* inverse-power: q^-n;
* harmonic: (1 - q)^2 / 2, which ends at q_c = 1; C. S. O'Hern et al., Phys. Rev. E 68, 011306 (2003);

truncated as

* shift: v(q) - v(q_c).
* force-shift: v(q) - v(q_c) - (q - q_c) v'(q_c); Toxvaerd and Dyre, J. Chem. Phys. 134, 081102 (2011).
* smooth: v(q) + s (c0 + c2 q^2 + c4 q^4), the c's such that V, V' and V'' vanish at q_c, s = 4 for
  Lennard-Jones, else 1; Jung, Biroli and Berthier, Phys. Rev. Lett. 130, 238202 (2023) and GlassBench.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.physics.box import boxes_of, volume
from gensample.physics.mixtures import (
    FORCE_SHIFT,
    HARMONIC,
    INVERSE_POWER,
    SHIFT,
    SMOOTH,
    TRUNCATIONS,
    Mixture,
)
from gensample.physics.neighbors import batched_neighbor_list


class EnergyForces(NamedTuple):
    """Result of `energy_forces_virial`; leading dimension C for a batch."""

    energy: Tensor  # (..., N) energy per particle: half of each of its pair energies
    forces: Tensor  # (..., N, d)
    virial: Tensor  # (...) W = -(1/d) sum over pairs of r V'(r); pressure = density (T + W/N)


def energy(
    positions: Tensor, species: Tensor, box: Tensor, mixture: Mixture, truncation: str | None = None
) -> Tensor:
    """Energy of each particle, half of each of its pair energies; differentiable in the positions.

    positions: (N, d) or (C, N, d), wrapped or not; species: (N,) or (C, N); box: (d,) or (C, d), with tilt
    factors or not; truncation: overrides the mixture's. Returns (N,) or (C, N). Raises as
    `energy_forces_virial`.
    """
    flat, i, _, pair_energy, _ = _pairs(positions, species, box, mixture, truncation)
    per_particle = flat.new_zeros(len(flat)).index_add(0, i, 0.5 * pair_energy)
    return per_particle.reshape(positions.shape[:-1])


def energy_forces_virial(
    positions: Tensor, species: Tensor, box: Tensor, mixture: Mixture, truncation: str | None = None
) -> EnergyForces:
    """Energies per particle, forces and virial of one configuration or a batch, in the positions' precision.

    positions: (N, d) or (C, N, d), wrapped or not; species: (N,) or (C, N); box: (d,) or (C, d), with tilt
    factors or not; truncation: overrides the mixture's. Raises ConfigError for an unknown truncation or an
    edge shorter than twice the interaction range, DataError for wrong dimensions, species or boxes, or
    positions that are not finite.
    """
    flat, i, vectors, pair_energy, slope = _pairs(positions, species, box, mixture, truncation)
    distance = vectors.norm(dim=-1)
    per_particle = flat.new_zeros(len(flat)).index_add(0, i, 0.5 * pair_energy)
    forces = torch.zeros_like(flat).index_add(0, i, (slope / distance).unsqueeze(-1) * vectors)
    virials = flat.new_zeros(len(flat)).index_add(0, i, -0.5 * slope * distance / mixture.dimension)
    shape = positions.shape[:-1]
    return EnergyForces(
        per_particle.reshape(shape), forces.reshape(positions.shape), virials.reshape(shape).sum(-1)
    )


def stress(
    positions: Tensor, species: Tensor, box: Tensor, mixture: Mixture, truncation: str | None = None
) -> Tensor:
    """Configurational stress tensor, tension positive: minus the virial part of LAMMPS's pressure tensor.

    sigma_ab = (1/V) sum over pairs of r_a r_b V'(r) / r, with r the vector between the particles: (1/V) dU/dg
    for the homogeneous strain that moves particles and lattice vectors along a by g times their component b
    (Irving and Kirkwood, J. Chem. Phys. 18, 817 (1950), averaged over the box). Symmetric, of trace
    -d W / V. Arguments and errors as for `energy_forces_virial`. Returns (d, d) or (C, d, d).
    """
    flat, i, vectors, _, slope = _pairs(positions, species, box, mixture, truncation)
    pull = 0.5 * slope / vectors.norm(dim=-1)
    dyads = pull[:, None, None] * (vectors.unsqueeze(2) * vectors.unsqueeze(1))
    d, leading = mixture.dimension, positions.shape[:-2]
    per_particle = flat.new_zeros(len(flat), d, d).index_add(0, i, dyads)
    volumes = volume(boxes_of(box.to(flat), leading.numel(), d), d)
    return per_particle.reshape(*positions.shape[:-1], d, d).sum(-3) / volumes.reshape(*leading, 1, 1)


def pair_potential(
    distance: Tensor, sigma: Tensor, epsilon: Tensor, mixture: Mixture, truncation: str | None = None
) -> tuple[Tensor, Tensor]:
    """V(r) and V'(r) of pairs at distance r, zero beyond the cut-off; shapes broadcast.

    truncation: overrides the mixture's. Raises ConfigError for an unknown one, DataError for a mixture
    without a potential.
    """
    truncation, cutoff = known_truncation(mixture, truncation), mixture.cutoff_factor
    q = distance / sigma
    value, slope = _reduced(mixture, q)
    at_cutoff, slope_at_cutoff = _reduced(mixture, torch.as_tensor(cutoff, dtype=torch.float64))
    if truncation == SHIFT:
        value = value - float(at_cutoff)
    elif truncation == FORCE_SHIFT:
        value = value - float(at_cutoff) - (q - cutoff) * float(slope_at_cutoff)
        slope = slope - float(slope_at_cutoff)
    elif truncation == SMOOTH:
        scale, c0, c2, c4 = smooth_coefficients(mixture)
        value = value + scale * (c0 + c2 * q**2 + c4 * q**4)
        slope = slope + scale * (2.0 * c2 * q + 4.0 * c4 * q**3)
    inside = q < cutoff
    return torch.where(inside, epsilon * value, 0.0), torch.where(inside, epsilon * slope / sigma, 0.0)


def pair_curvature(
    distance: Tensor, sigma: Tensor, epsilon: Tensor, mixture: Mixture, truncation: str | None = None
) -> Tensor:
    """V''(r) of pairs at distance r, the derivative of `pair_potential`'s slope; zero beyond the cut-off.

    Jumps at the cut-off unless the truncation is smooth; the delta function that differentiating the jump of
    the force of a merely shifted potential would give there is left out. Raises as `pair_potential`.
    """
    truncation = known_truncation(mixture, truncation)
    q = distance / sigma
    if mixture.potential == HARMONIC:
        curvature = torch.ones_like(q)
    elif mixture.potential == INVERSE_POWER:
        n = mixture.exponent
        curvature = n * (n + 1.0) * q ** (-n - 2.0)
    else:
        inverse6 = q**-6
        curvature = 24.0 * inverse6 * (26.0 * inverse6 - 7.0) / q**2
    if truncation == SMOOTH:
        scale, _, c2, c4 = smooth_coefficients(mixture)
        curvature = curvature + scale * (2.0 * c2 + 12.0 * c4 * q**2)
    return torch.where(q < mixture.cutoff_factor, epsilon * curvature / sigma**2, 0.0)


def smooth_coefficients(mixture: Mixture) -> tuple[float, float, float, float]:
    """s, c0, c2, c4 that make v(q) + s (c0 + c2 q^2 + c4 q^4) vanish at the cut-off with two derivatives."""
    x, scale = mixture.cutoff_factor, 1.0
    if mixture.potential == HARMONIC:
        f, f1, f2 = 0.0, 0.0, 1.0
    elif mixture.potential == INVERSE_POWER:
        n = mixture.exponent
        f, f1, f2 = x**-n, -n * x ** (-n - 1), n * (n + 1) * x ** (-n - 2)
    else:
        scale = 4.0
        f = x**-12 - x**-6
        f1 = -12 * x**-13 + 6 * x**-7
        f2 = 156 * x**-14 - 42 * x**-8
    c4 = (f1 / x - f2) / (8 * x**2)
    c2 = -(f1 / x + 4 * c4 * x**2) / 2
    return scale, -(f + c2 * x**2 + c4 * x**4), c2, c4


def known_truncation(mixture: Mixture, truncation: str | None) -> str:
    """The truncation asked for, or the mixture's.

    Raises:
        ConfigError: an unknown one.
        DataError: the mixture has no known potential.
    """
    if not mixture.has_potential:
        raise DataError(f"the potential of {mixture.name} is not known: there are no energies and forces")
    truncation = truncation or mixture.truncation
    if truncation not in TRUNCATIONS:
        raise ConfigError(f"unknown truncation {truncation!r}: use one of {', '.join(TRUNCATIONS)}")
    return truncation


def _reduced(mixture: Mixture, q: Tensor) -> tuple[Tensor, Tensor]:
    """v(q) before truncation, and its derivative."""
    if mixture.potential == HARMONIC:
        return 0.5 * (1.0 - q) ** 2, q - 1.0
    if mixture.potential == INVERSE_POWER:
        value = q**-mixture.exponent
        return value, -mixture.exponent * value / q
    inverse6 = q**-6
    return 4.0 * inverse6 * (inverse6 - 1.0), -24.0 * inverse6 * (2.0 * inverse6 - 1.0) / q


def _pairs(
    positions: Tensor, species: Tensor, box: Tensor, mixture: Mixture, truncation: str | None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Flattened positions (M, d); source, vector, V and V' of every ordered pair within the range."""
    known_truncation(mixture, truncation)
    _check(positions, species, mixture)
    batch = positions if positions.ndim == 3 else positions[None]
    (i, j), vectors = batched_neighbor_list(batch, box.to(positions), mixture.cutoff)
    flat_species = species.long().expand(batch.shape[:-1]).reshape(-1)
    kind = flat_species[i] * mixture.num_species + flat_species[j]
    sigma, epsilon = (
        torch.tensor(table, dtype=positions.dtype, device=positions.device).reshape(-1)[kind]
        for table in (mixture.sigma, mixture.epsilon)
    )
    value, slope = pair_potential(vectors.norm(dim=-1), sigma, epsilon, mixture, truncation)
    return batch.reshape(-1, batch.shape[-1]), i, vectors, value, slope


def _check(positions: Tensor, species: Tensor, mixture: Mixture) -> None:
    if positions.ndim not in (2, 3) or positions.shape[-1] != mixture.dimension:
        raise DataError(
            f"{mixture.name} needs positions (N, {mixture.dimension}) or (C, N, {mixture.dimension}), "
            f"got {tuple(positions.shape)}"
        )
    if species.shape[-1] != positions.shape[-2]:
        raise DataError(f"{positions.shape[-2]} particles, but {species.shape[-1]} species")
    mixture.check_species(species)
