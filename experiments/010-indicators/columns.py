"""What is correlated: indicators, ridge regression on invariants, models; one number per particle."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.progress import track

from gensample.data.dataset import open_dataset
from gensample.data.store import Store
from gensample.data.views import D2MIN_CUTOFF
from gensample.physics.minimize import minimize
from gensample.physics.mixtures import get_mixture
from gensample.physics.strain import d2min
from gensample.stats.regression import ridge
from gensample.structure.descriptors.invariants import invariants
from gensample.structure.indicators import indicators
from gensample.structure.modes import nonaffine_response
from gensample.zoo import load_predictor

LENGTHS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0)
# So tight that Hessians have no negative eigenvalue: positions of embedded datasets are rounded.
TOLERANCE = 1e-8
FOLDS = 8

Columns = dict[str, np.ndarray]
"""Name -> (C, N)."""


class Structures:
    """Thermal positions and inherent structures of a dataset, the latter minimised again after rounding."""

    def __init__(self, path: str, cache: Path) -> None:
        self.path, self.cache = path, cache
        cache.mkdir(parents=True, exist_ok=True)
        with Store.open(path) as store:
            self.mixture, self.split = get_mixture(store.mixture), store.split
            self.species = torch.from_numpy(store.species.astype(np.int64))
            self.box, self.temperature = torch.from_numpy(store.box), float(store.temperature[0])
            self.positions = {"thermal": torch.from_numpy(store.positions)}
            inherent = torch.from_numpy(store.inherent)
        self.positions["inherent"] = self._kept("minima", lambda: self._minima(inherent))

    def _kept(self, name: str, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        path = self.cache / f"{name}.npz"
        if not path.exists():
            np.savez(path, values=make().numpy())
        with np.load(path) as file:
            return torch.from_numpy(file["values"])

    def _minima(self, inherent: torch.Tensor) -> torch.Tensor:
        found = minimize(
            inherent, self.species, self.box, self.mixture, tolerance=TOLERANCE, max_steps=50_000
        )
        assert bool(found.converged.all())
        return found.positions

    def indicators(self, source: str) -> Columns:
        """Every indicator of every configuration, at every length."""
        path = self.cache / f"indicators-{source}.npz"
        if not path.exists():
            rows = [
                indicators(
                    *(x, self.species, box, self.mixture),
                    lengths=LENGTHS,
                    at_minimum=source == "inherent",
                    temperature=self.temperature,
                )
                for x, box in track(
                    list(zip(self.positions[source], self.box, strict=True)), f"Indicators, {source}"
                )
            ]
            np.savez(path, **{name: np.stack([row[name].numpy() for row in rows]) for name in rows[0]})
        with np.load(path) as file:
            return dict(file)

    def response(self) -> tuple[np.ndarray, np.ndarray]:
        """Harmonic non-affine displacement per strain along xy: its length, and log10 of its D2min."""
        lengths, strains = [], []
        for x, box in zip(self.positions["inherent"], self.box, strict=True):
            field = nonaffine_response(x, self.species, box, self.mixture)
            lengths.append(field.norm(dim=-1).numpy())
            strains.append(d2min(x, field, box, D2MIN_CUTOFF).d2min.log10().numpy())
        return np.stack(lengths), np.stack(strains)

    def invariants(self, source: str) -> np.ndarray:
        """Invariants of `physics.descriptors` (C, N, D), with the distance to the cage's centre."""

        def make() -> torch.Tensor:
            apart = self.positions["inherent"] - self.positions["thermal"]
            apart -= self.box[:, None] * torch.round(apart / self.box[:, None])
            rows = [
                invariants(x, self.species, box, self.mixture, u.norm(dim=-1)).float()
                for x, box, u in zip(self.positions[source], self.box, apart, strict=True)
            ]
            return torch.stack(rows)

        return self._kept(f"invariants-{source}", make).numpy()


def regression(
    inputs: np.ndarray, target: np.ndarray, species: np.ndarray, train: np.ndarray, owner: np.ndarray
) -> np.ndarray:
    """Ridge regression of (rows, N, K) targets, one for each species, fitted on the rows ``train``.

    inputs: (C, N, D); owner: (rows,) the configuration of each row. Folds keep a configuration together.
    """
    predicted = np.zeros(target.shape)
    for s in np.unique(species):
        of = species == s
        x, y = torch.from_numpy(inputs[:, of]).double(), torch.from_numpy(target[:, of]).double()
        known = x[np.unique(owner[train])].flatten(0, 1)
        mean, scale = known.mean(0), known.std(0).clamp(min=1e-6)
        x = (x - mean) / scale
        shift = y[train].flatten(0, 1).mean(0)
        folds = [int(owner[row]) % FOLDS for row in train]
        weights, _ = ridge(((x[owner[row]], y[row] - shift) for row in train), folds)
        predicted[:, of] = (x[owner] @ weights + shift).numpy()
    return predicted


def of_model(name: str | Path, path: str, rows: np.ndarray) -> np.ndarray:
    """Predictions (rows, N, K) of a released model, its folder or a checkpoint."""
    return load_predictor(name).propensity(open_dataset(path)[rows])
