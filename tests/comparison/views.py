"""Views of made-up fields, for tests of quantities."""

import numpy as np

from gensample.comparison.view import Structure, View
from gensample.physics.mixtures import get_mixture


def structure(rng, size=8, spacing=0.95, **changes):
    """A jittered square lattice of size**2 particles of ka2d, A and B in turn."""
    axes = np.meshgrid(*[np.arange(size) * spacing] * 2, indexing="ij")
    x = np.stack(axes, -1).reshape(-1, 2) + rng.uniform(-0.02, 0.02, (size**2, 2))
    known = {
        "positions": x,
        "box": np.full(2, size * spacing),
        "species": np.arange(size**2) % 2,
        "mixture": get_mixture("ka2d"),
        "temperature": 0.45,
        "inherent": x.copy(),
    }
    return Structure(**{**known, **changes})


def view(rng, place=None, replicas=6, scale=0.05, hops=0.1):
    """Gaussian fields; inherent ones in which a share of the particles hops."""
    place = structure(rng) if place is None else place
    shape = (replicas, *place.positions.shape)
    h = np.where(rng.random((*shape[:2], 1)) < hops, 1.0, 1e-3) * rng.normal(size=shape)
    energies = -3.4 + 0.01 * rng.normal(size=replicas)
    return View(place, 10.0, scale * rng.normal(size=shape), h, energies, follow=1)
