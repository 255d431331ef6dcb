"""How displacements and mobilities of two particles vary together, against their initial distance."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gensample.stats.ensemble import Floats, Integers, as_array
from gensample.stats.pairs import Pairs
from gensample.stats.propensity import magnitudes, require_replicas

CHUNK = 16384
"""Pairs handled at once, so that the gathered displacements of 32 replicas stay near the cache."""


class CorrelationSums(NamedTuple):
    """Sums of replica averages over the pairs in each distance bin, (bins,); they add over configurations.

    ``longitudinal`` of (u_i.r)(u_j.r), ``transverse`` of the same for one direction normal to r, ``mobility``
    of (|u_i| - mu_i)(|u_j| - mu_j) with R - 1 below, since the means come from the same replicas.
    """

    pairs: Floats
    longitudinal: Floats
    transverse: Floats
    mobility: Floats


def correlation_sums(displacements: Any, pairs: Pairs, edges: Any) -> CorrelationSums:
    """Sums for fields (R, N, d) whose particles the pairs number; bins of initial distance ``edges``.

    C_L(r) = <(u_i.r_ij)(u_j.r_ij)>, C_T(r) = (<u_i.u_j> - C_L) / (d - 1): the two invariants of an isotropic
    second-rank tensor field, as in turbulence (von Karman and Howarth, Proc. R. Soc. A 164, 192 (1938)); for
    liquids Doliwa and Heuer, Phys. Rev. E 61, 6898 (2000).
    """
    u = as_array(displacements)
    replicas, _, d = u.shape
    require_replicas(replicas, 2, "a correlation about the isoconfigurational mean")
    length = magnitudes(u)
    rows = [np.ascontiguousarray(u[..., k].T) for k in range(d)]
    rows.append(np.ascontiguousarray((length - length.mean(axis=0)).T))
    bins = len(as_array(edges)) - 1
    which = np.searchsorted(as_array(edges), pairs.distance, side="right") - 1
    inside = np.flatnonzero((which >= 0) & (which < bins))
    sums = np.zeros((3, bins))
    for begin in range(0, inside.size, CHUNK):
        chosen = inside[begin : begin + CHUNK]
        sums += _chunk_sums(rows, pairs, chosen, which[chosen], bins)
    pairs_in_bin = np.bincount(which[inside], minlength=bins).astype(np.float64)
    longitudinal, total, mobility = sums[0] / replicas, sums[1] / replicas, sums[2] / (replicas - 1)
    return CorrelationSums(pairs_in_bin, longitudinal, (total - longitudinal) / (d - 1), mobility)


def _chunk_sums(rows: list[Floats], pairs: Pairs, chosen: Integers, which: Integers, bins: int) -> Floats:
    i, j, direction = pairs.i[chosen], pairs.j[chosen], pairs.direction[chosen]
    along_i = np.zeros((len(chosen), rows[0].shape[1]))
    along_j = np.zeros_like(along_i)
    total = np.zeros(len(chosen))
    for axis, row in enumerate(rows[:-1]):
        a, b = row[i], row[j]
        total += np.einsum("pr,pr->p", a, b)
        a *= direction[:, axis, None]
        b *= direction[:, axis, None]
        along_i += a
        along_j += b
    longitudinal = np.einsum("pr,pr->p", along_i, along_j)
    mobility = np.einsum("pr,pr->p", rows[-1][i], rows[-1][j])
    return np.stack([np.bincount(which, v, bins) for v in (longitudinal, total, mobility)])


class Correlations(NamedTuple):
    """C(r) of `normalise`, all dimensionless and (..., bins); nan in bins without pairs."""

    longitudinal: Floats
    transverse: Floats
    mobility: Floats


def normalise(sums: CorrelationSums, second_moment: Any, iso: Any, dimension: int) -> Correlations:
    """C_L and C_T in units of MSD/d and C_mobility in units of iso, so that each would be 1 for i = j.

    Sums may be means over configurations, (..., bins), with ``second_moment`` (MSD) and ``iso`` (...).
    """
    count = np.where(sums.pairs > 0, sums.pairs, np.nan)
    scale = np.asarray(as_array(second_moment) / dimension)[..., None]
    within = np.asarray(as_array(iso))[..., None]
    scale, within = (np.where(s > 0, s, np.nan) for s in (scale, within))
    return Correlations(
        sums.longitudinal / count / scale, sums.transverse / count / scale, sums.mobility / count / within
    )
