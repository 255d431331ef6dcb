"""The interface of predictors that are fitted without Lightning, and what they read of a data module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gensample.data.datamodule import KADataModule
from gensample.errors import ConfigError


@dataclass(frozen=True)
class Sample:
    """Configurations of one dataset as an estimator sees them.

    species: (N,); descriptors: (C, N, D), as they are (not standardised); energy: (C,), potential, per
    particle, of the input positions; temperature: (C,); snapshot_id: (C,); target: (C, N, K) what is
    predicted of each particle at each lag, None where it was not asked for.
    """

    species: Tensor
    descriptors: Tensor
    energy: Tensor
    temperature: Tensor
    snapshot_id: Tensor
    target: Tensor | None


def read_sample(data: KADataModule, rows: Sequence[int] | np.ndarray, with_target: bool) -> Sample:
    """The configurations ``rows`` of a data module that has been set up.

    Raises:
        ConfigError: the data module serves no descriptors.
    """
    if not data.descriptors:
        raise ConfigError("this estimator reads descriptors; name some in data.descriptors")
    rows = np.asarray(rows)
    descriptors = data.per_particle("descriptors", rows)
    return Sample(
        species=torch.from_numpy(data.store.species.astype(np.int64)).to(descriptors.device),
        descriptors=descriptors,
        energy=data.per_particle("energy", rows).flatten(),
        temperature=torch.from_numpy(data.store.temperature[rows]).to(descriptors),
        snapshot_id=torch.from_numpy(rows).to(descriptors.device),
        target=data.per_particle("propensity", rows) if with_target else None,
    )


class Estimator(ABC):
    """Fitted on the training configurations of data modules; predicts each particle at each lag.

    What was fitted is a dict of tensors (`state`), which a new estimator with the same settings takes back
    (`restore`).
    """

    _state: dict[str, Tensor]

    @abstractmethod
    def fit(self, data: Sequence[KADataModule], generator: torch.Generator) -> None:
        """Fit on the training split of every data module; choose settings, if any, on their validation split.

        All of them serve the same number K of lag times. Raises ConfigError when they do not suit.
        """

    @abstractmethod
    def predict(self, data: KADataModule, rows: Sequence[int] | np.ndarray) -> Tensor:
        """Predictions (C', N, K) for the configurations ``rows``."""

    def state(self) -> dict[str, Tensor]:
        """What was fitted, ``weights`` and ``offset`` among it."""
        return self._state

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take what another fit has found."""
        self._state = dict(state)

    @property
    def num_parameters(self) -> int:
        """Number of weights and offsets."""
        return self._state["weights"].numel() + self._state["offset"].numel()
