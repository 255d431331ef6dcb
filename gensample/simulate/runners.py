"""The programs that run short runs: LAMMPS as a subprocess, or batches in torch on any device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from gensample.errors import ConfigError
from gensample.ranges import check_choice
from gensample.simulate.engine import find_engine
from gensample.simulate.short_runs import Lammps, Leg, Runs, System

ENGINES = ("lammps",)


class Dynamics(Protocol):
    """Runs legs of one system.

    kind: the name of the program; description: with its version; width: replicas worth running at once.
    """

    kind: str
    description: str
    width: int

    def run(self, system: System, runs: Runs, legs: Sequence[Leg], folder: Path) -> list[np.ndarray]:
        """Unwrapped positions (W, N, d) at what is kept of each leg; ``folder`` is for files on the way."""

    def stop(self) -> None:
        """End what runs."""


def choose_dynamics(engine: str | None, *, device: str = "cpu", lmp: str | None = None) -> Dynamics:
    """The program of that name; None: LAMMPS.

    ``lmp``: the executable of LAMMPS.

    Raises:
        ConfigError: what does not go together.
        MissingDependencyError: LAMMPS is asked for and not there.
    """
    if engine is not None:
        check_choice("--engine", engine, ENGINES)
    if device != "cpu":
        raise ConfigError(f"--engine lammps runs on the CPU, got --device {device}: leave one of them out")
    return Lammps(find_engine(lmp))
