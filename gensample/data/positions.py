"""Positions that graphs are built from, thermal ones, inherent structures or cages; their potential."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from gensample.data.store import Store
from gensample.errors import DataError
from gensample.physics.box import check_cutoff, minimum_image
from gensample.physics.minimize import Minimum, minimize
from gensample.physics.mixtures import SHIFT, Mixture
from gensample.physics.potentials import energy_forces_virial, known_truncation

log = logging.getLogger(__name__)

Input = Literal["thermal", "inherent", "cage"]

MINIMISER = "gensample FIRE 2.0"
TOLERANCE = 1e-6
MAX_STEPS = 100_000
# Force that may be left where the tolerance is out of reach, and after how many steps it is seen to be: with
# the truncation "shift" the force of a pair at its cut-off jumps, by up to 0.073 (A-B), and the pair may stay
# there.
ACCEPTED, ACCEPTED_SHIFT = 1e-3, 0.1
MAX_STEPS_SHIFT = 20_000
# Particles minimised at once; a configuration has the same bits however many are beside it.
PARTICLES_AT_ONCE = {"cpu": 10_000, "cuda": 1_000_000}

Made = tuple[np.ndarray, dict[str, Any]]
"""Positions (C, N, d) and how they were made."""


class Inputs:
    """Thermal positions of a dataset and the centres that belong to its ``input``.

    Centres are cage positions where those are the input, else inherent structures. Where inherent structures
    are the input and the dataset has none, they are found, in memory, when they are first asked for.

    Raises:
        ConfigError, DataError: inherent structures are to be found and the dataset has no known potential.
    """

    def __init__(self, store: Store, input: Input, device: torch.device) -> None:
        self.store, self.input, self._device = store, input, device
        self.thermal, self.box = store.positions, store.box
        self._centres = store.cage if input == "cage" else store.inherent
        self._mixture: Mixture | None = None
        if input == "inherent" and self._centres is None:
            self.find_centres()

    def find_centres(self) -> None:
        """Have inherent structures found when they are asked for, whatever the dataset has."""
        self._mixture = mixture_of(self.store)
        self._centres = np.full(self.thermal.shape, np.nan)
        self._energy, self._residual = np.full((2, len(self.thermal)), np.nan)

    def prepare(self, rows: Sequence[int] | np.ndarray) -> None:
        """Find what is missing of the configurations ``rows``, many at once.

        Raises:
            DataError: one does not come to rest.
        """
        if self._mixture is None or self._centres is None:
            return
        asked = np.unique(np.asarray(rows, np.int64))
        missing = asked[np.isnan(self._energy[asked])]
        # What is in memory alone, such as the futures of a chain, keeps nothing.
        on_disk = isinstance(self.store.place, Path)
        if len(missing) and on_disk and np.isnan(self._energy).all():
            log.warning(
                "%s has no inherent structures: those needed are found in memory (%s, forces below %g); "
                "`gensample quench` would keep them",
                *(self.store.path, MINIMISER, TOLERANCE),
            )
        kind = "cpu" if self._device.type == "cpu" else "cuda"
        width = max(1, PARTICLES_AT_ONCE[kind] // self.thermal.shape[1])
        batches = [missing[first : first + width] for first in range(0, len(missing), width)]
        quiet = len(batches) < 2 or not sys.stderr.isatty()
        for batch in track(batches, "Quenching", disable=quiet):
            of = (self.thermal[batch], self.store.species, self.box[batch], self._mixture, self._device)
            found = quench_together(*of, batch, str(self.store.path))
            self._centres[batch] = found.positions.cpu().numpy()
            self._energy[batch] = found.energy.cpu().numpy()
            self._residual[batch] = found.residual.cpu().numpy()

    def of(self, row: int) -> tuple[Tensor, Tensor | None]:
        """Thermal positions and centres (N, d) of a configuration; None where the dataset has none."""
        self.prepare([row])
        centre = None if self._centres is None else torch.from_numpy(self._centres[row])
        return torch.from_numpy(self.thermal[row]), centre

    def short_runs(self, row: int) -> tuple[Tensor, Tensor] | None:
        """Vector from the thermal to the cage position (N, d) and the spread (N,); None where unknown."""
        cage, spread = self.store.row("cage", row), self.store.row("cage_spread", row)
        if cage is None or spread is None:
            return None
        vector = minimum_image(torch.from_numpy(cage - self.thermal[row]), torch.from_numpy(self.box[row]))
        return vector, torch.from_numpy(spread)

    def probe(self, row: int) -> tuple[Tensor, Tensor] | None:
        """Mean log displacement and length of the mean displacement of probe runs, (N, L) each, or None."""
        found = [self.store.probe_row(name, row) for name in ("log_length", "mean_displacement")]
        log_length, mean_displacement = (None if x is None else torch.from_numpy(x) for x in found)
        if log_length is None or mean_displacement is None:
            return None
        return log_length, mean_displacement

    def inherent(self, rows: np.ndarray) -> Made | None:
        """Inherent structures of the dataset, or those found for it; None where there are none."""
        if self._mixture is None or self._centres is None:
            stored = self.store.inherent
            return None if stored is None else (stored[rows], self._of_rows(self.store.inherent_attrs, rows))
        self.prepare(rows)
        return self._centres[rows], {
            "minimiser": MINIMISER,
            "tolerance": TOLERANCE,
            "engine": f"torch {torch.__version__} on {self._device}",
            "energy": self._energy[rows],
            "residual": self._residual[rows],
            "max_residual_force": self._residual[rows].max(),
        }

    def cage(self, rows: np.ndarray) -> Made | None:
        """Cage positions of the dataset; None where there are none."""
        stored = self.store.cage
        return None if stored is None else (stored[rows], self._of_rows(self.store.cage_attrs, rows))

    def _of_rows(self, attrs: Mapping[str, Any], rows: np.ndarray) -> dict[str, Any]:
        """Attributes of which those with a value for each configuration keep the values of ``rows``."""
        count = (len(self.thermal),)
        return {name: value[rows] if np.shape(value) == count else value for name, value in attrs.items()}


def quench_together(
    positions: np.ndarray,
    species: np.ndarray,
    box: np.ndarray,
    mixture: Mixture,
    device: torch.device,
    rows: Sequence[int] | np.ndarray = (0,),
    name: str = "the quench",
) -> Minimum:
    """Inherent structures of configurations (C, N, d) at once; the bits of one do not depend on the others.

    species: (N,); box: (C, d); ``rows`` and ``name``: what errors call them by.

    Raises:
        DataError: one does not come to rest.
    """
    shift = mixture.truncation == SHIFT
    found = minimize(
        torch.from_numpy(positions).to(device),
        torch.from_numpy(species.astype(np.int64)).to(device),
        torch.from_numpy(box).to(device),
        mixture,
        tolerance=TOLERANCE,
        max_steps=MAX_STEPS_SHIFT if shift else MAX_STEPS,
    )
    worst = int(found.residual.argmax())
    left, limit = float(found.residual[worst]), ACCEPTED_SHIFT if shift else ACCEPTED
    if not left <= limit:
        raise DataError(
            f"{name}: the quench of configuration {rows[worst]} came to rest at a force of {left:.1e} only, "
            f"{limit:g} would do; add inherent structures with `gensample quench --engine lammps`, or leave "
            "the configuration out"
        )
    if left > TOLERANCE:
        log.warning(
            "%s: forces up to %.1e are left in inherent structures (configuration %d)",
            *(name, left, rows[worst]),
        )
    return found


def mixture_of(store: Store) -> Mixture:
    """The mixture of a dataset, truncated as the dataset says.

    Raises:
        ConfigError: the mixture is unknown, or a box is shorter than twice the interaction range.
        DataError: the dataset has no known potential.
    """
    mixture = store.liquid
    known_truncation(mixture, None)
    if store.dimension != mixture.dimension or int(store.species.max()) >= mixture.num_species:
        raise DataError(f"{store.path} has other dimensions or more species than its mixture {mixture.name}")
    check_cutoff(mixture.cutoff, torch.from_numpy(store.box))
    return mixture


def potential(
    positions: np.ndarray,
    species: np.ndarray,
    box: np.ndarray,
    mixture: Mixture,
    truncation: str | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Energy per particle U/N, virial per particle W/N and largest force, each (C,).

    positions: (C, N, d), species: (N,), box: (C, d); truncation: overrides the mixture's.

    Raises:
        ConfigError: the box is shorter than twice the interaction range.
    """
    kinds = torch.from_numpy(species.astype(np.int64))
    rows = []
    for x, edges in zip(positions, box, strict=True):
        result = energy_forces_virial(
            torch.from_numpy(x), kinds, torch.from_numpy(edges), mixture, truncation
        )
        forces = result.forces.norm(dim=-1)
        rows.append((float(result.energy.mean()), float(result.virial) / len(x), float(forces.max())))
    energy, virial, force = np.array(rows).reshape(-1, 3).T
    return energy, virial, force
