"""Jittered lattices of a mixture with random displacements: small, and minima are reached in no time."""

import numpy as np

from gensample.data.store import Contents, StoreWriter
from gensample.physics.mixtures import get_mixture
from gensample.simulate.initial import lattice_melt

PARTICLES = 60
# In a box that holds the longest cut-off of the descriptors, 5 sigma, twice.
WIDE = 125


def write_lattices(
    path,
    count=4,
    split=("train", "train", "val", "test"),
    cage=False,
    particles=PARTICLES,
    scale=0.1,
    **changes,
):
    """A dataset of ``ka2d``, thermal positions alone (and cage positions if asked for), two replicas."""
    mixture, rng = get_mixture("ka2d"), np.random.default_rng(1)
    box = np.full((count, 2), mixture.edge_length(particles))
    positions = np.stack([lattice_melt(particles, box[0], rng) for _ in range(count)])
    positions = (positions + rng.normal(scale=0.03, size=positions.shape)) % box[0]
    settings = {
        "mixture": "ka2d",
        "temperature": 0.45,
        "density": mixture.density,
        "truncation": mixture.truncation,
        "source": "jittered lattices",
        "species": mixture.species(particles).numpy(),
        "box": box,
        "split": list(split)[:count],
        "positions": positions,
        "times": np.array([1.0, 10.0]),
        "replicas": np.full(count, 2),
        **changes,
    }
    with StoreWriter.create(path, Contents(**settings)) as writer:
        for c in range(count):
            for r in range(2):
                u = rng.normal(scale=scale, size=(2, particles, 2))
                writer.write_replica(c, r, u - u.mean(1, keepdims=True))
        if cage:
            centres = (positions + rng.normal(scale=0.05, size=positions.shape)) % box[0]
            made = {"start": 1.0, "time": 5.0, "replicas": 2, "snapshots": 3}
            writer.write_cage(centres, made | {"standard_error": np.arange(count) / 100})
    return path
