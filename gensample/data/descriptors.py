"""Structural descriptors as a data module serves them: which columns, computed and standardised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gensample.errors import ConfigError
from gensample.physics.potentials import energy
from gensample.stats.regression import mean_and_scale
from gensample.structure.descriptors import SETS, descriptor_columns, descriptor_names
from gensample.structure.particles import Particles

if TYPE_CHECKING:
    from gensample.data.positions import Inputs
    from gensample.data.store import Store

Levels = Sequence[Sequence[float]]
"""Temperature and time of probe runs."""


class Descriptors:
    """The sets of descriptors ``sets`` of a dataset, in units of what they were standardised by."""

    def __init__(self, store: Store, sets: Sequence[str]) -> None:
        self.sets = list(sets)
        self.mixture = store.liquid if sets else None
        self.levels = [list(level) for level in store.probe_levels] if "probe" in sets else []
        self._species = torch.from_numpy(store.species.astype("int64"))
        self._source = store.path
        self.statistics: tuple[Tensor, Tensor] | None = None

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [name for each in self.sets for name in self._names(each)]

    @property
    def widths(self) -> list[int]:
        """Number of columns of each set."""
        return [len(self._names(each)) for each in self.sets]

    def _names(self, one: str) -> list[str]:
        assert self.mixture is not None
        return descriptor_names(self.mixture, [one], [(level[0], level[1]) for level in self.levels])

    def compute(
        self, inputs: Inputs, row: int, positions: Tensor, box: Tensor, cage_vector: Tensor
    ) -> dict[str, Tensor]:
        """``descriptors`` (N, D) of a configuration, and ``energy`` (1,) per particle of its positions."""
        assert self.mixture is not None
        needed = {SETS[name].reads for name in self.sets if name in SETS}
        structure = Particles(
            *(positions, self._species, box, self.mixture, cage_vector),
            short_runs=inputs.short_runs(row) if "short_runs" in needed else None,
            probe=inputs.probe(row) if "probe" in needed else None,
        )
        mean = torch.zeros(())
        if self.mixture.has_potential:
            mean = energy(positions, self._species, box, self.mixture).mean()
        return {"descriptors": descriptor_columns(structure, self.sets), "energy": mean.float().unsqueeze(0)}

    def fit(self, descriptors: Sequence[Tensor]) -> None:
        """Standardise by the mean and scale of each species in these configurations, (N, D) each."""
        kinds = range(int(self._species.max()) + 1)
        of = [(self._species == s).to(descriptors[0].device) for s in kinds]
        found = [mean_and_scale(each[mine] for each in descriptors) for mine in of]
        mean, scale = (torch.stack(values).float() for values in zip(*found, strict=True))
        self.statistics = (mean, scale)

    def use(self, mean: Tensor, scale: Tensor, levels: Levels) -> None:
        """Standardise by ``mean`` and ``scale`` (S, D) of the data that a model was trained on.

        levels: temperature and time of the probe runs in those data, where it reads any.

        Raises:
            ConfigError: these are not the columns that the model was fitted on.
        """
        check_levels(levels, self.levels, str(self._source))
        width = sum(self.widths)
        if mean.shape[1] != width:
            raise ConfigError(
                f"the model was fitted on {mean.shape[1]} descriptors, {self._source} serves {width}"
            )
        self.statistics = (mean, scale)

    def standardise(self, descriptors: Tensor) -> Tensor:
        """Descriptors (N, D) of a configuration in units of the standard deviation of their species."""
        assert self.statistics is not None
        mean, scale = (each.to(descriptors) for each in self.statistics)
        species = self._species.to(descriptors.device)
        return (descriptors - mean[species]) / scale[species]


def check_levels(fitted: Levels, served: Levels, source: str) -> None:
    """Refuse probe runs at other temperatures or times than a model was fitted on: their columns differ.

    Raises:
        ConfigError: names both.
    """
    shape = (-1, 2)
    ours, theirs = (torch.tensor(x, dtype=torch.float64).reshape(shape) for x in (served, fitted))
    if ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=1e-6, atol=0):
        return
    if not len(theirs):
        raise ConfigError(
            f"the model knows of no probe runs, {source} serves some: a model that was fitted on them by an "
            "earlier version did not keep their temperatures and times; fit it again"
        )
    raise ConfigError(
        f"the model was fitted on probe runs at {_describe(theirs)}, those of {source} are at "
        f"{_describe(ours)}; make the same with `gensample probe {source} --again ...`"
    )


def _describe(levels: Tensor) -> str:
    if not len(levels):
        return "no level"
    pairs: Any = levels.tolist()
    return ", ".join(f"(T {temperature:g}, t {time:g})" for temperature, time in pairs)
