"""Where dynamics start: disordered lattices, configurations of a dataset, and velocities drawn for them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gensample.data.store import Contents, Store, digest
from gensample.errors import ConfigError, DataError
from gensample.physics.mixtures import Mixture, get_mixture
from gensample.physics.potentials import energy_forces_virial
from gensample.seeding import derive_seed, numpy_generator
from gensample.simulate.lammps.engine import Engine
from gensample.simulate.lammps.files import write_data
from gensample.simulate.settings import Liquid, Start

# About that of a pair at 0.7 sigma (250 eps): a step of 0.005 would turn it into twenty thermal velocities.
ABSURD_FORCE = 5000.0
# Keys of the random streams of one configuration or chain; of a step of a chain of fields.
MELT, VELOCITY, BATH, REPLICA, CAGE, PROBE, HEATED, HEATED_FIT, CHAIN = range(9)


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
    temperature: float | np.ndarray,
    generator: np.random.Generator,
    mass: np.ndarray | None = None,
) -> np.ndarray:
    """Velocities (N, d) at temperature T, one or (N,), of masses (N,) (1), total momentum zero."""
    width = np.sqrt(temperature) if np.ndim(temperature) == 0 else np.sqrt(temperature)[:, None]
    velocities: np.ndarray = generator.normal(scale=width, size=(particles, dimension))
    if mass is None or (mass == 1).all():
        velocities -= velocities.mean(0)
    else:
        velocities /= np.sqrt(mass)[:, None]
        velocities -= np.average(velocities, axis=0, weights=mass)
    return velocities


def starting_velocities(source: str | Path | Store, configuration: int, replica: int) -> np.ndarray:
    """Velocities (N, d) that a replica of a simulated dataset began with, drawn again from its seed.

    In units sqrt(eps_AA / m); total momentum zero; in the order of the particles.

    Example:
        >>> starting_velocities("ka2d-mini", 0, 3).shape
        (500, 2)

    Raises:
        DataError: the dataset is not one of `gensample simulate`, whole, or has no such replica.
    """
    with Store.open(source) as store:
        config = json.loads(store.attrs.get("config", "{}"))
        planned = sum(split["configurations"] for split in config.get("splits", {}).values())
        if "lags" not in config or planned != store.num_configurations:
            raise DataError(
                f"{store.path} is no whole dataset of `gensample simulate` with replicas; their velocities "
                "are drawn from its settings and the rows of its configurations"
            )
        if not (0 <= configuration < planned and 0 <= replica < store.replicas[configuration]):
            raise DataError(f"{store.path} has no replica {replica} of a configuration {configuration}")
        generator = numpy_generator(config["seed"], configuration, REPLICA, replica)
        mass = np.array(store.liquid.masses)[store.species]
        shape = store.num_particles, store.dimension
        return maxwell_boltzmann(*shape, config["temperature"], generator, mass)


@dataclass(frozen=True)
class StartPoints:
    """Positions (C, N, d) of chosen configurations, and their rows (C,) in the dataset."""

    positions: np.ndarray
    rows: np.ndarray

    def fingerprint(self) -> str:
        """Tells whether an unfinished simulation started from these."""
        return digest("", self.positions)

    def record(self, config: Liquid, chosen: np.ndarray) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Attributes and arrays of a dataset whose configurations started from the points ``chosen`` (C,)."""
        assert config.start is not None
        attrs = {"start": config.start.dataset, "start_fingerprint": self.fingerprint()}
        return attrs, {"source_configuration": self.rows[chosen]}


def load_start(config: Liquid, count: int) -> StartPoints | None:
    """The first ``count`` configurations that ``config.start`` asks for; None without a start.

    Raises:
        ConfigError: the dataset is another liquid, or has too few configurations.
        DataError: the dataset is absent or damaged, or forces are absurd.
    """
    start = config.start
    if start is None:
        return None
    mixture = get_mixture(config.mixture)
    with Store.open(start.dataset) as store:
        _check_liquid(config, mixture, store)
        rows = _rows(start, store, count)
        points = StartPoints(store.positions[rows], rows)
    if not start.minimise:
        _check_forces(points, start, config, mixture)
    return points


def _rows(start: Start, store: Store, count: int) -> np.ndarray:
    rows = store.indices(start.split)
    if start.temperature is not None:
        rows = rows[np.isclose(store.temperature[rows], start.temperature, rtol=1e-9)]
    if len(rows) < count:
        raise ConfigError(
            f"{count} starting points are asked for, {start.dataset} has {len(rows)} "
            f"(start.split={start.split}, start.temperature={start.temperature}); ask for fewer"
        )
    return rows[:count]


def _check_liquid(config: Liquid, mixture: Mixture, store: Store) -> None:
    ours = {"mixture": mixture.name, "truncation": mixture.truncation, "particles": config.particles}
    theirs = {"mixture": store.mixture, "truncation": store.truncation, "particles": store.num_particles}
    different = [name for name in ours if ours[name] != theirs[name]]
    if different:
        name = different[0]
        raise ConfigError(
            f"{store.path} has {name} {theirs[name]}, the settings say {ours[name]}; make them agree"
        )
    if not (store.species == mixture.species(config.particles).numpy()).all():
        raise ConfigError(f"{store.path} has another composition or order of species than {mixture.name}")
    if not np.allclose(store.box, config.box(mixture), rtol=1e-5):
        raise ConfigError(
            f"{store.path} has box edges {store.box[0].tolist()}, the settings give "
            f"{config.box(mixture).tolist()}; set density to {store.num_particles / store.box[0].prod():.10g}"
        )


def _check_forces(points: StartPoints, start: Start, config: Liquid, mixture: Mixture) -> None:
    species = mixture.species(config.particles)
    box = torch.from_numpy(config.box(mixture))
    largest = np.array(
        [
            float(energy_forces_virial(torch.from_numpy(x), species, box, mixture).forces.norm(dim=-1).max())
            for x in points.positions
        ]
    )
    bad = np.flatnonzero(~(largest < ABSURD_FORCE))
    if bad.size:
        raise DataError(
            f"{start.dataset}: {bad.size} configurations have a force above {ABSURD_FORCE:g} (a pair closer "
            f"than about 0.7 sigma), first row {points.rows[bad[0]]} with {largest[bad[0]]:.3g}; "
            "leave them out of the dataset, or set start.minimise=true to push close pairs apart"
        )


class Workshop:
    """The liquid of a simulation, where its jobs work, and the files they start from; what makes jobs of it.

    ``keys`` name a configuration or chain, so that its random numbers depend on nothing else.
    """

    def __init__(self, config: Any, engine: Engine, root: Path, start: StartPoints | None = None) -> None:
        self.engine, self.root, self.start = engine, root, start
        self.liquid: Liquid = config
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

    def contents(self, command: str, attrs: dict[str, Any], **own: Any) -> Contents:
        """What its dataset is to hold: the liquid, the settings and ``attrs``, and its ``own``."""
        config: Any = self.liquid
        return Contents(
            mixture=self.mixture,
            density=config.resolved_density(self.mixture),
            truncation=self.mixture.truncation,
            source=f"gensample simulate, LAMMPS {self.engine.version}",
            species=self.species,
            seed=config.seed,
            command=command,
            extra_attrs={"config": json.dumps(config.deciding()), **attrs},
            **own,
        )
