"""A small dataset of jittered lattices, for tests of whatever minimises and shears."""

import numpy as np

from gensample.data.store import Contents, StoreWriter
from gensample.physics.mixtures import get_mixture
from gensample.simulate.initial import lattice_melt


def write_glasses(path, mixture="ka2d", particles=60, split=("train", "test"), **changes):
    """Jittered lattices in the mixture's order of species, without displacements or inherent structures."""
    m, rng, count = get_mixture(mixture), np.random.default_rng(3), len(split)
    box = np.full((count, m.dimension), m.edge_length(particles))
    positions = np.stack([lattice_melt(particles, box[0], rng) for _ in range(count)])
    settings = {
        "mixture": mixture,
        "temperature": 0.45,
        "density": m.density,
        "truncation": m.truncation,
        "source": "a test",
        "species": m.species(particles).numpy(),
        "box": box,
        "split": list(split),
        "positions": (positions + rng.normal(scale=0.05, size=positions.shape)) % box[0],
        "times": np.zeros(0),
        "replicas": np.zeros(count, int),
        "displacements": False,
        **changes,
    }
    StoreWriter.create(path, Contents(**settings)).close()
    return path
