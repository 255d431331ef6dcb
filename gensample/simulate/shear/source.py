"""The glasses that are sheared: configurations of a dataset, and where they start from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from gensample.data.positions import mixture_of
from gensample.data.store import Store, digest
from gensample.errors import ConfigError
from gensample.physics.box import check_cutoff
from gensample.physics.mixtures import Mixture
from gensample.physics.strain import shear_direction
from gensample.simulate.settings import SPLITS
from gensample.simulate.shear.config import ShearConfig


@dataclass(frozen=True)
class Glasses:
    """Chosen configurations: thermal positions, and those the minimisation at zero strain starts from."""

    mixture: Mixture
    species: np.ndarray  # (N,)
    rows: np.ndarray  # (C,) in the dataset
    split: list[str]
    temperature: np.ndarray  # (C,)
    density: float
    box: np.ndarray  # (C, d)
    thermal: np.ndarray  # (C, N, d)
    start: np.ndarray  # (C, N, d)

    def fingerprint(self) -> str:
        """Tells whether an unfinished shear started from these."""
        return digest(repr(self.mixture), self.thermal, self.start, self.species, self.box)


def load_glasses(config: ShearConfig) -> Glasses:
    """The configurations that the settings ask for.

    Raises:
        ConfigError: too few of them, directions or cut-offs that do not fit them.
        DataError: the dataset is absent or damaged, or its potential is unknown.
    """
    with Store.open(config.dataset) as store:
        mixture = mixture_of(store)
        for name in config.directions:
            shear_direction(name, mixture.dimension)
        check_cutoff(config.d2min_cutoff, torch.from_numpy(store.box))
        rows = _rows(config, store)
        thermal, inherent = store.positions, store.inherent
        return Glasses(
            mixture=mixture,
            species=store.species,
            rows=rows,
            split=store.split[rows].tolist(),
            temperature=store.temperature[rows],
            density=store.density,
            box=store.box[rows],
            thermal=thermal[rows],
            start=(thermal if inherent is None else inherent)[rows],
        )


def _rows(config: ShearConfig, store: Store) -> np.ndarray:
    found = [store.indices(name) for name in SPLITS if name in config.splits]
    asked = config.configurations
    if asked is not None and any(len(rows) < asked for rows in found):
        raise ConfigError(
            f"configurations: {asked} of each split are asked for, {config.dataset} has "
            f"{min(len(rows) for rows in found)} in one; ask for fewer"
        )
    return np.concatenate([rows[:asked] for rows in found])
