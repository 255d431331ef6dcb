"""The base of a flow from liquid to glass: equilibrium configurations at a higher temperature."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gensample.data.store import Store
from gensample.errors import ConfigError, DataError
from gensample.physics.box import wrap
from gensample.sampling.correction import metropolis
from gensample.seeding import derive_seed, torch_generator

log = logging.getLogger(__name__)


class BaseEnsemble:
    """Configurations of a dataset at one temperature, drawn at random, shifted and mirrored.

    Args:
        dataset: file or name.
        temperature: which, where the dataset has several.

    Raises:
        ConfigError: the temperature is not in the dataset, or not given where there are several.
    """

    def __init__(self, dataset: str, temperature: float | None = None) -> None:
        self.dataset = dataset
        with Store.open(dataset) as store:
            known = np.unique(store.temperature)
            if temperature is None and len(known) > 1:
                raise ConfigError(f"{dataset} has temperatures {known.tolist()}: say which is the base")
            self.temperature = float(known[0] if temperature is None else temperature)
            chosen = np.isclose(store.temperature, self.temperature, rtol=1e-6)
            if not chosen.any():
                raise ConfigError(f"{dataset} has no temperature {self.temperature:g}, only {known.tolist()}")
            self.mixture, self.truncation = store.mixture, store.truncation
            self._positions = torch.from_numpy(store.positions[chosen])
            self._split, self._species = store.split[chosen], store.species
            self.box = torch.from_numpy(store.box[chosen][0])

    def rows(self, split: str) -> np.ndarray:
        """Numbers of the configurations of a split or several ("val,test"); all where there are none."""
        rows = np.flatnonzero(np.isin(self._split, split.split(",")))
        return rows if len(rows) else np.arange(len(self._split))

    def draw(
        self, split: str, count: int, box: Tensor, species: np.ndarray, generator: torch.Generator
    ) -> Tensor:
        """Positions (count, N, d), with replacement, anywhere in the box (C, d) and mirrored at random.

        DataError where species or box are not those of the ensemble.
        """
        self.check(box, species)
        rows = torch.from_numpy(self.rows(split))
        chosen = rows[torch.randint(len(rows), (count,), generator=generator)]
        return _moved(self._positions[chosen], self.box, generator)

    def take(self, split: str, count: int, generator: torch.Generator, padded: int = 0) -> Tensor:
        """Different configurations (count, N, d), the first of a random order.

        With ``padded`` above the count as many, (padded, N, d): those that follow, from the first again where
        they end, so that no configuration's company depends on the count. ConfigError for an unknown split,
        or fewer configurations than ``count``.
        """
        unknown = [] if split == "all" else sorted(set(split.split(",")) - set(self._split.tolist()))
        if unknown:
            known = ", ".join(sorted(set(self._split.tolist())))
            raise ConfigError(
                f"{self.dataset} has no split {unknown[0]!r} at T = {self.temperature:g}; it has {known}"
            )
        rows = torch.from_numpy(self.rows(split))
        if count > len(rows):
            raise ConfigError(
                f"{self.dataset} has {len(rows)} configurations at T = {self.temperature:g} in {split}; "
                f"{count} were asked for"
            )
        order = rows[torch.randperm(len(rows), generator=generator)]
        return self._positions[order[torch.arange(max(count, padded)) % len(rows)]]

    def check_liquid(self, mixture: str, truncation: str) -> None:
        """ConfigError unless the ensemble is of this mixture with this truncation."""
        if (self.mixture, self.truncation) != (mixture, truncation):
            raise ConfigError(
                f"the base {self.dataset} is of {self.mixture} ({self.truncation}); "
                f"expected {mixture} ({truncation})"
            )

    def check(self, box: Tensor, species: np.ndarray) -> None:
        """DataError unless the ensemble has this box (C, d) and these species (N,)."""
        if not np.array_equal(species, self._species) or not torch.allclose(box, self.box.to(box), rtol=1e-6):
            raise DataError(
                f"the base {self.dataset} has {len(self._species)} particles in a box {self.box.tolist()}; "
                f"expected {len(species)} in {box[0].tolist()}, of the same species in the same order"
            )


class Partners:
    """For each configuration of a dataset the same structure hot: Metropolis sweeps at a base's temperature.

    A flow between the two has little to move: a coupling by the dynamics (data-dependent couplings: Albergo
    et al., arXiv:2310.03725). Partners remember their structure: they are not the base's own ensemble, from
    which samples start. Made for a whole split, when the first of it is asked for.
    """

    def __init__(self, store: Store, temperature: float, sweeps: int, seed: int) -> None:
        self._store, self._temperature, self._sweeps, self._seed = store, temperature, sweeps, seed
        self._made: dict[int, Tensor] = {}

    def of(self, rows: np.ndarray, splits: Sequence[np.ndarray]) -> Tensor:
        """Partners (C, N, d) of configurations; ``splits``: rows that are served together."""
        for row in rows:
            if int(row) not in self._made:
                together = next((of for of in splits if row in of), np.array([row]))
                self._made |= dict(zip(together.tolist(), self._heat(together), strict=True))
        return torch.stack([self._made[int(row)] for row in rows])

    def _heat(self, rows: np.ndarray) -> Tensor:
        log.info("heating %d configurations to T = %g", len(rows), self._temperature)
        store = self._store
        return metropolis(
            torch.from_numpy(store.positions[rows]),
            torch.from_numpy(store.species.astype(np.int64)),
            torch.from_numpy(store.box[rows]),
            store.liquid,
            self._temperature,
            self._sweeps,
            generator=torch_generator(derive_seed(self._seed, 3, int(rows[0])), 4),
        ).positions


def _moved(positions: Tensor, box: Tensor, generator: torch.Generator) -> Tensor:
    """Shifted as a whole and mirrored: like configurations of the same ensemble."""
    shape = (len(positions), 1, positions.shape[-1])
    shift = torch.rand(shape, generator=generator, dtype=positions.dtype) * box
    signs = 2 * torch.randint(2, shape, generator=generator) - 1
    return wrap(signs * positions + shift, box)
