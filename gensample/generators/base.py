"""The interface of generators that draw displacement fields without training, and what they start from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from gensample.data.positions import mixture_of
from gensample.data.store import Store
from gensample.errors import ConfigError, DataError
from gensample.physics.mixtures import Mixture
from gensample.ranges import POSITIVE, check_device
from gensample.reads import Reads, read_domain
from gensample.sampling.ensemble import FIELDS_PER_CALL
from gensample.simulate.runners import Dynamics


@dataclass(frozen=True)
class Start:
    """One configuration to draw fields from.

    row: its number in its dataset, which keys the random numbers; positions: (N, d) float64, wrapped;
    species: (N,); box: (d,); mixture: truncated as its dataset says; temperature; inherent: positions (N, d)
    of its inherent structure, wrapped, or None where they were not asked for.
    """

    row: int
    positions: np.ndarray
    species: np.ndarray
    box: np.ndarray
    mixture: Mixture
    temperature: float
    inherent: np.ndarray | None = None


class Generator(ABC):
    """Draws displacement fields from p(u | x, t, T) of a known potential; kept as a folder without weights.

    lag_time: ascending, those it draws at; domain: what its settings were found on, as `domain_of` gives it,
    empty where they are of no data. Settings of the constructor are plain values: they are kept as the
    ``init_args`` of ``config.yaml``.

    Raises:
        ConfigError: lag times that are not positive and ascending, or a domain that is none.
    """

    needs_inherent: ClassVar[bool] = False
    """Whether `draw` reads ``start.inherent``."""
    runs_dynamics: ClassVar[bool] = False
    """Whether `draw` runs molecular dynamics: by LAMMPS, or by torch on its device."""
    width: int = FIELDS_PER_CALL
    """Replicas that `sample` asks for at once, where no dynamics decide it."""

    def __init__(self, lag_time: Sequence[float], domain: dict[str, Any] | None = None) -> None:
        times = lag_time if isinstance(lag_time, list | tuple) else ()
        for k, time in enumerate(times):
            POSITIVE.check(f"model.lag_time[{k}]", time)
        if not times or list(times) != sorted(set(times)):
            raise ConfigError(f"model.lag_time must be lag times in ascending order, got {lag_time!r:.100}")
        self.lag_time = tuple(float(time) for time in times)
        self.domain = read_domain(domain)
        self.device = "cpu"
        self.dynamics: Dynamics | None = None
        self.scratch: Path | None = None

    @property
    def reads(self) -> Reads:
        """What is read of the data."""
        centres: Any = "inherent" if self.needs_inherent else "thermal"
        return Reads(centres, lags=self.lag_time, domain=self.domain)

    def to(self, device: Any) -> Generator:
        """The same, with its tensors on a device of torch."""
        check_device("--device", str(device))
        self.device = str(device)
        return self

    def use(self, dynamics: Dynamics | None = None, scratch: Path | None = None) -> Generator:
        """The same, with a program for its dynamics and a folder for what that writes on the way."""
        self.dynamics, self.scratch = dynamics, scratch
        return self

    @property
    def time(self) -> float:
        """Of dynamics behind a replica, all lags together, tau."""
        return 0.0

    @abstractmethod
    def draw(self, start: Start, replicas: Sequence[int], seed: int) -> np.ndarray:
        """Displacement fields (R, K, N, d) float32 of the given replicas, unwrapped, drift-free.

        The random numbers of a field are keyed by (seed, start.row, replica, index of the lag) alone.
        """


def starts(store: Store, rows: Sequence[int], inherent: np.ndarray | None = None) -> list[Start]:
    """Configurations ``rows`` of a dataset, with their inherent structures (rows, N, d) if given.

    Raises:
        DataError: the dataset has no known potential.
    """
    mixture, positions, box, temperature = mixture_of(store), store.positions, store.box, store.temperature
    return [
        Start(
            row=int(row),
            positions=positions[row],
            species=store.species,
            box=box[row],
            mixture=mixture,
            temperature=float(temperature[row]),
            inherent=None if inherent is None else inherent[k],
        )
        for k, row in enumerate(rows)
    ]


def drift_free(moved: np.ndarray) -> np.ndarray:
    """Displacements (..., N, d) without the motion of their mean, float32.

    Raises:
        DataError: some are not finite: a run has exploded.
    """
    if not np.isfinite(moved).all():
        raise DataError("a drawn field is not finite: the dynamics exploded; choose a shorter time step")
    return np.asarray(moved - moved.mean(-2, keepdims=True), np.float32)
