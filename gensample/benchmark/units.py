"""The units of work of a benchmark: every training, or loading, of every row."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gensample import zoo
from gensample.benchmark.settings import BenchmarkSettings, RowSettings, slug, test_sets, training_sets
from gensample.errors import ConfigError, DataError
from gensample.plain import read_yaml


@dataclass(frozen=True, eq=False)
class Unit:
    """One training (or loading) of one row: its input, target, training datasets and their size."""

    row: RowSettings
    input: str
    target: str
    train: tuple[str, ...] = ()
    size: int | None = None

    @property
    def folder(self) -> str:
        """Path of its folder below that of the benchmark."""
        trained = "+".join(self.train) or "untrained"
        size = "" if self.size is None else f"-first{self.size}"
        return "/".join(slug(word) for word in (self.row.name, self.input, self.target, trained + size))

    def tests(self, settings: BenchmarkSettings) -> list[str]:
        """Every test set of the row; of learning curves, those that were trained on."""
        names = test_sets(settings, self.row)
        return names if self.size is None else [name for name in names if name in self.train]


def units(settings: BenchmarkSettings) -> list[Unit]:
    """All trainings of a benchmark, rows in order."""
    found = []
    for row in settings.rows:
        trainings: list[tuple[tuple[str, ...], int | None]] = [((), None)]
        if row.trained:
            sizes = settings.sizes if row.sizes is None else row.sizes
            sets = training_sets(settings, row)
            trainings = [(names, size) for names in sets for size in (*sizes, None)]
        for target in row.targets or settings.targets:
            found += [Unit(row, name, target, *training) for name in row.inputs for training in trainings]
    return found


def asked(unit: Unit, only: Sequence[str] | None) -> bool:
    """Whether the name of its row contains one of the words ``only``."""
    return only is None or any(word.lower() in unit.row.name.lower() for word in only)


def config_of(row: RowSettings) -> dict[str, Any]:
    """The config that a network is trained with; empty for other kinds of rows.

    Raises:
        ConfigError: it is none of `gensample fit`.
    """
    if row.fit is None:
        return {}
    try:
        config = read_yaml(row.fit)
        config["model"]["init_args"]
    except (DataError, KeyError, TypeError) as error:
        raise ConfigError(f"{row.fit} is no config of `gensample fit`: {error!r}") from None
    return config


def weights_of(row: RowSettings) -> dict[str, str]:
    """Digests of the weights that a row starts from, or is.

    Raises:
        ConfigError: a model or a file of weights is not found.
    """
    found = {str(name): zoo.model_digest(name) for name in (row.model, row.generator) if name is not None}
    start = row.set.get(
        "model.init_from", config_of(row).get("model", {}).get("init_args", {}).get("init_from")
    )
    if start is not None:
        try:
            found[str(start)] = hashlib.sha256(Path(start).read_bytes()).hexdigest()
        except OSError as error:
            raise ConfigError(f"row {row.name!r} starts from weights that are not there: {error}") from None
    return found
