"""Predictions that are stored with a dataset: published ones, or those of `gensample predict`."""

from __future__ import annotations

import torch
from torch import Tensor

from gensample.data.datamodule import KADataModule
from gensample.errors import ConfigError
from gensample.predictors.base import Predictor, Rows, register


@register
class StoredPrediction(Predictor):
    """The predictions of that name in the dataset, at the lag times that are served."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def predict(self, data: KADataModule, rows: Rows) -> Tensor:
        """See `Predictor`.

        Raises:
            ConfigError: the dataset has no predictions of this name.
        """
        stored = data.store.predictions
        if self.name not in stored:
            raise ConfigError(
                f"{data.dataset} has no published prediction {self.name!r}; it has {sorted(stored)}"
            )
        return torch.from_numpy(stored[self.name][rows][:, data.lag_rows]).transpose(1, 2).double()
