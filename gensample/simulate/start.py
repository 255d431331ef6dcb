"""Configurations of a dataset as starting points of dynamics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gensample.data.store import Store, digest
from gensample.errors import ConfigError, DataError
from gensample.physics.mixtures import Mixture, get_mixture
from gensample.physics.potentials import energy_forces_virial
from gensample.simulate.settings import Liquid, Start

# About that of a pair at 0.7 sigma (250 eps): a step of 0.005 would turn it into twenty thermal velocities.
ABSURD_FORCE = 5000.0


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
