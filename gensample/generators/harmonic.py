"""The harmonic generator: vibrations about the inherent structure, given that of now; nothing hops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gensample.errors import ConfigError, DataError
from gensample.generators.base import Origin, PhysicsGenerator, drift_free
from gensample.physics.box import minimum_image
from gensample.ranges import Range, between, positive_to
from gensample.seeding import torch_generator
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
        self._last: tuple[Origin, Vibrations, list[Tensor]] | None = None

    def draw(self, start: Origin, replicas: Sequence[int], seed: int) -> np.ndarray:
        """See `PhysicsGenerator`; DataError where the inherent structure is missing or no minimum."""
        vibrations, means = self._prepared(start)
        fields = np.empty((len(replicas), len(means), *start.positions.shape), np.float32)
        for place in sorted({replica // self.width for replica in replicas}):
            # All of a place are drawn: the arithmetic of a field is the same whichever others are asked for.
            block = range(place * self.width, (place + 1) * self.width)
            chosen = [k for k, replica in enumerate(replicas) if replica in block]
            for lag, mean in enumerate(means):
                white = white_noise(seed, start, block, lag).to(self.device)
                kept = white if self.rest[lag] else white[:2]
                moving, offset = vibrations.fluctuations(self.lag_time[lag], self._damping(lag), kept)
                u = combine(mean, moving, offset, self.amplitude[lag] * start.temperature, self.rest[lag])
                drawn = drift_free(u[0].cpu().numpy())
                fields[chosen, lag] = drawn[[replicas[k] - block.start for k in chosen]]
        return fields

    def _prepared(self, start: Origin) -> tuple[Vibrations, list[Tensor]]:
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


def vibrations_of(start: Origin, device: str = "cpu") -> Vibrations:
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


def white_noise(seed: int, start: Origin, replicas: Sequence[int], lag: int) -> Tensor:
    """Normal numbers (3, R, N, d) float64 for `Vibrations`, keyed by (seed, row, replica, lag)."""
    shape = (3, *start.positions.shape)
    each = [
        torch.randn(shape, generator=torch_generator(seed, start.row, r, lag), dtype=torch.float64)
        for r in replicas
    ]
    return torch.stack(each, 1)


def _same(a: Origin, b: Origin) -> bool:
    """Whether two starts are the same configuration."""
    if (a.row, a.temperature, a.mixture) != (b.row, b.temperature, b.mixture):
        return False
    if a.inherent is None or b.inherent is None:
        return False
    return np.array_equal(a.positions, b.positions) and np.array_equal(a.inherent, b.inherent)
