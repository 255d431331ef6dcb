"""What the jobs of every simulation need: the liquid, its random streams, starting files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gensample.physics.mixtures import Mixture, get_mixture
from gensample.seeding import derive_seed, numpy_generator
from gensample.simulate.initial import lattice_melt, maxwell_boltzmann
from gensample.simulate.lammps.engine import Engine
from gensample.simulate.lammps.files import write_data
from gensample.simulate.settings import Liquid
from gensample.simulate.start import StartPoints

# Keys of the random streams of one configuration or chain.
MELT, VELOCITY, BATH, REPLICA, CAGE, PROBE, HEATED, HEATED_FIT = range(8)


class Bench:
    """The liquid of a simulation, where its jobs work, and the files they start from.

    ``keys`` name a configuration or chain, so that its random numbers depend on nothing else.
    """

    def __init__(self, config: Liquid, engine: Engine, root: Path, start: StartPoints | None = None) -> None:
        self.engine, self.root, self.start = engine, root, start
        self.liquid = config
        self.mixture: Mixture = get_mixture(config.mixture)
        self.species = self.mixture.species(config.particles).numpy().astype(np.int8)
        self.box = config.box(self.mixture)

    def write_melt(self, folder: Path, *keys: int) -> None:
        """``start.data``: a disordered lattice at the temperature of the melt."""
        generator = numpy_generator(self.liquid.seed, *keys, MELT)
        positions = lattice_melt(self.liquid.particles, self.box, generator)
        self.write_given(folder, positions, self.liquid.melt.temperature, *keys)

    def write_given(self, folder: Path, positions: np.ndarray, temperature: float, *keys: int) -> None:
        """``start.data``: these positions, with fresh velocities."""
        generator = numpy_generator(self.liquid.seed, *keys, VELOCITY)
        self.write_start(folder / "start.data", positions, temperature, generator)

    def write_start(
        self, path: Path, positions: np.ndarray, temperature: float, generator: np.random.Generator
    ) -> None:
        """A data file of positions (N, d) with Maxwell-Boltzmann velocities."""
        particles, dimension = positions.shape
        mass = np.array(self.mixture.masses)[self.species]
        velocities = maxwell_boltzmann(particles, dimension, temperature, generator, mass)
        write_data(path, positions, self.species, self.mixture.masses, self.box, velocities)

    def lammps_seed(self, *keys: int) -> int:
        """LAMMPS takes positive 32-bit seeds; a few units are left for scripts that need several."""
        return derive_seed(self.liquid.seed, *keys) % 900_000_000 + 1
