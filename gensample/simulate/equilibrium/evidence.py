"""Evidence of equilibrium sampling: autocorrelation time, drift and spread of the energy along the chains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gensample.stats.intervals import AutocorrelationTime, integrated_time

# Sokal recommends 4 to 10. Energies of a glass former decay in two steps: vibrations, gone at once, leave a
# small part that decays with the structure; a narrow window closes before that part is seen. The narrow one
# is for chains too short for the wide one: a time from it is rather too short.
WINDOWS = (10.0, 5.0)


def half_drift(energy: np.ndarray) -> tuple[float, float]:
    """Change of the mean of (chains, S) from the first to the second half, and its error over chains."""
    half = energy.shape[1] // 2
    change = energy[:, -half:].mean(1) - energy[:, :half].mean(1)
    error = change.std(ddof=1) / np.sqrt(len(change)) if len(change) > 1 else np.nan
    return float(change.mean()), float(error)


def summarise_sampling(energy: np.ndarray, spacing: np.ndarray, moved: np.ndarray) -> dict[str, np.ndarray]:
    """Attributes of the dataset, one value for each temperature; times in tau.

    energy (T, chains, S) per particle, averages over ``spacing`` (T,); moved (T, ...) fractions of particles
    that moved between kept configurations.
    """
    times, windows = zip(*[_memory(e) for e in energy], strict=True)
    drifts = np.array([half_drift(e) for e in energy])
    return {
        "mean_energy": energy.mean((1, 2)),
        "mean_energy_error": np.array([_spread(e.mean(1)) for e in energy]),
        "autocorrelation_time": spacing * [found.time for found in times],
        "autocorrelation_time_error": spacing * [found.error for found in times],
        "autocorrelation_window": np.array(windows),
        "energy_drift": drifts[:, 0],
        "energy_drift_error": drifts[:, 1],
        "moved_fraction": moved.reshape(len(moved), -1).mean(1),
    }


def _memory(energy: np.ndarray) -> tuple[AutocorrelationTime, float]:
    """Autocorrelation time of (chains, S) by the first window that closes, and that window's factor."""
    found = [(integrated_time(energy, window), window) for window in WINDOWS]
    return next((one for one in found if not np.isnan(one[0].time)), found[-1])


def _spread(means: np.ndarray) -> float:
    """Standard error of a mean over chains."""
    return float(means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else np.nan


def describe_sampling(attrs: Mapping[str, Any]) -> list[str]:
    """The attributes of `summarise_sampling` as one line for each temperature."""
    return [_line(attrs, k) for k in range(len(attrs["temperatures"]))]


def _line(attrs: Mapping[str, Any], k: int) -> str:
    tau, interval = float(attrs["autocorrelation_time"][k]), float(attrs["sampling_interval"][k])
    if np.isnan(tau):
        memory = f"autocorrelation time not measured, chains too short; interval {interval:g} tau"
    else:
        error = float(attrs["autocorrelation_time_error"][k])
        least = "at least " if attrs["autocorrelation_window"][k] < WINDOWS[0] else ""
        memory = f"autocorrelation time {least}{tau:.3g} +- {error:.1g} tau, interval {interval:g} tau"
        memory += f" = {interval / tau:.2g} of it" if tau > 0 else ""
    drift = _with_error(attrs, "energy_drift", k, "+")
    return (
        f"T = {attrs['temperatures'][k]:g}: energy {_with_error(attrs, 'mean_energy', k)} per particle; "
        f"{memory}; {attrs['moved_fraction'][k]:.0%} of the particles move in it; drift {drift}"
    )


def _with_error(attrs: Mapping[str, Any], name: str, k: int, sign: str = "") -> str:
    error = float(attrs[f"{name}_error"][k])
    return f"{attrs[name][k]:{sign}.4f}" + ("" if np.isnan(error) else f" +- {error:.4f}")
