"""Jittered lattices of a mixture, with random displacements or none: minima are reached in no time."""

import numpy as np

from gensample.data.dataset import Dataset
from gensample.data.store import Contents, StoreWriter
from gensample.physics.mixtures import get_mixture
from gensample.simulate.start import lattice_melt

PARTICLES = 60
# In a box that holds the longest cut-off of the descriptors, 5 sigma, twice.
WIDE = 125


def lattices(rng, mixture="ka2d", count=4, particles=PARTICLES, jitter=0.03):
    """What `Contents` are told of jittered lattices in the mixture's order of species."""
    m = get_mixture(mixture)
    box = np.full(m.dimension, m.edge_length(particles))
    positions = np.stack([lattice_melt(particles, box, rng) for _ in range(count)])
    positions = (positions + rng.normal(scale=jitter, size=positions.shape)) % box
    species = m.species(particles).numpy()
    return {"mixture": mixture, "temperature": 0.45, "positions": positions, "species": species, "box": box}


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
    rng = np.random.default_rng(1)
    settings = lattices(rng, count=count, particles=particles)
    settings |= {"split": list(split)[:count], "times": [1.0, 10.0], "replicas": 2, **changes}
    u = rng.normal(scale=scale, size=(count, 2, 2, particles, 2))
    Dataset.create(Contents(**settings), u - u.mean(3, keepdims=True), path)
    if cage:
        x, box = settings["positions"], settings["box"]
        made = {"start": 1.0, "time": 5.0, "replicas": 2, "snapshots": 3}
        with StoreWriter.resume(path) as writer:
            centres = (x + rng.normal(scale=0.05, size=x.shape)) % box
            writer.write_cage(centres, made | {"standard_error": np.arange(count) / 100})
    return path


def write_glasses(path, mixture="ka2d", particles=PARTICLES, split=("train", "test"), **changes):
    """Without displacements or inherent structures."""
    settings = lattices(np.random.default_rng(3), mixture, len(split), particles, jitter=0.05)
    Dataset.create(Contents(**settings | {"split": split, **changes}), path=path)
    return path
