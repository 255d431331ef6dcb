"""A small dataset of random numbers, for tests of whatever reads datasets."""

import numpy as np

from gensample.data.datamodule import KADataModule
from gensample.data.dataset import Dataset
from gensample.data.store import Contents
from gensample.physics.mixtures import get_mixture

SIZE, LAGS, REPLICAS, BOX = 40, (1.0, 10.0, 100.0), 4, 6.0
SPLIT = ["train"] * 3 + ["val"] * 2 + ["test"]


def served(path, **settings):
    """A data module that is set up."""
    data = KADataModule(str(path), **settings)
    data.setup()
    return data


def write_dataset(
    path,
    dimension=2,
    size=SIZE,
    split=SPLIT,
    replicas=REPLICAS,
    inherent=True,
    box=BOX,
    seed=0,
    ordered=False,
):
    """A small dataset of random positions and displacements; the last replica of row 0 is incomplete."""
    rng = np.random.default_rng(seed)
    mixture = get_mixture("ka2d" if dimension == 2 else "ka3d")
    species = mixture.species(size).numpy()
    count = len(split)
    positions = rng.uniform(0, box, (count, size, dimension))
    inherent = (positions + rng.normal(0, 0.1, positions.shape)) % box if inherent else None
    scale = 0.1 * np.arange(1, len(LAGS) + 1)[:, None, None]
    fields = {}
    for c, r in np.ndindex(count, replicas):
        if (c, r) != (0, replicas - 1):
            u = scale * rng.normal(size=(len(LAGS), size, dimension))
            fields[c, r] = u - u.mean(1, keepdims=True)
    contents = Contents(
        mixture=mixture.name,
        temperature=0.45,
        truncation="force-shift",
        species=species if ordered else np.random.default_rng(7).permutation(species),
        box=np.full(dimension, box),
        split=split,
        positions=positions,
        times=LAGS,
        replicas=replicas,
        inherent=inherent,
    )
    Dataset.create(contents, fields, path)
    return path
