"""Amplitude, damping and share at rest of the harmonic generator, found on the training split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.optimize import brentq, minimize_scalar
from torch import Tensor

from gensample.errors import DataError
from gensample.generators.base import Origin
from gensample.generators.fitting import FitData, Fitted
from gensample.generators.harmonic import RANGES, combine, vibrations_of, white_noise
from gensample.meter import Meter
from gensample.stats.scores import crps
from gensample.structure.vibrations import Vibrations

DAMPINGS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
DRAWS = 8
"""Fields drawn of each configuration, the same random numbers for all candidates."""
PARTICLES = 20_000
"""Of all configurations together, evenly spaced, that are scored: configurations differ more than they do."""
AMPLITUDES, RESTS = (0.05, 20.0), (0.0, 0.95)
"""Within which amplitude and share at rest are sought."""


@dataclass(frozen=True)
class Candidate:
    """The best share at rest for one damping at one lag, its amplitude, and their CRPS of |u|."""

    lag_time: float
    damping: float
    amplitude: float
    rest: float
    crps: float


class _Sample(NamedTuple):
    """One configuration at one lag: what candidates are combined from, and what they must match."""

    mean: Tensor  # (J, N, d) for J dampings
    moving: Tensor  # (J, F, N, d)
    offset: Tensor  # (J, F, N, d)
    temperature: float  # of the configuration
    observed: np.ndarray  # (R, N) lengths


def fit_harmonic(
    data: FitData,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> Fitted:
    """Amplitude, damping and share at rest of `Harmonic` for each lag, from training configurations.

    progress: wraps the loops over configurations and lags. The amplitude is the one at which the mean of |u|
    is that of simulation, which the lowest CRPS misses by a percent. The CRPS (`gensample.stats.scores.crps`)
    is the mean over particles and configurations, for each damping the lowest over the share at rest.

    Raises:
        DataError: an inherent structure is no minimum.
    """
    meter, origins = Meter(), data.starts(True, device)
    settings, found = fit(origins, data.data.store.displacements, data.lag_time, seed, progress)
    criterion = "least CRPS of |u| over damping and share at rest, where its mean is that of simulation"
    told = [
        f"t = {time:g}: " + ", ".join(f"{name} {values[k]:.3g}" for name, values in settings.items())
        for k, time in enumerate(data.lag_time)
    ]
    tried = {
        **{"criterion": criterion, "seed": seed, "core_seconds": meter.lap()},
        "candidates": [asdict(candidate) for candidate in found],
    }
    story = ["Vibrations about the inherent structure; nothing hops.", "", *(f"* {row}" for row in told)]
    return Fitted("gensample.generators.harmonic.Harmonic", settings, tried, [criterion, *told], story)


def fit(
    starts: Sequence[Origin],
    fields: Callable[[int], np.ndarray],
    lag_time: Sequence[float],
    seed: int = 0,
    progress: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> tuple[dict[str, list[float]], list[Candidate]]:
    """Settings of `Harmonic` for each lag, those of least CRPS of |u|; and the best of every damping.

    starts: configurations with their inherent structures; fields: (R, K, N, d) of a row of the dataset.
    """
    if not starts:
        raise DataError("there is no configuration to fit to: the dataset needs a training split")
    stride = -(-len(starts) * len(starts[0].positions) // PARTICLES)
    samples: list[list[_Sample]] = [[] for _ in lag_time]
    for start in progress(starts):
        own, simulated = vibrations_of(start), fields(start.row)
        for lag, time in enumerate(lag_time):
            white = white_noise(seed, start, range(DRAWS), lag)
            samples[lag].append(_sample(own, time, white, simulated[:, lag], start.temperature, stride))
    found = [c for lag in progress(range(len(lag_time))) for c in _candidates(samples[lag], lag_time[lag])]
    best = [min((c for c in found if c.lag_time == t), key=lambda c: c.crps) for t in lag_time]
    return {name: [asdict(c)[name] for c in best] for name in RANGES}, found


def _sample(
    own: Vibrations, time: float, white: Tensor, simulated: np.ndarray, temperature: float, stride: int
) -> _Sample:
    """What candidates at a lag are made of, of every ``stride``-th particle."""
    damping = torch.tensor(DAMPINGS, dtype=torch.float64)
    moving, offset = own.fluctuations(time, damping, white)
    assert offset is not None
    mean, moving, offset = (
        part[..., ::stride, :].clone() for part in (own.relaxation(time, damping), moving, offset)
    )
    return _Sample(mean, moving, offset, temperature, np.linalg.norm(simulated[:, ::stride], axis=-1))


def _candidates(samples: Sequence[_Sample], time: float) -> list[Candidate]:
    """The best of each damping."""
    found = []
    for j, damping in enumerate(DAMPINGS):
        sought = minimize_scalar(
            lambda rest, j=j: _crps(samples, j, _amplitude(samples, j, rest), rest),
            bounds=RESTS,
            method="bounded",
            options={"xatol": 0.01},
        )
        rest = float(sought.x)
        found.append(Candidate(time, damping, _amplitude(samples, j, rest), rest, float(sought.fun)))
    return found


def _amplitude(samples: Sequence[_Sample], j: int, rest: float) -> float:
    """The amplitude at which |u| has the mean that it has in simulation, or the nearest within the limits."""

    def excess(amplitude: float) -> float:
        drawn = [_lengths(sample, j, amplitude, rest).mean() - sample.observed.mean() for sample in samples]
        return float(np.mean(drawn))

    low, high = AMPLITUDES
    if excess(low) >= 0 or excess(high) <= 0:
        return low if excess(low) >= 0 else high
    return float(brentq(excess, low, high, rtol=1e-3))


def _crps(samples: Sequence[_Sample], j: int, amplitude: float, rest: float) -> float:
    """Mean CRPS of |u| of one candidate."""
    scores = [crps(sample.observed, _lengths(sample, j, amplitude, rest)).mean() for sample in samples]
    return float(np.mean(scores))


def _lengths(sample: _Sample, j: int, amplitude: float, rest: float) -> np.ndarray:
    """|u| (F, N) drawn from one configuration."""
    mean, moving, offset = (part[j : j + 1] for part in (sample.mean, sample.moving, sample.offset))
    drawn = combine(mean, moving, offset, amplitude * sample.temperature, rest)[0]
    lengths: np.ndarray = drawn.norm(dim=-1).numpy()
    return lengths
