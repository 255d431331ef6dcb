"""Checks on imported arrays; each raises DataError with what was expected, what came, and the cure."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from gensample.errors import DataError
from gensample.physics.mixtures import Mixture

# Closer than this fraction of sigma_ab a pair costs more than 250 eps: at the temperatures of a glass
# former such a pair means a wrong box, wrong types or a damaged file.
OVERLAP = 0.7
DENSITY_TOLERANCE = 0.02
FARTHEST = 1e5
_HARMONICS = (1, 2, 3)


def check_finite(name: str, array: np.ndarray, box: np.ndarray) -> None:
    """Every length is finite and not so many boxes (d,) that its digits are lost."""
    bad = ~(np.abs(array) < FARTHEST * box.max())
    if bad.any():
        raise DataError(
            f"{name}: {int(bad.sum())} values are NaN, infinite or beyond {FARTHEST:g} boxes; mend the file"
        )


def check_wrapped(name: str, positions: np.ndarray, box: np.ndarray) -> None:
    """Positions (N, d) that a source calls wrapped lie no more than one box (d,) outside."""
    outside = ((positions < -box) | (positions > 2 * box)).any(axis=1)
    if outside.any():
        raise DataError(
            f"{name}: {int(outside.sum())} particles lie more than a box outside the box "
            f"{_edges(box)}, though the source has them wrapped; the box must be wrong"
        )


def check_composition(name: str, species: np.ndarray, mixture: Mixture) -> None:
    """Numbers of each species, (N,) from 0, are those of the mixture to about a percent."""
    counts = np.bincount(species, minlength=mixture.num_species)
    expected = np.array(mixture.counts(len(species)))
    if np.abs(counts - expected).max() > max(1, 0.01 * len(species)):
        raise DataError(
            f"{name} has {':'.join(map(str, counts))} particles of each species, {mixture.name} would have "
            f"{':'.join(map(str, expected))}; see --mixture and --species"
        )


def check_structure(
    name: str,
    positions: np.ndarray,
    species: np.ndarray,
    box: np.ndarray,
    mixture: Mixture,
    density: float | None = None,
) -> None:
    """Wrapped positions (N, d) fit the box (d,): its density is the expected one and no particles overlap."""
    expected = density if density is not None else mixture.density
    found = len(positions) / float(box.prod())
    if abs(found / expected - 1) > DENSITY_TOLERANCE:
        raise DataError(
            f"{name}: the box {_edges(box)} gives density {found:.4g}, {mixture.name} has {expected:.4g}; "
            "correct --box, or give --density if this is meant"
        )
    check_overlaps(name, positions, species, box, mixture)


def check_overlaps(
    name: str, positions: np.ndarray, species: np.ndarray, box: np.ndarray, mixture: Mixture
) -> None:
    """No pair of wrapped positions (N, d) is closer than 0.7 sigma_ab."""
    sigma = np.asarray(mixture.sigma)
    pairs = cKDTree(positions, boxsize=box).query_pairs(OVERLAP * sigma.max(), output_type="ndarray")
    dx = positions[pairs[:, 0]] - positions[pairs[:, 1]]
    dx -= box * np.round(dx / box)
    limit = OVERLAP * sigma[species[pairs[:, 0]], species[pairs[:, 1]]]
    distance = np.linalg.norm(dx, axis=1)
    overlaps = distance < limit
    if overlaps.any():
        worst = int(np.argmin(distance))
        raise DataError(
            f"{name}: {int(overlaps.sum())} pairs of particles overlap (closest: {pairs[worst, 0]} and "
            f"{pairs[worst, 1]} at {distance[worst]:.3g}); the box {_edges(box)}, "
            "the types or the file is wrong"
        )


def check_inherent(name: str, positions: np.ndarray, inherent: np.ndarray, box: np.ndarray) -> None:
    """The inherent structure (N, d) belongs to the configuration: particles move by a fraction of sigma."""
    dx = inherent - positions
    dx -= box * np.round(dx / box)
    rms = float(np.sqrt((dx**2).sum(axis=-1).mean()))
    if rms > 0.5:
        raise DataError(
            f"{name}: inherent positions lie {rms:.2g} from the thermal ones (root mean square), expected "
            "less than 0.5; they belong to another configuration or another box"
        )


def check_motion(
    name: str, u: np.ndarray, positions: np.ndarray, box: np.ndarray, times: np.ndarray, temperature: float
) -> None:
    """Displacements (R, K, N, d) from wrapped positions (N, d) are those of one particle each, without jumps.

    A true long move is kept. Wrapped positions are told from it by where they end (all inside the box) or by
    number: uniformly spread particles cross a face about sum |u| / L times, a tail of the dynamics far less.

    Fields that subtract unrelated particles, whose ids or order are mixed up, are as wide as the box (d,) at
    any of the lag times (K,); yet they end inside it. No particle is faster than its thermal velocity for
    long: the mean square of a component cannot exceed T t^2. A true move of a quarter of a box ends outside
    one time in four.
    """
    check_finite(f"{name}: displacements", u, box)
    sizes, ends = np.abs(u) / box, (u + positions) / box
    for k in range(u.shape[1]):
        size, jumps = sizes[:, k], sizes[:, k] > 0.5
        if not jumps.any():
            continue
        confined = bool(((ends[:, k] > -1e-6) & (ends[:, k] < 1 + 1e-6)).all())
        crossings = float(size[~jumps].sum())
        local = bool(np.quantile(size[~jumps], 0.99) < 0.25) if crossings else True
        if confined or (local and jumps.sum() > max(1.0, 0.25 * crossings)):
            raise DataError(
                f"{name}: {int(jumps.any(axis=-1).sum())} displacements at lag {k + 1} jump by an edge, so "
                "the positions were wrapped; displacements need unwrapped positions (or image flags)"
            )
    if len(u) > len({replica.tobytes() for replica in u}):
        raise DataError(f"{name}: two replicas have the same displacements; a run was given twice")
    for k, t in enumerate(times):
        size, far = sizes[:, k], sizes[:, k] > 0.25
        fast = np.median(size, axis=(0, 2)) > np.maximum(0.1, 2 * np.sqrt(temperature) * t / box.min())
        outside = far & ((ends[:, k] < 0) | (ends[:, k] > 1))
        confined = far.sum() >= 100 and outside.sum() < 0.05 * far.sum()
        if fast.sum() > 0.1 * len(positions) or confined:
            raise DataError(
                f"{name}: displacements at lag time {t:g} are as wide as the box "
                f"({int(far.any(axis=2).sum())} of {size[..., 0].size} beyond a quarter of it). No motion "
                "explains that: the order or ids of particles are mixed up, or positions or times are wrong"
            )


def density_waves(positions: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Amplitudes (..., 3 d) of density waves along edges (..., d), which know no order of the particles."""
    phases = 2j * np.pi * positions / box[..., None, :]
    return np.concatenate([np.exp(m * phases).sum(axis=-2) for m in _HARMONICS], axis=-1)


def rounding_of_waves(rounding: float, box: np.ndarray, particles: int) -> float:
    """How far an amplitude of N phases, rounded independently, may be: three standard deviations and more."""
    return float(2 * np.pi * max(_HARMONICS) * rounding / box.min() * 3 * np.sqrt(particles))


def _edges(box: np.ndarray) -> str:
    return " x ".join(f"{edge:.6g}" for edge in box)
