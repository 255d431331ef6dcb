"""A quasistatic shear: its glasses, the minimum of each, then one job for each direction, and its dataset."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gensample.data.positions import mixture_of
from gensample.data.schema import SHEARED
from gensample.data.store import Contents, Store, StoreWriter, digest
from gensample.errors import ConfigError
from gensample.physics.box import check_cutoff
from gensample.physics.mixtures import Mixture
from gensample.physics.strain import (
    ShearDirection,
    d2min,
    non_affine,
    shear_direction,
    shear_gradient,
    sheared_box,
)
from gensample.simulate.lammps.engine import Engine
from gensample.simulate.lammps.files import keep, load, read_dump, wrapped, write_data
from gensample.simulate.programs import run_script
from gensample.simulate.quench import minimum_attrs
from gensample.simulate.scheduler import Job
from gensample.simulate.settings import SPLITS
from gensample.simulate.shear import scripts as shear_scripts
from gensample.simulate.shear.config import ShearConfig
from gensample.stats.plasticity import Events, find_events, participation

MINIMUM, SHEAR = "minimum.npz", "shear.npz"

Result = dict[str, np.ndarray]


@dataclass(frozen=True)
class Glasses:
    """Chosen configurations: thermal positions, and those the minimisation at zero strain starts from."""

    mixture: Mixture
    species: np.ndarray  # (N,)
    rows: np.ndarray  # (C,) in the dataset
    split: list[str]
    temperature: np.ndarray  # (C,)
    density: float
    box: np.ndarray  # (C, d)
    thermal: np.ndarray  # (C, N, d)
    start: np.ndarray  # (C, N, d)

    def fingerprint(self) -> str:
        """Tells whether an unfinished shear started from these."""
        return digest(repr(self.mixture), self.thermal, self.start, self.species, self.box)


def load_glasses(config: ShearConfig) -> Glasses:
    """The configurations that the settings ask for.

    Raises:
        ConfigError: too few of them, directions or cut-offs that do not fit them.
        DataError: the dataset is absent or damaged, or its potential is unknown.
    """
    with Store.open(config.dataset) as store:
        mixture = mixture_of(store)
        for name in config.directions:
            shear_direction(name, mixture.dimension)
        check_cutoff(config.d2min_cutoff, torch.from_numpy(store.box))
        rows = _rows(config, store)
        thermal, inherent = store.positions, store.inherent
        return Glasses(
            mixture=mixture,
            species=store.species,
            rows=rows,
            split=store.split[rows].tolist(),
            temperature=store.temperature[rows],
            density=store.density,
            box=store.box[rows],
            thermal=thermal[rows],
            start=(thermal if inherent is None else inherent)[rows],
        )


def _rows(config: ShearConfig, store: Store) -> np.ndarray:
    found = [store.indices(name) for name in SPLITS if name in config.splits]
    asked = config.configurations
    if asked is not None and any(len(rows) < asked for rows in found):
        raise ConfigError(
            f"configurations: {asked} of each split are asked for, {config.dataset} has "
            f"{min(len(rows) for rows in found)} in one; ask for fewer"
        )
    return np.concatenate([rows[:asked] for rows in found])


class ShearWorkshop:
    """Builds the jobs of one shear; those of a direction read the minimum of their configuration."""

    def __init__(self, config: ShearConfig, engine: Engine, root: Path, glasses: Glasses) -> None:
        self.config, self.glasses, self.engine, self.root = config, glasses, engine, root
        self.mixture = glasses.mixture
        self.directions = [shear_direction(name, self.mixture.dimension) for name in config.directions]
        self.strain = config.grid()

    def jobs(self) -> list[Job]:
        """All jobs, configurations in order."""
        jobs = []
        for c in range(len(self.glasses.rows)):
            minimum = f"minimum-{c:05d}"
            jobs.append(Job(minimum, None, 1.0, self._minimise(c)))
            for r in range(len(self.directions)):
                cost = float(len(self.strain) - 1)
                jobs.append(Job(self.name(c, r), minimum, cost, self._shear(c, r, minimum)))
        return jobs

    def name(self, c: int, r: int) -> str:
        """Folder of configuration c sheared along direction r."""
        return f"shear-{c:05d}-{r:02d}"

    def _minimise(self, c: int) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            script = shear_scripts.minimum(self.mixture, self.config.minimiser, self.config.force_tolerance)
            self._run(folder, c, self.glasses.start[c], script)
            energy, _, residual = np.loadtxt(folder / shear_scripts.CURVE)
            (positions,) = self._frames(folder, 1)
            np.savez(folder / MINIMUM, inherent=positions, energy=energy, residual=residual)
            keep(folder, MINIMUM)

        return work

    def _shear(self, c: int, r: int, minimum: str) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            direction, edges = self.directions[r], self.glasses.box[c]
            script = shear_scripts.quasistatic(
                self.mixture,
                edges,
                direction,
                self.strain,
                self.config.minimiser,
                self.config.force_tolerance,
            )
            self._run(folder, c, load(self.root / minimum / MINIMUM)["inherent"], script)
            curve = np.loadtxt(folder / shear_scripts.CURVE, ndmin=2)
            positions = self._frames(folder, len(self.strain))
            found: dict[str, Any] = self._analyse(curve, positions, edges, direction)
            np.savez(folder / SHEAR, **found)
            keep(folder, SHEAR)

        return work

    def _run(self, folder: Path, c: int, positions: np.ndarray, script: str) -> None:
        masses = self.mixture.masses
        write_data(folder / "start.data", positions, self.glasses.species, masses, self.glasses.box[c])
        run_script(self.engine, self.mixture, script, folder)

    def _frames(self, folder: Path, count: int) -> np.ndarray:
        return np.stack(
            [read_dump(folder / f"step-{k}.dump", self.mixture.dimension)[0] for k in range(count)]
        )

    def _analyse(
        self, curve: np.ndarray, positions: np.ndarray, edges: np.ndarray, direction: ShearDirection
    ) -> dict[str, np.ndarray]:
        """What is kept of curve (S + 1, 3) and positions (S + 1, N, d)."""
        energy, stress, residual = curve.T
        least = self.config.event_drop, self.config.event_energy
        total, volume = energy * positions.shape[1], float(edges.prod())
        events = find_events(self.strain, stress, total, volume, *least)
        box, strain = torch.from_numpy(edges), torch.from_numpy(self.strain)
        moved = non_affine(torch.from_numpy(positions), box, direction, strain)
        fields = [self._across(positions, moved, box, direction, int(k)) for k in events.step]
        return {
            "stress": stress,
            "energy": energy,
            "residual": residual,
            "displacements": self._rounded(moved[self.config.stored()].numpy()),
            "first_event": fields[0][1] if fields else np.full(positions.shape[1], np.nan),
            **_event_table(events, fields),
        }

    def _across(
        self,
        positions: np.ndarray,
        moved: torch.Tensor,
        edges: torch.Tensor,
        direction: ShearDirection,
        k: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Displacement (N, d) beyond the affine map from step k - 1 to k, and its D2min (N,)."""
        step = shear_gradient(direction, float(self.strain[k] - self.strain[k - 1]), self.mixture.dimension)
        displacement = moved[k] - moved[k - 1] - moved[k - 1] @ step.T
        box = sheared_box(edges, direction, float(self.strain[k - 1]))
        reference = torch.from_numpy(positions[k - 1])
        found = d2min(reference, displacement, box, self.config.d2min_cutoff)
        return displacement.numpy(), found.d2min.numpy()

    def _rounded(self, fields: np.ndarray) -> np.ndarray:
        precision = self.config.displacement_precision
        return np.asarray(np.round(fields / precision) * precision if precision else fields, np.float32)

    def write(self, path: Path, command: str) -> None:
        """The dataset of a finished shear."""
        glasses, config = self.glasses, self.config
        count, directions = len(glasses.rows), len(self.directions)
        minima = [load(self.root / f"minimum-{c:05d}" / MINIMUM) for c in range(count)]
        results = [
            [load(self.root / self.name(c, r) / SHEAR) for r in range(directions)] for c in range(count)
        ]
        with StoreWriter.create(
            path,
            Contents(
                mixture=self.mixture,
                temperature=glasses.temperature,
                density=glasses.density,
                truncation=self.mixture.truncation,
                source=f"gensample shear, LAMMPS {self.engine.version}",
                species=glasses.species,
                box=glasses.box,
                split=glasses.split,
                positions=glasses.thermal,
                times=np.array(config.strains),
                replicas=np.full(count, directions),
                inherent=wrapped([one["inherent"] for one in minima], glasses.box),
                inherent_attrs=minimum_attrs(
                    *([one[key] for one in minima] for key in ("energy", "residual")),
                    minimiser=f"LAMMPS {config.minimiser}",
                    tolerance=config.force_tolerance,
                ),
                command=command,
                extra_attrs={
                    "kind": SHEARED,
                    "config": json.dumps(config.deciding()),
                    "start": config.dataset,
                    "start_fingerprint": glasses.fingerprint(),
                },
            ),
        ) as writer:
            writer.write_array("source_configuration", glasses.rows)
            writer.write_group(SHEARED, self._group(results))
            for c in range(count):
                for r in range(directions):
                    writer.write_replica(c, r, results[c][r]["displacements"])

    def _group(self, results: list[list[Result]]) -> Result:
        """Arrays of the group /shear: curves of all, and events one after another."""
        curves = {
            name: np.stack([[one[name] for one in row] for row in results])
            for name in ("stress", "energy", "residual", "first_event")
        }
        owners = [
            (c, r) for c, row in enumerate(results) for r, one in enumerate(row) for _ in one["event_step"]
        ]
        names = [name for name in results[0][0] if name.startswith("event_")]
        table = {name: np.concatenate([one[name] for row in results for one in row]) for name in names}
        owner = np.array(owners, np.int32).reshape(-1, 2)
        return {
            "direction": np.array(self.config.directions, "S3"),
            "strain": self.strain,
            **curves,
            "residual": curves["residual"].astype(np.float32),
            "first_event": curves["first_event"].astype(np.float32),
            "event_configuration": owner[:, 0],
            "event_direction": owner[:, 1],
            **table,
        }


def _event_table(events: Events, fields: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
    """Columns of the events of one curve, with what their fields show."""
    return {
        "event_step": events.step.astype(np.int32),
        "event_strain": events.strain,
        "event_stress_drop": events.stress_drop,
        "event_energy_drop": events.energy_drop,
        "event_participation": np.array([participation(displacement) for displacement, _ in fields]),
        "event_center": np.array([int(field.argmax()) for _, field in fields], np.int32),
    }
