"""Small datasets of configurations without replicas at several temperatures, for tests of their generator."""

import numpy as np

from gensample.data.dataset import Dataset
from gensample.data.store import Contents
from gensample.physics.mixtures import get_mixture

COLUMNS, ROWS = 8, 5
SIZE = COLUMNS * ROWS
HOT, COLD = 1.0, 0.5
SPLIT = ("train",) * 4 + ("val",) * 2 + ("test",) * 3


def jittered(count, edge, width, rng):
    """Rectangular lattices (count, N, 2) in a square box, shifted as a whole, each particle by ``width``."""
    axes = (np.arange(COLUMNS) / COLUMNS, np.arange(ROWS) / ROWS)
    lattice = edge * np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    moved = lattice + rng.normal(0, width, (count, SIZE, 2)) + rng.uniform(0, edge, (count, 1, 2))
    return moved % edge


def write_equilibrium(path, temperatures=(HOT, COLD), split=SPLIT, density=1.2, seed=0):
    """The same splits at each temperature; hotter lattices are jittered more."""
    rng = np.random.default_rng(seed)
    edge = (SIZE / density) ** 0.5
    contents = Contents(
        mixture="ka2d",
        temperature=np.repeat(temperatures, len(split)),
        species=get_mixture("ka2d").species(SIZE).numpy(),
        box=np.full(2, edge),
        split=list(split) * len(temperatures),
        positions=np.concatenate([jittered(len(split), edge, 0.05 * t, rng) for t in temperatures]),
    )
    Dataset.create(contents, path=path)
    return path
