"""The four-point structure factor of the overlap, and the length that it holds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gensample.stats.dynamics import OVERLAP_LENGTH
from gensample.stats.ensemble import Floats, as_array
from gensample.stats.propensity import magnitudes, require_replicas
from gensample.stats.structure import wave_vectors

Q_MAX = 2.0
"""Largest |q| at which S4 is kept, below the first peak of S(q)."""
FIT_REACH = 1.5
"""Largest |q| of the fit for the length: Flenner, Szamel, Phys. Rev. Lett. 105, 217801 (2010)."""
_FEWEST = 3


def wave_edges(box: Any) -> Floats:
    """Edges of the bins of |q|, one spacing 2 pi / L wide and centred on its multiples; at least three."""
    least = 2 * np.pi / float(as_array(box).max())
    return as_array(least * (np.arange(max(int(Q_MAX / least), _FEWEST) + 1) + 0.5))


class FourPointSums(NamedTuple):
    """Sums over the wave vectors in each bin for one configuration, (bins,); they add over configurations.

    ``vectors`` their number, ``square`` of |q|^2, and over the number of particles: ``slow`` of |W(q)|^2,
    ``cross`` of Re W(q) rho(q)* and ``density`` of |rho(q)|^2, means over replicas, ``within`` of the
    variance of W(q) over replicas (R - 1).
    """

    vectors: Floats
    square: Floats
    slow: Floats
    cross: Floats
    density: Floats
    within: Floats


def four_point_sums(
    displacements: Any, positions: Any, box: Any, edges: Any, length: float = OVERLAP_LENGTH
) -> FourPointSums:
    """Sums for fields (R, N, d) of one species from its initial positions (N, d); bins of |q| ``edges``.

    W(q) = sum over particles with |u| < length of exp(-i q.r(0)), rho(q) the same over all particles.
    Lacevic, Starr, Schroder, Glotzer, J. Chem. Phys. 119, 7372 (2003). DataError for one replica.
    """
    slow = (magnitudes(displacements) < length).astype(np.float64)
    replicas, particles = slow.shape
    require_replicas(replicas, 2, "S4 within a configuration")
    grid = as_array(edges)
    q = wave_vectors(box, float(grid[-1]))
    waves = np.exp(-1j * as_array(positions) @ q.T)
    rho, w = waves.sum(axis=0), slow @ waves
    square = (q**2).sum(axis=1)
    which = np.searchsorted(grid, np.sqrt(square), side="right") - 1
    inside = (which >= 0) & (which < len(grid) - 1)

    def binned(values: Floats) -> Floats:
        return as_array(np.bincount(which[inside], values[inside], len(grid) - 1))

    table = (
        np.ones(len(q)),
        square,
        (np.abs(w) ** 2).mean(axis=0) / particles,
        (w.mean(axis=0) * rho.conj()).real / particles,
        np.abs(rho) ** 2 / particles,
        w.var(axis=0, ddof=1) / particles,
    )
    return FourPointSums(*(binned(values) for values in table))


class FourPoint(NamedTuple):
    """S4(q) of all fields together, ``total``, and its part ``within`` configurations, (..., bins)."""

    total: Floats
    within: Floats


def four_point(sums: FourPointSums, overlap: Any) -> FourPoint:
    """S4(q) = <|W(q) - Q rho(q)|^2> / N from means of sums over configurations (..., bins), Q (...).

    The overlap Q, the mean over all fields, is taken from every particle, so that S4(q -> 0) is chi4 of all
    fields, and equal particles on any structure have none: Toninelli et al., Phys. Rev. E 71, 041505 (2005).
    ``within`` is the variance over replicas alone, S4(q -> 0) the chi4 within a configuration. nan in bins
    without wave vector.
    """
    count = np.where(sums.vectors > 0, sums.vectors, np.nan)
    q = as_array(overlap)[..., None]
    total = sums.slow - 2 * q * sums.cross + q**2 * sums.density
    return FourPoint(total / count, sums.within / count)


def ornstein_zernike(square: Any, s4: Any, vectors: Any) -> Floats:
    """Length xi of S4(q) = S4(0) / (1 + (q xi)^2), fitted at |q| <= 1.5: (..., bins) to (...), sigma_AA.

    ``square`` (..., bins) mean |q|^2 and ``vectors`` (..., bins) number of wave vectors of the bins. Least
    squares of S4 (a + b q^2) - 1, each vector alike (the error of S4 is proportional to it), xi^2 = b / a; 0
    where S4 does not fall with q, nan with fewer than three bins. Lacevic et al., J. Chem. Phys. 119,
    7372 (2003).
    """
    x, y = np.broadcast_arrays(as_array(square), as_array(s4))
    used = (x <= FIT_REACH**2) & np.isfinite(y) & (as_array(vectors) > 0)
    n = np.where(used, as_array(vectors), 0.0)
    x, y = np.where(used, x, 0.0), np.where(used, y, 0.0)
    yy, xyy, xxyy = ((n * x**k * y**2).sum(axis=-1) for k in range(3))
    right, x_right = (n * y).sum(axis=-1), (n * x * y).sum(axis=-1)
    a = right * xxyy - x_right * xyy
    b = x_right * yy - right * xyy
    enough = (used.sum(axis=-1) >= _FEWEST) & (a > 0)
    return np.where(enough, np.sqrt(np.maximum(b, 0.0) / np.where(a > 0, a, 1.0)), np.nan)
