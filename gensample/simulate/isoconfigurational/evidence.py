"""Evidence of equilibration: energy drift and overlap decay along the equilibration runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gensample.stats.dynamics import OVERLAP_LENGTH, WAVE_NUMBER


def overlap_decay(snapshots: np.ndarray, species: np.ndarray) -> np.ndarray:
    """Self overlap Q(Delta) of species A over all origins of the second half, (S // 4,).

    Q(Delta) is the fraction of particles displaced by less than OVERLAP_LENGTH; snapshots (S, N, d) are
    unwrapped and equally spaced; entry k belongs to a separation of k + 1 snapshots.
    """
    return np.array(
        [(np.linalg.norm(u, axis=-1) < OVERLAP_LENGTH).mean() for u in _moves(snapshots, species)]
    )


def scattering_decay(snapshots: np.ndarray, species: np.ndarray) -> np.ndarray:
    """Self-intermediate scattering function F_s(q, Delta) of species A at WAVE_NUMBER, as `overlap_decay`.

    Mean of cos(q u) over the axes: wave vectors along them.
    """
    return np.array([np.cos(WAVE_NUMBER * u).mean() for u in _moves(snapshots, species)])


def _moves(snapshots: np.ndarray, species: np.ndarray) -> Iterator[np.ndarray]:
    tail = snapshots[len(snapshots) // 2 :, species == 0]
    tail = tail - snapshots[len(snapshots) // 2 :].mean(1, keepdims=True)
    for k in range(1, len(snapshots) // 4 + 1):
        yield tail[k:] - tail[:-k]


def relaxation_time(times: np.ndarray, overlap: np.ndarray) -> float:
    """Time at which the overlap (or F_s) falls to 1/e; NaN when it does not.

    Interpolated in log t between two times, in t before the first.
    """
    below = np.flatnonzero(overlap < 1 / np.e)
    if below.size == 0:
        return float("nan")
    k = below[0]
    if k == 0:
        return float(times[0] * (1 - 1 / np.e) / (1 - overlap[0]))
    fraction = (overlap[k - 1] - 1 / np.e) / (overlap[k - 1] - overlap[k])
    return float(np.exp(np.log(times[k - 1]) + fraction * np.log(times[k] / times[k - 1])))


def energy_drift(energy: np.ndarray) -> tuple[float, float]:
    """Change of the energy per particle from the third to the last quarter, and its standard error over runs.

    energy is (C, S), block averages along each equilibration run.
    """
    quarter = energy.shape[1] // 4
    change = energy[:, -quarter:].mean(1) - energy[:, -2 * quarter : -quarter].mean(1)
    error = change.std(ddof=1) / np.sqrt(len(change)) if len(change) > 1 else np.nan
    return float(change.mean()), float(error)


def summarise(
    energy: np.ndarray, overlap: np.ndarray, scattering: np.ndarray, spacing: float, length: float
) -> dict[str, Any]:
    """Attributes of the dataset: relaxation times, the multiple of tau_alpha that was run, the energy drift.

    tau_alpha is the time at which F_s falls to 1/e; the overlap's own time is given beside it.
    """
    times = spacing * np.arange(1, overlap.shape[1] + 1)
    tau = relaxation_time(times, scattering.mean(0))
    drift, error = energy_drift(energy)
    return {
        "tau_alpha": tau,
        "tau_overlap": relaxation_time(times, overlap.mean(0)),
        "equilibration_time": length,
        "equilibration_over_tau_alpha": length / tau,
        "energy_drift": drift,
        "energy_drift_error": error,
    }
