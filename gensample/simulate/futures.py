"""Futures x + u and their inherent structures: what of a displacement is left without vibrations."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from gensample.data.positions import MINIMISER
from gensample.physics.box import minimum_image
from gensample.physics.mixtures import Mixture
from gensample.simulate.minimisers import Minima, Minimiser, Task, choose
from gensample.simulate.structure import keep

# Of ka2d (N = 500, 36 fields), against a quench to 1e-7: h is right to 1.1e-4 (LAMMPS), 3.7e-4 (torch, which
# counts the force on a particle), the energy per particle to 1e-8, for 0.65 of the time. Rounding is finer.
TOLERANCE = 3e-4
PRECISION = 2.0**-13


class Quenched(NamedTuple):
    """Inherent displacements (F, N, d) float32, energies per particle (F,), largest forces left (F,)."""

    displacements: np.ndarray
    energy: np.ndarray
    residual: np.ndarray


@dataclass(frozen=True)
class Origin:
    """What futures start from: positions and their inherent structure (N, d), wrapped or not, box (d,)."""

    positions: np.ndarray
    inherent: np.ndarray
    box: np.ndarray
    species: np.ndarray
    mixture: Mixture

    def quench(self, fields: np.ndarray, minimiser: Minimiser, folder: Path) -> Quenched:
        """Futures of fields (F, N, d) by one process, whose files are made in ``folder`` and removed."""
        futures = self.positions + fields.astype(np.float64)
        task = Task(self.mixture, futures, self.species, np.tile(self.box, (len(fields), 1)))
        found = minimiser.minimise(task, folder)
        keep(folder)
        return Quenched(self._moved(futures, found), found.energy, found.residual)

    def _moved(self, futures: np.ndarray, found: Minima) -> np.ndarray:
        """From the inherent structure to those of the futures, unwrapped, drift removed.

        No particle goes half a box edge down to a minimum: what of its way is lattice vectors is left out.
        """
        edges = torch.from_numpy(np.asarray(self.box, np.float64))
        down = minimum_image(torch.from_numpy(found.inherent - futures), edges).numpy()
        up = minimum_image(torch.from_numpy(self.inherent - self.positions), edges).numpy()
        moved = (futures - self.positions) + down - up
        return np.asarray(moved - moved.mean(1, keepdims=True), np.float32)


def choose_for_futures(
    engine: str | None = None,
    *,
    device: str = "cpu",
    tolerance: float | None = None,
    processes: int = 1,
    lmp: str | None = None,
    like: str | None = None,
) -> Minimiser:
    """As `gensample.simulate.minimisers.choose`, of the tolerance that futures need.

    like: the minimiser that found the inherent structures they are compared with: unless something else is
    asked for, what torch found goes on with torch, since different minimisers may end in different minima.
    """
    if engine is None and lmp is None and like == MINIMISER:
        engine = "torch"
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
    origin = Origin(positions, inherent, box, species, mixture)
    with tempfile.TemporaryDirectory() as folder:
        found = _side_by_side(origin, fields, minimiser, Path(folder))
    return found.displacements, found.energy


def _side_by_side(origin: Origin, fields: np.ndarray, minimiser: Minimiser, folder: Path) -> Quenched:
    """Shares of the fields by as many processes as the minimiser has."""
    bounds = np.linspace(0, len(fields), min(minimiser.processes, len(fields)) + 1).astype(int)

    def work(share: tuple[int, int]) -> Quenched:
        inside = folder / str(share[0])
        inside.mkdir()
        return origin.quench(fields[share[0] : share[1]], minimiser, inside)

    with ThreadPoolExecutor(max(1, minimiser.processes)) as pool:
        found = list(pool.map(work, pairwise(bounds.tolist())))
    return Quenched(*(np.concatenate(each) for each in zip(*found, strict=True)))


def rounded(displacements: np.ndarray, precision: float) -> np.ndarray:
    """Inherent displacements as they are stored: multiples of ``precision``, which compress; 0: none."""
    if not precision:
        return displacements
    return np.asarray(np.round(displacements / precision) * precision, np.float32)
