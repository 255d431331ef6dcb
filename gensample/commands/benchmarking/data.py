"""Data modules of a benchmark, each made once: graphs and averages are shared by all rows that use them."""

from __future__ import annotations

from typing import Any

from gensample.commands.benchmarking.settings import TARGETS, BenchmarkSettings
from gensample.commands.benchmarking.workspace import Unit
from gensample.data.datamodule import KADataModule


class DataModules:
    """Makes, sets up and keeps the data modules that units ask for."""

    def __init__(self, settings: BenchmarkSettings) -> None:
        self.settings = settings
        self._kept: dict[str, KADataModule] = {}

    def arguments(self, name: str, unit: Unit) -> dict[str, Any]:
        """Settings of the data module that serves the dataset ``name`` to a unit."""
        dataset = self.settings.datasets[name]
        return {
            "dataset": dataset.dataset,
            "input": unit.input,
            # Rows that read thermal positions read nothing else: no vector to the inherent structure.
            "cage_vectors": unit.input != "thermal",
            "lags": dataset.lags,
            "validation": None if unit.row.all_training else dataset.validation,
            "quantity": TARGETS[unit.target],
            **unit.row.data,
        }

    def get(self, name: str, unit: Unit, **more: Any) -> KADataModule:
        """The data module that serves the dataset ``name`` to a unit; ``more`` are settings that win.

        How many configurations are trained on is set on the module that is kept.
        """
        arguments = self.arguments(name, unit) | more
        key = repr(sorted(arguments.items(), key=lambda item: item[0]))
        if key not in self._kept:
            module = KADataModule(**arguments)
            module.setup()
            self._kept[key] = module
        self._kept[key].train_limit = self.train_limit(name, unit)
        return self._kept[key]

    def train_limit(self, name: str, unit: Unit) -> int | None:
        """How many training configurations of a dataset a unit may see."""
        return self.settings.datasets[name].train_limit if unit.size is None else unit.size

    def training(self, unit: Unit) -> list[KADataModule]:
        """Those of the training sets of a unit."""
        return [self.get(name, unit) for name in unit.train]

    def drop(self) -> None:
        """Let all of them go: rows that follow read the data in another way."""
        self._kept.clear()
