"""What fits of generators without training share: the data they read, and what they find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gensample.data.dataset import Dataset, open_dataset
from gensample.data.positions import Inputs
from gensample.data.schema import SPLITS
from gensample.data.store import domain_of
from gensample.errors import ConfigError
from gensample.generators.base import FieldStart, starts
from gensample.ranges import COUNT, check_choice


@dataclass(frozen=True)
class FitData:
    """Configurations, all of one temperature, of a split of the dataset ``name``, and their displacements."""

    name: str
    split: str
    data: Dataset

    @classmethod
    def read(
        cls, name: str, split: str = "train", most: int | None = None, temperature: float | None = None
    ) -> FitData:
        """The first ``most`` configurations of a split at a temperature.

        Raises:
            ConfigError: an option cannot be, or the split has several temperatures and none is chosen.
            DataError: no such data, or nothing in the split.
        """
        check_choice("--split", split, (*SPLITS, "all"))
        if most is not None:
            COUNT.check("--configurations", most)
        whole = open_dataset(name)
        if not whole.store.has_displacements:
            raise ConfigError(f"{name} has no displacements to fit to; simulate some, or take another --data")
        data = whole[split]
        known = np.unique(data.temperature)
        if temperature is not None:
            near = np.isclose(data.temperature, temperature, rtol=1e-6)
            if not near.any():
                raise ConfigError(f"--temperature {temperature:g}: {name} has {known.tolist()}")
            data = data[near]
        elif len(known) > 1:
            raise ConfigError(f"{name} has the temperatures {known.tolist()}: choose one with --temperature")
        return cls(name, split, data[:most])

    @property
    def temperature(self) -> float:
        """Of the configurations."""
        return float(self.data.temperature[0])

    @property
    def lag_time(self) -> list[float]:
        """All lags of the dataset."""
        return [float(time) for time in self.data.lag_time]

    @property
    def domain(self) -> dict[str, Any]:
        """What a model fitted to this is of."""
        return domain_of(self.data.store, [self.temperature], self.lag_time)

    def training(self) -> np.ndarray:
        """All rows of the training split at the temperature."""
        store = self.data.store
        rows = store.indices("train")
        found: np.ndarray = rows[np.isclose(store.temperature[rows], self.temperature, rtol=1e-6)]
        return found

    def starts(self, inherent: bool = False, device: str = "cpu") -> list[FieldStart]:
        """Where fields start, with inherent structures (found where the dataset has none) if asked for."""
        return self.starts_of(self.data.rows, inherent, device)

    def starts_of(self, rows: np.ndarray, inherent: bool = False, device: str = "cpu") -> list[FieldStart]:
        """The same of other rows of the dataset."""
        store = self.data.store
        if not inherent:
            return starts(store, rows)
        inputs = Inputs(store, "inherent", torch.device(device))
        inputs.prepare(rows)
        made = inputs.inherent(rows)
        assert made is not None
        return starts(store, rows, made[0])


@dataclass(frozen=True)
class GeneratorFit:
    """A generator that was found: its class, settings beside lags and domain, all that was tried, in words.

    told: a line on each lag; story: lines of its card; tensors: its weights, if it has any.
    """

    class_path: str
    settings: dict[str, Any]
    found: dict[str, Any]
    told: list[str]
    story: list[str]
    tensors: dict[str, Tensor] | None = None
