"""The harmonic generator: vibrations about the inherent structure, given that of now; nothing hops.

Amplitude, damping and share at rest are found on the training split by `fit_harmonic`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.optimize import brentq, minimize_scalar
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.generators.base import FieldStart, PhysicsGenerator, drift_free
from gensample.generators.fitting import FitData, GeneratorFit
from gensample.meter import Meter
from gensample.physics.box import minimum_image
from gensample.ranges import Range, between, positive_to
from gensample.seeding import torch_generator
from gensample.stats.scores import crps
from gensample.structure.modes import hessian
from gensample.structure.vibrations import Vibrations

AMPLITUDE, DAMPING, REST = 1.0, 2.0, 0.0
"""Where nothing was fitted: the harmonic approximation itself, whose only free number is the damping."""
LAG = between(1e-6, 1e9)
RANGES: dict[str, Range] = {
    "amplitude": positive_to(100),
    "damping": between(0, 1000),
    "rest": between(0, 1),
}


class Harmonic(PhysicsGenerator):
    """u = v(t) - v(0), v the vibration about the inherent structure, Gaussian given v(0) = x - IS(x).

    The mean of v(t) is c v(0), its covariance a T (1 - c^2) / H with the Hessian H and the memory c(H, t) of
    damped oscillators (`gensample.structure.vibrations`). Settings for each lag: ``damping`` g; ``amplitude``
    a, what the mean square vibration is larger by than in the harmonic approximation; ``rest`` f, the share
    of that which is at rest: thermal centres are not where the inherent structure has them. Left out, they
    are 2, 1 and 0.

    Raises:
        ConfigError: settings out of range, or not one for each lag.
    """

    needs_inherent = True
    of_each_lag = ("lag_time", "amplitude", "damping", "rest")

    def __init__(
        self,
        lag_time: Sequence[float],
        domain: dict[str, Any] | None = None,
        *,
        amplitude: Sequence[float] | None = None,
        damping: Sequence[float] | None = None,
        rest: Sequence[float] | None = None,
    ) -> None:
        super().__init__(lag_time, domain)
        for k, time in enumerate(self.lag_time):
            LAG.check(f"model.lag_time[{k}]", time)
        self.amplitude = self._setting("amplitude", amplitude, AMPLITUDE)
        self.damping = self._setting("damping", damping, DAMPING)
        self.rest = self._setting("rest", rest, REST)
        self._last: tuple[FieldStart, Vibrations, list[Tensor]] | None = None

    def at(self, lag: float) -> Harmonic:
        """See `PhysicsGenerator`."""
        one = super().at(lag)
        one._last = None
        return one

    def draw(
        self,
        start: FieldStart | Sequence[FieldStart],
        replicas: Sequence[int],
        seed: int,
        lags: Sequence[int] | None = None,
    ) -> np.ndarray:
        """See `PhysicsGenerator`; DataError where the inherent structure is missing or no minimum."""
        if not isinstance(start, FieldStart):
            each = zip(start, replicas, strict=True)
            return np.concatenate([self.draw(one, [replica], seed, lags) for one, replica in each])
        vibrations, means = self._prepared(start)
        asked = range(len(means)) if lags is None else lags
        fields = np.empty((len(replicas), len(asked), *start.positions.shape), np.float32)
        for place in sorted({replica // self.width for replica in replicas}):
            # All of a place are drawn: the arithmetic of a field is the same whichever others are asked for.
            block = range(place * self.width, (place + 1) * self.width)
            chosen = [i for i, replica in enumerate(replicas) if replica in block]
            for k, lag in enumerate(asked):
                white = white_noise(seed, start, block, lag).to(self.device)
                kept = white if self.rest[lag] else white[:2]
                moving, offset = vibrations.fluctuations(self.lag_time[lag], self._damping(lag), kept)
                u = combine(
                    means[lag], moving, offset, self.amplitude[lag] * start.temperature, self.rest[lag]
                )
                drawn = drift_free(u[0].cpu().numpy())
                fields[chosen, k] = drawn[[replicas[i] - block.start for i in chosen]]
        return fields

    def _prepared(self, start: FieldStart) -> tuple[Vibrations, list[Tensor]]:
        """Vibrations of a configuration and their relaxation at each lag, kept until another is asked for."""
        if self._last is None or not _same(self._last[0], start):
            found = vibrations_of(start, self.device)
            means = [found.relaxation(time, self._damping(lag)) for lag, time in enumerate(self.lag_time)]
            self._last = start, found, means
        return self._last[1:]

    def _damping(self, lag: int) -> Tensor:
        return torch.tensor([self.damping[lag]], dtype=torch.float64)

    def _setting(self, name: str, given: Sequence[float] | None, default: float) -> tuple[float, ...]:
        values = [default] * len(self.lag_time) if given is None else given
        if not isinstance(values, list | tuple) or len(values) != len(self.lag_time):
            raise ConfigError(
                f"model.{name} must be one number for each of {len(self.lag_time)} lag times, "
                f"got {given!r:.100}"
            )
        for k, value in enumerate(values):
            RANGES[name].check(f"model.{name}[{k}]", value)
        return tuple(float(value) for value in values)


def combine(mean: Tensor, moving: Tensor, offset: Tensor | None, temperature: float, rest: float) -> Tensor:
    """Displacements (J, F, N, d) from a relaxation (J, N, d) and the two kinds of deviations (J, F, N, d)."""
    deviations = moving if offset is None else moving + math.sqrt(rest) * offset
    return (1 - rest) * mean.unsqueeze(1) + math.sqrt((1 - rest) * temperature) * deviations


def vibrations_of(start: FieldStart, device: str = "cpu") -> Vibrations:
    """The vibrations of one configuration about its inherent structure.

    Raises:
        DataError: the inherent structure is missing, or no minimum of the potential.
    """
    if start.inherent is None:
        raise DataError("harmonic needs inherent structures: add them with `gensample quench`")
    inherent, positions, box = (
        torch.from_numpy(np.asarray(x, np.float64)) for x in (start.inherent, start.positions, start.box)
    )
    species = torch.from_numpy(np.asarray(start.species, np.int64))
    displacement, mass = minimum_image(positions - inherent, box), start.mixture.masses_of(species)
    masses = None if mass is None else mass.numpy()
    try:
        return Vibrations(hessian(inherent, species, box, start.mixture), displacement.to(device), masses)
    except DataError as error:
        raise DataError(f"configuration {start.row}, its inherent structure: {error}") from error


def white_noise(seed: int, start: FieldStart, replicas: Sequence[int], lag: int) -> Tensor:
    """Normal numbers (3, R, N, d) float64 for `Vibrations`, keyed by (seed, row, replica, lag)."""
    shape = (3, *start.positions.shape)
    each = [
        torch.randn(shape, generator=torch_generator(seed, start.row, r, lag), dtype=torch.float64)
        for r in replicas
    ]
    return torch.stack(each, 1)


def _same(a: FieldStart, b: FieldStart) -> bool:
    """Whether two starts are the same configuration."""
    if (a.row, a.temperature, a.mixture) != (b.row, b.temperature, b.mixture):
        return False
    if a.inherent is None or b.inherent is None:
        return False
    return np.array_equal(a.positions, b.positions) and np.array_equal(a.inherent, b.inherent)


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
) -> GeneratorFit:
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
    return GeneratorFit("gensample.generators.harmonic.Harmonic", settings, tried, [criterion, *told], story)


def fit(
    starts: Sequence[FieldStart],
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
