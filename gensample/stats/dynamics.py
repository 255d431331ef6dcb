"""Self dynamics of displacement fields: MSD, alpha2, van Hove, overlap, F_s and chi4.

``displacements`` is (R, N, d) for one lag and one species unless said otherwise; lengths in sigma_AA.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import j0

from gensample.errors import ConfigError
from gensample.stats.ensemble import Floats, as_array
from gensample.stats.propensity import magnitudes

WAVE_NUMBER = 7.25
"""About the first peak of the structure factor of A: Kob and Andersen, Phys. Rev. E 52, 4134 (1995)."""
OVERLAP_LENGTH = 0.3
"""Distance a of the overlap, about the size of the cage: Lacevic et al., J. Chem. Phys. 119, 7372 (2003)."""


HOP_LENGTH = 0.3
"""A particle hops where its inherent displacement, from one inherent structure to another, is longer."""


def share_of_hops(inherent_displacements: Any) -> float:
    """Share of |h| > HOP_LENGTH among inherent displacements h (..., d)."""
    return float((magnitudes(inherent_displacements) > HOP_LENGTH).mean())


def msd(displacements: Any) -> float:
    """Mean squared displacement, averaged over replicas and particles, sigma_AA squared."""
    return float((as_array(displacements) ** 2).sum(axis=-1).mean())


def alpha2_from_moments(second: Any, fourth: Any, dimension: int) -> Floats:
    """alpha2 = d <u^4> / ((d + 2) <u^2>^2) - 1, zero for a Gaussian in d dimensions.

    Rahman, Phys. Rev. 136, A405 (1964) for d = 3; in general <u^4> = (1 + 2/d) <u^2>^2 for a Gaussian.
    """
    r2 = np.where(as_array(second) > 0, as_array(second), np.nan)
    return dimension * as_array(fourth) / ((dimension + 2) * r2**2) - 1


def alpha2(displacements: Any) -> float:
    """Non-Gaussian parameter of the displacements (..., d), pooled over all leading axes."""
    u = as_array(displacements)
    squared = (u**2).sum(axis=-1)
    return float(alpha2_from_moments(squared.mean(), (squared**2).mean(), u.shape[-1]))


def shell_volumes(edges: Any, dimension: int) -> Floats:
    """Area (d = 2) or volume (d = 3) between successive radii ``edges``."""
    unit_ball = math.pi ** (dimension / 2) / math.gamma(dimension / 2 + 1)
    return unit_ball * np.diff(as_array(edges) ** dimension)


def van_hove(displacements: Any, edges: Any) -> Floats:
    """Self van Hove function G_s(r) in bins of |u|: probability per volume, integral of G_s over space = 1.

    Hansen and McDonald, Theory of Simple Liquids, sec. 7.4. What lies beyond the last edge stays in the norm.
    """
    u = as_array(displacements)
    length = magnitudes(u).ravel()
    counts, _ = np.histogram(length, bins=as_array(edges))
    return counts / (length.size * shell_volumes(edges, u.shape[-1]))


def log_displacement(displacements: Any, edges: Any) -> Floats:
    """P(log10 |u|) in bins of log10 |u|, a density whose integral over all log10 |u| is 1.

    Flenner and Szamel, Phys. Rev. E 72, 011205 (2005).
    """
    length = magnitudes(displacements).ravel()
    counts, _ = np.histogram(np.log10(np.maximum(length, 1e-300)), bins=as_array(edges))
    return counts / (length.size * np.diff(as_array(edges)))


def self_scattering(displacements: Any, wave_number: Any) -> Floats:
    """Self intermediate scattering function F_s(q) of |q| (...), averaged over directions of q, shape (...).

    <sin(q u) / (q u)> in 3D and <J_0(q u)> in 2D; Hansen and McDonald, sec. 7.4.
    """
    u = as_array(displacements)
    phase = as_array(wave_number)[..., None] * magnitudes(u).ravel()
    kernel = np.sinc(phase / np.pi) if u.shape[-1] == 3 else j0(phase)
    return kernel.mean(axis=-1)


def overlap(displacements: Any, length: float = OVERLAP_LENGTH) -> Floats:
    """Fraction of particles with |u| < length, one number for each field: (R, N, d) to (R,).

    Lacevic, Starr, Schroder, Glotzer, J. Chem. Phys. 119, 7372 (2003).
    """
    if length <= 0:
        raise ConfigError(f"the overlap length must be positive, got {length}; 0.3 is usual")
    return (magnitudes(displacements) < length).mean(axis=-1)


def chi4_spread(mean: Any, square: Any, configurations: int, particles: int) -> Floats:
    """N C/(C-1) (<Q_c^2> - <Q_c>^2) from means over C configurations; nan for one.

    chi4 between configurations, plus what a finite number of replicas adds to the variance of the means.
    """
    if configurations < 2:
        return np.full(np.shape(as_array(mean)), np.nan)
    return particles * (as_array(square) - as_array(mean) ** 2) * configurations / (configurations - 1)
