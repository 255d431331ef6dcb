"""Data sets whose propensity follows a law that is known, as predictors see them."""

from types import SimpleNamespace

import numpy as np
import torch

LAGS, COLUMNS = 2, 5
SPECIES = np.array([0, 1, 1, 0, 0, 1] * 20)


class Planted:
    """Stands in for a data module: what predictors ask of one."""

    def __init__(self, law, configurations=8, temperature=0.5, noise=0.0, seed=0, lags=LAGS):
        generator = torch.Generator().manual_seed(seed)
        size = (configurations, len(SPECIES))
        self.settings = SimpleNamespace(descriptors=["planted"])
        self.dataset, self.described = "planted data", SimpleNamespace(levels=[], widths=[COLUMNS])
        temperature = np.broadcast_to(np.asarray(temperature, float), configurations).copy()
        self.store = SimpleNamespace(species=SPECIES, temperature=temperature)
        x = 3.0 + 2.0 * torch.randn(*size, COLUMNS, generator=generator)
        y = law(x, torch.from_numpy(SPECIES), torch.from_numpy(temperature)[:, None, None])
        y = y + noise * torch.randn(*size, lags, generator=generator)
        energy = torch.randn(configurations, 1, generator=generator)
        self.values = {"descriptors": x, "propensity": y.float(), "energy": energy}

    def rows(self, split):
        half = len(self.store.temperature) // 2
        everything = np.arange(len(self.store.temperature))
        return {"train": everything[:half], "test": everything[half:]}[split]

    def per_particle(self, name, rows):
        return self.values[name][rows]

    def per_configuration(self, name, rows):
        return list(self.values[name][rows])


def weights(seed=1):
    """Of two species (S, D, K)."""
    return torch.randn(2, COLUMNS, LAGS, generator=torch.Generator().manual_seed(seed))


def linear(x, species, temperature):
    """Another linear law for each species and lag."""
    return torch.einsum("cnd,ndk->cnk", x, weights()[species]) + 1.5
