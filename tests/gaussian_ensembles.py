"""Ensembles whose statistics are known in closed form."""

import numpy as np

from gensample.stats.dynamics import Ensemble


def lattice(size: int, dimension: int, spacing: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """A simple cubic or square lattice of size**dimension particles and its box."""
    axes = np.meshgrid(*[np.arange(size) * spacing] * dimension, indexing="ij")
    return np.stack(axes, -1).reshape(-1, dimension), np.full(dimension, size * spacing)


def jittered(size: int, dimension: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A lattice at unit density, every particle moved a little: no two distances are alike."""
    x, box = lattice(size, dimension)
    return (x + rng.uniform(-0.2, 0.2, x.shape)) % box, box


def ensemble(
    rng: np.random.Generator, *, size=6, dimension=2, replicas=6, lags=2, species=2, scale=0.2, joint=0.0
) -> Ensemble:
    """Gaussian displacements, one scale a particle; ``joint`` is the share common to a field."""
    x, box = jittered(size, dimension, rng)
    n = len(x)
    width = scale * np.exp(0.5 * rng.normal(size=n))[:, None]
    own = rng.normal(size=(replicas, lags, n, dimension))
    common = rng.normal(size=(replicas, lags, 1, dimension))
    u = width * (np.sqrt(1 - joint) * own + np.sqrt(joint) * common)
    return Ensemble(x, box, np.arange(n) % species, u.astype(np.float32))


def redraw(original: Ensemble, rng: np.random.Generator, factor: float = 1.0, replicas: int = 6) -> Ensemble:
    """Other displacements for the configuration of ``original``, particle scales as measured there."""
    width = factor * original.displacements.std(axis=0, keepdims=True)
    noise = rng.normal(size=(replicas, *original.displacements.shape[1:]))
    u = (width * noise).astype(np.float32)
    return Ensemble(original.positions, original.box, original.species, u)
