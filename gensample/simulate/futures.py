"""Futures x + u and their inherent structures: what of a displacement is left without vibrations."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from gensample.physics.box import minimum_image
from gensample.physics.mixtures import Mixture
from gensample.simulate.minimisers import Minima, Minimiser, Task, choose

TOLERANCE = 1e-4
"""Largest force that is left."""


def choose_for_futures(
    engine: str | None = None,
    *,
    device: str = "cpu",
    tolerance: float | None = None,
    processes: int = 1,
    lmp: str | None = None,
) -> Minimiser:
    """As `gensample.simulate.minimisers.choose`, of the tolerance that futures need."""
    tolerance = TOLERANCE if tolerance is None else tolerance
    return choose(engine, device=device, tolerance=tolerance, processes=processes, lmp=lmp)


def quench_fields(
    positions: np.ndarray,
    inherent: np.ndarray,
    species: np.ndarray,
    box: np.ndarray,
    mixture: Mixture,
    fields: np.ndarray,
    minimiser: Minimiser | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Inherent displacements h = IS(x + u) - IS(x) of fields u, and energies per particle of IS(x + u).

    positions, inherent: (N, d), wrapped or not; species: (N,); box: (d,); fields: (F, N, d) unwrapped, which
    may overlap. h (F, N, d) float32, unwrapped, drift removed; energies (F,). ``minimiser``: of
    `choose_for_futures`; None: LAMMPS if it is installed, else torch. Neither depends on the other fields.

    Raises:
        GensampleError: one does not come to rest.
        DataError, ConfigError: positions and mixture do not fit each other.
    """
    minimiser = choose_for_futures() if minimiser is None else minimiser
    with tempfile.TemporaryDirectory() as folder:
        futures = positions + fields.astype(np.float64)
        task = Task(mixture, futures, species, np.tile(box, (len(fields), 1)))
        found = _side_by_side(task, minimiser, Path(folder))
    return displaced(positions, inherent, box, futures, found.inherent), found.energy


def displaced(
    positions: np.ndarray, inherent: np.ndarray, box: np.ndarray, futures: np.ndarray, minima: np.ndarray
) -> np.ndarray:
    """From inherent (N, d) to the minima (F, N, d) of futures, unwrapped, drift removed, float32.

    No particle goes half a box edge down to a minimum: what of its way is lattice vectors is left out.
    """
    edges = torch.from_numpy(np.asarray(box))
    start = minimum_image(torch.from_numpy(inherent - positions), edges).numpy()
    end = minimum_image(torch.from_numpy(minima - futures), edges).numpy()
    moved = (futures - positions) + end - start
    return np.asarray(moved - moved.mean(1, keepdims=True), np.float32)


def _side_by_side(task: Task, minimiser: Minimiser, folder: Path) -> Minima:
    """All minima, by as many processes as the minimiser has."""
    count = len(task.positions)
    bounds = np.linspace(0, count, min(minimiser.processes, count) + 1).astype(int)
    shares = [slice(int(a), int(b)) for a, b in pairwise(bounds)]

    def work(share: slice) -> Minima:
        inside = folder / str(share.start)
        inside.mkdir()
        return minimiser.minimise(task.part(share), inside)

    with ThreadPoolExecutor(max(1, len(shares))) as pool:
        found = list(pool.map(work, shares))
    return Minima(*(np.concatenate(each) for each in zip(*found, strict=True)))
