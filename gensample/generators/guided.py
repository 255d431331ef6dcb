"""Guided runs: heated where a learned field says that the liquid is going to move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.generators.base import FieldStart
from gensample.generators.heated import Heated
from gensample.generators.mobility_field import MobilityField
from gensample.ranges import NOT_NEGATIVE, whole
from gensample.weights import check_fit

LEVELS = 6
"""Temperatures of a phase: each has a thermostat for its share of the particles."""


class Guided(Heated):
    """`Heated` with a temperature for each particle, T_hot exp(gain e) of its expected log mobility e.

    Heat acts on all barriers E alike: at T' a particle that waits tau = tau_0 exp(E/T) waits the less, the
    longer it would wait at T, so that a uniform hot run forgets which places are soft. Equal acceleration a
    of all asks for 1/T'_i = 1/T - ln(a)/E_i: hotter where barriers are low. e, about its mean and in
    standard deviations over the particles of a species in the training configurations, is what a
    `MobilityField` expects from the inherent structure; its tensors are the weights of the model.

    gain: for each lag; mobility: ``num_species``, ``num_lags`` and ``columns`` of the field, whose lags are
    those of the generator.

    Raises:
        ConfigError: settings that cannot be.
    """

    needs_inherent = True
    has_weights = True
    of_each_lag = (*Heated.of_each_lag, "gain", "columns")

    def __init__(
        self,
        lag_time: Sequence[float],
        stages: Sequence[Sequence[Sequence[float | None]]],
        gain: Sequence[float],
        mobility: dict[str, int],
        timestep: float = 0.005,
        hot_timestep: float | None = None,
        domain: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(lag_time, stages, timestep, hot_timestep, domain)
        if not isinstance(gain, list | tuple) or len(gain) != len(self.lag_time):
            raise ConfigError(
                f"model.gain must be a number for each of {len(self.lag_time)} lags, got {gain!r:.100}"
            )
        for each in gain:
            NOT_NEGATIVE.check("model.gain", each)
        self.gain, self.columns = tuple(map(float, gain)), tuple(range(len(gain)))
        names = ("num_species", "num_lags", "columns")
        if not isinstance(mobility, dict) or set(mobility) != set(names):
            raise ConfigError(f"model.mobility must have {', '.join(names)}, got {mobility!r:.100}")
        for name in names:
            whole(1, 100_000).check(f"model.mobility.{name}", mobility[name])
        if mobility["num_lags"] != len(self.lag_time):
            raise ConfigError(
                f"model.mobility.num_lags is {mobility['num_lags']}, of {len(self.lag_time)} lags"
            )
        self.mobility = MobilityField(**mobility)

    def load_state_dict(self, tensors: dict[str, Tensor]) -> None:
        """Take the tensors of the field, of a file."""
        check_fit(self.mobility.state_dict(), tensors, "the mobility field")
        self.mobility.load_state_dict(tensors)

    def state_dict(self) -> dict[str, Tensor]:
        """Of the field."""
        return cast("dict[str, Tensor]", self.mobility.state_dict())

    @torch.no_grad()
    def read(self, start: FieldStart) -> dict[int, np.ndarray]:
        """See `Heated`."""
        hot = [any(phase.temperature is not None for phase in recipe) for recipe in self.recipes]
        lags = [k for k, gain in enumerate(self.gain) if gain and hot[k]]
        if not lags:
            return {}
        expected = self.mobility.standardised(self.mobility.read(start))
        return {k: factors(expected[:, self.columns[k]], self.gain[k]) for k in lags}


def factors(expected: np.ndarray, gain: float) -> np.ndarray:
    """exp(gain e) (N,), averaged over each of `LEVELS` levels of e (N,), which have an equal share of all."""
    found = np.exp(gain * expected)
    for members in np.array_split(np.argsort(expected, kind="stable"), LEVELS):
        found[members] = found[members].mean() if len(members) else 1.0
    return found
