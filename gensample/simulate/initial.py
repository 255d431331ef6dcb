"""Starting points drawn from explicit generators: disordered lattices and Maxwell-Boltzmann velocities."""

from __future__ import annotations

import math

import numpy as np


def lattice_melt(particles: int, box: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Random occupation of a simple lattice with just enough sites, (N, d)."""
    dimension = len(box)
    side = math.ceil(particles ** (1.0 / dimension) - 1e-9)
    axes = np.meshgrid(*[np.arange(side)] * dimension, indexing="ij")
    sites = np.stack([axis.ravel() for axis in axes], axis=-1)
    chosen = generator.permutation(len(sites))[:particles]
    positions: np.ndarray = (sites[chosen] + 0.5) * (box / side)
    return positions


def maxwell_boltzmann(
    particles: int,
    dimension: int,
    temperature: float,
    generator: np.random.Generator,
    mass: np.ndarray | None = None,
) -> np.ndarray:
    """Velocities (N, d) at temperature T, of masses (N,), 1 unless given, total momentum zero."""
    velocities: np.ndarray = generator.normal(scale=math.sqrt(temperature), size=(particles, dimension))
    if mass is None or (mass == 1).all():
        velocities -= velocities.mean(0)
    else:
        velocities /= np.sqrt(mass)[:, None]
        velocities -= np.average(velocities, axis=0, weights=mass)
    return velocities
