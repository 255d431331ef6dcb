"""Made-up isoconfigurational ensembles with structure, tails and joint motion, for tests of the report."""

from pathlib import Path

import numpy as np

from gensample.data.dataset import Dataset
from gensample.data.store import Contents
from gensample.seeding import numpy_generator

TIMES = (1.0, 10.0)


def positions(configurations: int, particles: int, dimension: int, seed: int) -> tuple[np.ndarray, float]:
    """Jittered lattices (C, N, d) of density 1.2 and their box length."""
    side = int(np.ceil(particles ** (1 / dimension)))
    length = (particles / 1.2) ** (1 / dimension)
    grid = np.stack(np.meshgrid(*[np.arange(side)] * dimension, indexing="ij"), -1).reshape(-1, dimension)
    generator = numpy_generator(seed)
    sites = np.stack([generator.permutation(grid)[:particles] for _ in range(configurations)])
    jittered = (sites + 0.5) * length / side + 0.08 * generator.normal(size=sites.shape)
    return np.mod(jittered, length), length


def field(x: np.ndarray, length: float, generator: np.random.Generator, waves: int = 12) -> np.ndarray:
    """A smooth random vector field of unit variance at the points (N, d)."""
    d = x.shape[1]
    k = 2 * np.pi / length * generator.integers(-3, 4, size=(waves, d))
    phase = generator.uniform(0, 2 * np.pi, waves)
    return np.cos(x @ k.T + phase) @ generator.normal(size=(waves, d)) * np.sqrt(2 / waves)


def displacements(
    x: np.ndarray, length: float, times: tuple, replicas: int, seed: int, *, joint: float, scale: float
) -> np.ndarray:
    """(R, K, N, d): a scale read off the structure, times noise; the share ``joint`` is smooth in space."""
    generator = numpy_generator(seed, 1)
    mobility = np.exp(0.5 * np.sin(2 * np.pi * x[:, 0] / length) * np.cos(4 * np.pi * x[:, 1] / length))
    u = np.empty((replicas, len(times), *x.shape))
    for r in range(replicas):
        tails = np.exp(0.5 * generator.normal(size=(len(x), 1)))
        smooth = field(x, length, generator)
        noise = np.sqrt(joint) * smooth + np.sqrt(1 - joint) * generator.normal(size=x.shape)
        for k in range(len(times)):
            u[r, k] = scale * 0.08 * (1 + k) * mobility[:, None] * tails * noise
    return u - u.mean(axis=2, keepdims=True)


def write(
    path: Path,
    *,
    configurations: int = 3,
    particles: int = 64,
    dimension: int = 2,
    replicas: int = 6,
    times: tuple = TIMES,
    chosen: tuple | None = None,
    structure: int = 0,
    dynamics: int = 1,
    joint: float = 0.4,
    scale: float = 1.0,
    stated: bool = False,
    temperature: float | np.ndarray = 0.45,
    **attributes: object,
) -> Path:
    """Write a dataset of the configurations ``chosen``; ``stated`` adds ``source_configuration``."""
    x, length = positions(configurations, particles, dimension, structure)
    names = ["train" if c == 0 and configurations > 1 else "test" for c in range(configurations)]
    kept = list(range(configurations)) if chosen is None else list(chosen)
    fields = [
        displacements(x[c], length, times, replicas, 100 * dynamics + c, joint=joint, scale=scale)
        for c in kept
    ]
    contents = Contents(
        mixture="ka2d" if dimension == 2 else "ka3d-fs",
        temperature=temperature,
        density=1.2,
        source="made up",
        species=np.arange(particles) >= 0.65 * particles,
        box=np.full(dimension, length),
        split=[names[c] for c in kept],
        positions=x[kept],
        times=times,
        replicas=replicas,
        seed=dynamics,
        extra_attrs=attributes,
    )
    more = {"source_configuration": kept} if stated else {}
    Dataset.create(contents, np.stack(fields), path, more)
    return path
