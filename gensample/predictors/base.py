"""The interface of predictors, their registry, and what those fitted to descriptors share."""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from gensample.data.datamodule import KADataModule
from gensample.data.dataset import as_dataset
from gensample.data.descriptors import check_levels
from gensample.errors import ConfigError, DataError
from gensample.registry import canonical
from gensample.seeding import torch_generator

if TYPE_CHECKING:
    from gensample.predictors.network import Network

FORMAT = 2
"""Of what a fit keeps; a benchmark fits again what was kept in another."""

Rows = Sequence[int] | np.ndarray


class Predictor(ABC):
    """Predicts each particle's propensity at each lag time, of data that are served as it reads them.

    parameters: how many numbers were fitted or trained; None where nothing was. What a fit has found is a
    dict of tensors, `state`, which a new predictor with the same settings takes back by `restore`.
    """

    parameters: int | None = None

    def __init__(self) -> None:
        self._state: dict[str, Tensor] = {}

    @classmethod
    def suits(cls, model: Any) -> bool:
        """Whether this is how a model that was trained predicts."""
        return False

    def fit(self, data: Sequence[KADataModule], generator: torch.Generator | None = None) -> None:
        """Fit on the training split of every data module; nothing for what needs no fit."""
        return

    @abstractmethod
    def predict(self, data: KADataModule, rows: Rows) -> Tensor:
        """Propensity (C', N, K) of the configurations ``rows`` of a data module."""

    def state(self) -> dict[str, Tensor]:
        """What was fitted."""
        return self._state

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take what another fit has found; DataError where it was kept by a version that kept less."""
        self._state = dict(state)


Kind = TypeVar("Kind", bound=type[Predictor])
_registered: dict[str, type[Predictor]] = {}


def register(cls: Kind) -> Kind:
    """Make a predictor known by the name of its class."""
    _registered[cls.__name__] = cls
    return cls


def registered() -> dict[str, type[Predictor]]:
    """Every predictor there is, those of this folder among them, by the name of its class."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"gensample.predictors.{module.name}")
    return _registered


def make(spec: dict[str, Any]) -> Predictor:
    """The predictor of a ``{class_path, init_args}``, the class named alone or with its module.

    Raises:
        ConfigError: it is no registered one, or cannot be made of these settings.
    """
    given, settings = spec.get("class_path"), spec.get("init_args") or {}
    known = registered()
    path = canonical(given) if isinstance(given, str) else ""
    name = path.rpartition(".")[2]
    cls = known.get(name)
    if cls is None or path not in (name, f"{cls.__module__}.{name}"):
        raise ConfigError(f"{given!r} is not among the predictors that are known: {', '.join(sorted(known))}")
    if not isinstance(settings, dict):
        raise ConfigError(f"{name}: init_args must be a mapping, got {type(settings).__name__}")
    try:
        return cls(**settings)
    except TypeError as error:
        raise ConfigError(f"{name} cannot be made of its settings ({error})") from error


def of_model(model: Any, name: str = "the model", force: bool = False) -> Network:
    """What a loaded model called ``name`` predicts; with ``force`` also outside its domain.

    Raises:
        ConfigError: it predicts no propensity.
    """
    kind: Any = next((cls for cls in registered().values() if cls.suits(model)), None)
    if kind is None:
        raise ConfigError(f"{name} is a {type(model).__name__}, which predicts no propensity")
    found: Network = kind(model, name, force)
    return found


def propensity_of(model: Any, data: Any, *, split: str | None = None, force: bool = False) -> np.ndarray:
    """Propensity (C, N, K) float64 that a loaded model reads off the configurations of a dataset.

    data: whatever `as_dataset` takes; split: those of its configurations; force: also outside the domain.

    Raises:
        ConfigError: it predicts no propensity, or the data do not fit it.
    """
    dataset = as_dataset(data)
    return of_model(model, model.name, force).propensity(dataset if split is None else dataset[split])


@dataclass(frozen=True)
class Described:
    """Configurations of one dataset as a fit sees them.

    species: (N,); descriptors: (N, D) of each configuration, as they are (not standardised); energy: (C,),
    potential, per particle, of the input positions; temperature: (C,); snapshot_id: (C,); target: (N, K) of
    each configuration, what is predicted of each particle at each lag, None where it was not asked for.
    """

    species: Tensor
    descriptors: list[Tensor]
    energy: Tensor
    temperature: Tensor
    snapshot_id: Tensor
    target: list[Tensor] | None


def read_sample(data: KADataModule, rows: Rows, with_target: bool) -> Described:
    """The configurations ``rows`` of a data module that has been set up.

    Raises:
        ConfigError: the data module serves no descriptors.
        DataError: descriptors or targets are not finite.
    """
    if not data.settings.descriptors:
        raise ConfigError("this predictor reads descriptors; name some in data.descriptors")
    rows = np.asarray(rows)
    descriptors = data.per_configuration("descriptors", rows)
    target = data.per_configuration("propensity", rows) if with_target else None
    for name, values in (("descriptors", descriptors), ("propensities", target or [])):
        wrong = [int(row) for row, each in zip(rows, values, strict=False) if not bool(each.isfinite().all())]
        if wrong:
            raise DataError(f"{data.dataset}: {name} of configurations {wrong} are not finite")
    return Described(
        species=torch.from_numpy(data.store.species.astype(np.int64)).to(descriptors[0].device),
        descriptors=descriptors,
        energy=torch.cat([each.flatten() for each in data.per_configuration("energy", rows)]),
        temperature=torch.from_numpy(data.store.temperature[rows]).to(descriptors[0]),
        snapshot_id=torch.from_numpy(rows).to(descriptors[0].device),
        target=target,
    )


class DescriptorPredictor(Predictor):
    """Reads descriptors; fitted and applied one species at a time.

    Among its state are ``weights`` (S, D, K) and ``offset`` (S, K), ``mean`` (S, D) of the columns, and
    ``probe_levels`` (L, 2), temperature and time of the probe runs among the descriptors.
    """

    def fit(self, data: Sequence[KADataModule], generator: torch.Generator | None = None) -> None:
        """Fit on the training split of every data module; choose settings, if any, on parts left out.

        Raises:
            ConfigError: the data modules serve different descriptors or numbers of lag times.
            DataError: descriptors or propensities are not finite.
        """
        samples = [read_sample(module, module.rows("train"), with_target=True) for module in data]
        levels = data[0].described.levels
        for module in data[1:]:
            check_levels(levels, module.described.levels, str(module.dataset))
        _check_alike("descriptors", [sample.descriptors[0].shape[1] for sample in samples])
        _check_alike("lag times", [targets_of(sample)[0].shape[1] for sample in samples])
        self.fit_samples(samples, data[0].described.widths, levels, generator)

    def fit_samples(
        self,
        samples: Sequence[Described],
        widths: Sequence[int],
        levels: Sequence[Sequence[float]] = (),
        generator: torch.Generator | None = None,
    ) -> None:
        """Fit on configurations with targets; their columns are sets of ``widths``, of probe ``levels``."""
        self._widths = widths
        self._state = {"probe_levels": torch.tensor(levels, dtype=torch.float64).reshape(-1, 2)}
        self._state |= self._fit(samples, generator or torch_generator(0))

    @abstractmethod
    def _fit(self, samples: Sequence[Described], generator: torch.Generator) -> dict[str, Tensor]:
        """What `state` holds beside the levels of probe runs."""

    def predict(self, data: KADataModule, rows: Rows) -> Tensor:
        """See `Predictor`.

        Raises:
            ConfigError: the data serve other descriptors or species than those fitted on.
        """
        check_levels(self._state["probe_levels"].tolist(), data.described.levels, str(data.dataset))
        sample = read_sample(data, rows, with_target=False)
        self._check_serves(sample, str(data.dataset))
        return self.predict_sample(sample)

    def predict_sample(self, sample: Described) -> Tensor:
        """Prediction (C, N, K) of configurations with the columns that were fitted on."""
        weights = self._state["weights"]
        found = sample.energy.new_zeros(len(sample.descriptors), len(sample.species), weights.shape[-1])
        for s in range(len(weights)):
            of = sample.species == s
            for number in range(len(found)):
                found[number, of] = self._predict_species(sample, number, s).to(found)
        return found

    @abstractmethod
    def _predict_species(self, sample: Described, number: int, s: int) -> Tensor:
        """Predictions (n, K) for the particles of species s in one configuration of a sample."""

    def _check_serves(self, sample: Described, source: str) -> None:
        width, served = self._state["mean"].shape[1], self._columns_of(sample.descriptors[0].shape[1])
        if served != width:
            raise ConfigError(f"fitted on {width} columns of descriptors, {source} serves {served}")
        kinds, fitted = int(sample.species.max()) + 1, len(self._state["weights"])
        if kinds > fitted:
            raise ConfigError(f"fitted on {fitted} species, {source} has {kinds}")

    def _columns_of(self, descriptors: int) -> int:
        """Number of columns that are made of so many descriptors."""
        return descriptors

    def restore(self, state: dict[str, Tensor]) -> None:
        """See `Predictor`."""
        missing = {"weights", "offset", "mean", "probe_levels"} - state.keys()
        if missing:
            raise DataError(f"this predictor was kept without {sorted(missing)}; fit it again")
        super().restore(state)

    @property
    def parameters(self) -> int:  # type: ignore[override]
        """Number of weights and offsets."""
        return self._state["weights"].numel() + self._state["offset"].numel()


def targets_of(sample: Described) -> list[Tensor]:
    """Targets of a sample that was read with them."""
    assert sample.target is not None
    return sample.target


def _check_alike(what: str, counts: Sequence[int]) -> None:
    if len(set(counts)) > 1:
        raise ConfigError(f"data sets that are fitted together need as many {what} each, got {list(counts)}")
