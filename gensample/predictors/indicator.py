"""A structural indicator as a predictor: its length and its sign are all that is chosen."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gensample.data.datamodule import KADataModule
from gensample.errors import ConfigError
from gensample.physics.minimize import minimize
from gensample.predictors.base import Predictor, Rows, register
from gensample.ranges import check_choice
from gensample.stats.predictions import pearson_each
from gensample.structure.indicators import INDICATORS, indicators

# Positions of stored minima are rounded: their Hessians would have negative eigenvalues.
TIGHT = 1e-8
LENGTHS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0)


@register
class StructuralIndicator(Predictor):
    """The structural indicator of that name, coarse-grained over the length that a validation split prefers.

    Length and sign are chosen for each species and lag by Pearson within configurations.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        check_choice("indicator", name, sorted(INDICATORS))
        self.name = name

    def fit(self, data: list[KADataModule], generator: torch.Generator | None = None) -> None:  # type: ignore[override]
        """Choose length and sign on the validation split of a data module: ``best`` and ``sign`` (S, K)."""
        (module,) = data
        rows = module.rows("val")
        columns = np.stack([self._columns(module, int(row)) for row in rows], axis=1)
        label = module.per_particle("propensity", rows).double().cpu().numpy()
        best = np.zeros((module.num_species, label.shape[2]), np.int64)
        sign = np.zeros(best.shape)
        for s, k in np.ndindex(best.shape):
            of = module.store.species == s
            each = [pearson_each(column[:, of], label[:, of, k]) for column in columns]
            scores = np.nan_to_num(each).mean(1)
            best[s, k] = np.argmax(np.abs(scores))
            sign[s, k] = np.sign(scores[best[s, k]])  # a split whose labels are all alike prefers nothing
        self._state = {"best": torch.from_numpy(best), "sign": torch.from_numpy(sign)}

    def predict(self, data: KADataModule, rows: Rows) -> Tensor:
        """See `Predictor`.

        Raises:
            ConfigError: no length has been chosen yet.
        """
        if not self._state:
            raise ConfigError(f"fit the indicator {self.name} first: it chooses its length and its sign")
        species = data.store.species.astype(np.int64)
        best, sign = (self._state[name].numpy()[species].T for name in ("best", "sign"))  # (K, N)
        each = [self._columns(data, int(row)) for row in rows]
        found = [sign * column[best, np.arange(len(species))] for column in each]
        return torch.from_numpy(np.stack(found)).transpose(1, 2)

    def _columns(self, data: KADataModule, row: int) -> np.ndarray:
        """The indicator at each of LENGTHS, (L, N)."""
        thermal, centre = data.inputs.of(row)
        store, at_minimum = data.store, data.settings.input == "inherent"
        species, box = torch.from_numpy(store.species.astype(np.int64)), torch.from_numpy(store.box[row])
        mixture = store.liquid
        positions = thermal if data.settings.input == "thermal" or centre is None else centre
        if INDICATORS[self.name].needs_minimum and at_minimum:
            again = minimize(positions[None], species, box[None], mixture, tolerance=TIGHT, max_steps=50_000)
            positions = again.positions[0]
        found = indicators(
            *(positions, species, box, mixture),
            names=[self.name],
            lengths=LENGTHS,
            at_minimum=at_minimum,
            temperature=float(store.temperature[row]),
        )
        return np.stack([np.asarray(column, np.float64) for column in found.values()])
