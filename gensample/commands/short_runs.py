"""`gensample cage DATA` and `gensample probe DATA`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields
from pathlib import Path

from gensample.ranges import PROCESSES
from gensample.settings import option, switch, word

THERMOSTAT = "nose-hoover (default), langevin or none"


@dataclass(frozen=True)
class _Adding:
    data: str = word("dataset, or the name of an embedded one")
    out: Path | None = option("write a copy instead of changing DATA", None, Path)
    lmp: str | None = option("LAMMPS executable of your own", None)
    processes: int = option("LAMMPS processes side by side", 2, PROCESSES)
    again: bool = switch("replace what the dataset has")

    def run(self) -> None:
        """Run from every configuration, resuming what an earlier run left unfinished."""
        from gensample.data.catalog import dataset_file
        from gensample.simulate import short_runs

        name = type(self).__name__
        own = [each.name for each in fields(self) if each.name not in _Adding.__dataclass_fields__]
        given = {key: getattr(self, key) for key in own}
        options = [
            word
            for key, value in given.items()
            for word in (f"--{key}", *map(str, value if isinstance(value, tuple) else [value]))
        ]
        print(
            short_runs.add_short_runs(
                dataset_file(self.data),
                self.out,
                settings=getattr(short_runs, f"{name}Settings")(**given),
                command=shlex.join(["gensample", name.lower(), self.data, *options]),
                **{key: getattr(self, key) for key in ("processes", "lmp", "again")},
            )
        )


@dataclass(frozen=True)
class Cage(_Adding):
    """The words of the command."""

    time: float = option("length of a run in tau; its first fifth is left out (5)", 5.0, float)
    replicas: int = option("runs from each configuration (32)", 32, int)
    snapshots: int = option("positions of each run that are averaged over (40)", 40, int)
    thermostat: str = option(THERMOSTAT, "nose-hoover")
    seed: int = option("of the velocities (0)", 0, int)


@dataclass(frozen=True)
class Probe(_Adding):
    """The words of the command."""

    temperatures: tuple[float, ...] = option("of the runs, heated or not", kind=float, many=True, metavar="T")
    times: tuple[float, ...] = option("at which displacements count, tau", kind=float, many=True, metavar="t")
    replicas: int = option("runs at each temperature", kind=int)
    thermostat: str = option(THERMOSTAT, "nose-hoover")
    seed: int = option("of the velocities (0)", 0, int)
