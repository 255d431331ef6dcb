"""Displacement fields: propensity and what of it is predictable, MSD, alpha2, van Hove, overlap, F_s, chi4.

``displacements`` is (R, N, d) for one lag and one species unless said otherwise, numpy or torch; lengths in
sigma_AA.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import j0
from scipy.stats import rankdata

from gensample.errors import ConfigError, DataError

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


def magnitudes(displacements: Any) -> Floats:
    """Lengths |u| of vectors (..., d), shape (...)."""
    u = as_array(displacements)
    return np.sqrt(np.einsum("...d,...d->...", u, u))


def propensity(displacements: Any) -> Floats:
    """Mean of |u| over replicas: (R, ..., N, d) to (..., N).

    Widmer-Cooper, Harrowell, Fynewever, Phys. Rev. Lett. 93, 135701 (2004).
    """
    return magnitudes(displacements).mean(axis=0)


def require_replicas(found: int, least: int, what: str) -> None:
    """DataError unless at least ``least`` replicas are there."""
    if found < least:
        raise DataError(
            f"{what} needs at least {least} replicas of each configuration, got {found}; add replicas"
        )


class VarianceSplit(NamedTuple):
    """Variance of |u| in one configuration and species: ``delta`` between particles, ``iso`` within one.

    noise: the part of iso that is not shared by all particles, by which means over replicas differ from each
    other: a mean over M of them has the variance delta + noise / M between particles.
    """

    delta: float
    iso: float
    noise: float


def split_variance(lengths: Any) -> VarianceSplit:
    """Variance components of |u| (R, N): iso = mean of Var over replicas, delta = Var(mu) - noise / R.

    The analysis-of-variance estimators of two ways, replicas and particles, unbiased (all variances with
    ddof = 1): Searle, Casella, McCulloch, Variance Components (1992), chapters 3 and 4. What all particles
    of a replica share is no noise of a correlation between particles: where many move together, iso in the
    place of noise makes delta and the ceilings too small. delta can come out negative where structure
    explains very little.
    """
    m = as_array(lengths)
    replicas, particles = m.shape
    require_replicas(replicas, 2, "the variance within an isoconfigurational ensemble")
    iso = float(m.var(axis=0, ddof=1).mean())
    if particles < 2:
        return VarianceSplit(float("nan"), iso, float("nan"))
    own = m - m.mean(axis=1, keepdims=True)
    noise = float(own.var(axis=0, ddof=1).sum() / (particles - 1))
    between = float(m.mean(axis=0).var(ddof=1))
    return VarianceSplit(between - noise / replicas, iso, noise)


def _nonnegative(delta: Any) -> Floats:
    return np.maximum(as_array(delta), 0.0)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Quotient with nan instead of a warning where nothing varies."""
    safe = np.where(denominator > 0, denominator, np.nan)
    return numerator / safe


def predictability(delta: Any, iso: Any) -> Floats:
    """R = delta / (delta + iso): the part of the variance of |u| that the configuration decides.

    Berthier and Jack, Phys. Rev. E 76, 041509 (2007). A negative estimate of delta counts as zero.
    """
    d = _nonnegative(delta)
    return _ratio(d, d + as_array(iso))


def ceiling_exact(delta: Any, noise: Any) -> Floats:
    """Best Pearson correlation of the exact propensity with a label, a mean over M replicas with ``noise``.

    sqrt(delta / (delta + noise)), the attenuation formula of Spearman, Am. J. Psychol. 15, 72 (1904).
    """
    d = _nonnegative(delta)
    return np.sqrt(_ratio(d, d + as_array(noise)))


def ceiling_sampler(delta: Any, noise: Any, sampler_noise: Any) -> Floats:
    """Best Pearson correlation of a perfect sampler with M' draws with an M-replica label.

    ``noise`` is that of the label, ``sampler_noise`` that of a mean over M':
    delta / sqrt((delta + noise)(delta + sampler_noise)); source as in `ceiling_exact`.
    """
    return ceiling_exact(delta, noise) * ceiling_exact(delta, sampler_noise)


def with_draws(correlation: Any, share: Any, draws: Any, wanted: Any) -> Floats:
    """Pearson correlation of a mean over ``wanted`` draws where that of one over ``draws`` is known.

    share: the predictability R of a draw, the part of its variance that is the same in all. A mean over n
    draws has the reliability R / (R + (1 - R) / n): C. Spearman, Brit. J. Psychol. 3, 271 (1910); W. Brown,
    ibid. 296.
    """
    r = as_array(share)
    noise = [(1 - r) / as_array(n) for n in (draws, wanted)]
    return as_array(correlation) * np.sqrt(_ratio(r + noise[0], r + noise[1]))


def pearson(x: Any, y: Any) -> float:
    """Pearson correlation of two vectors; nan where one of them is constant or shorter than 2."""
    a, b = as_array(x).ravel(), as_array(y).ravel()
    if a.shape != b.shape:
        raise DataError(f"a correlation needs two vectors of one length, got {a.size} and {b.size}")
    if a.size < 2:
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else float("nan")


def spearman(x: Any, y: Any) -> float:
    """Spearman rank correlation (ties share their mean rank)."""
    return pearson(rankdata(as_array(x)), rankdata(as_array(y)))


def pearson_from_sums(sums: Any) -> Floats:
    """Pearson correlation from means (..., 5) of x, y, xx, yy, xy, as pooled over configurations."""
    s = as_array(sums)
    x, y, xx, yy, xy = (s[..., k] for k in range(5))
    variance = np.maximum(xx - x * x, 0.0) * np.maximum(yy - y * y, 0.0)
    return _ratio(xy - x * y, np.sqrt(variance))


Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def as_array(values: Any) -> Floats:
    """Values of a numpy array or a torch tensor as float64 in main memory, so that sums keep their digits."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype=np.float64)


@dataclass(frozen=True)
class Ensemble:
    """Displacement fields of R replicas at K lags from one configuration of N particles in d dimensions.

    ``positions`` (N, d) and edge lengths ``box`` (d,) in sigma_AA, ``species`` (N,) integers from 0, and
    ``displacements`` (R, K, N, d), unwrapped and free of drift, in float32. Where known: ``inherent`` (N, d),
    the inherent structure; ``inherent_displacements`` (R', K, N, d) from it to those of the futures x + u, of
    some or all replicas; ``inherent_energies`` (R', K) of these, per particle.

    Raises DataError where the shapes of configuration and fields disagree.
    """

    positions: Floats
    box: Floats
    species: Integers
    displacements: NDArray[np.float32]
    inherent: Floats | None = None
    inherent_displacements: NDArray[np.float32] | None = None
    inherent_energies: Floats | None = None

    def __post_init__(self) -> None:
        n, d = self.positions.shape
        fields, h = self.displacements, self.inherent_displacements
        known = fields.ndim == 4 and fields.shape[2:] == (n, d) and self.box.shape == (d,)
        if not (known and fields.size and self.species.shape == (n,)):
            raise DataError(
                f"an ensemble needs positions (N, d), box (d,), species (N,) and displacements (R, K, N, "
                f"d), got {self.positions.shape}, {self.box.shape}, {self.species.shape} and {fields.shape}"
            )
        energies = self.inherent_energies
        fits = h is None or (h.shape[1:] == fields.shape[1:] and 1 <= len(h) <= len(fields))
        if not fits or (h is not None and energies is not None and energies.shape != h.shape[:2]):
            raise DataError(
                f"inherent displacements and energies must be those of some of the fields {fields.shape}, "
                f"got {None if h is None else h.shape} and {None if energies is None else energies.shape}"
            )

    @property
    def num_replicas(self) -> int:
        """R, the number of fields at each lag."""
        return int(self.displacements.shape[0])

    @property
    def num_lags(self) -> int:
        """K, the number of lag times."""
        return int(self.displacements.shape[1])

    @property
    def num_particles(self) -> int:
        """N, particles of all species together."""
        return int(self.positions.shape[0])

    @property
    def dimension(self) -> int:
        """The dimension d of space, 2 or 3."""
        return int(self.positions.shape[1])

    @property
    def num_species(self) -> int:
        """One more than the largest species integer present."""
        return int(self.species.max()) + 1 if self.species.size else 0

    def members(self, species: int) -> Integers:
        """Indices of the particles of one species, ascending."""
        return np.flatnonzero(self.species == species)
