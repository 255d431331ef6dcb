"""`gensample simulate`, `shear`, `cage` and `probe`: dynamics, mostly by LAMMPS."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from gensample.ranges import PROCESSES
from gensample.settings import command_line, option, switch, word, words

THERMOSTAT = "nose-hoover (default), langevin or none"


@dataclass(frozen=True)
class Simulate:
    """The words of the command; both resume what an earlier run of the same settings left unfinished."""

    config: str = word("yaml file, see `gensample config`")
    overrides: tuple[str, ...] = words("settings as key=value, such as splits.train.replicas=4")
    out: Path = option("dataset to write", kind=Path)
    lmp: str | None = option("LAMMPS executable of your own", None)
    processes: int | None = option("LAMMPS processes side by side", None, PROCESSES)
    keep_parts: bool = switch("keep the folder of finished jobs")

    def run(self) -> None:
        """Simulate or shear."""
        from gensample.simulate.run import load_config, load_shear_config, simulate

        name = type(self).__name__.lower()
        processes = [] if self.processes is None else [f"processes={self.processes}"]
        load = load_shear_config if name == "shear" else load_config
        config = load(self.config, [*self.overrides, *processes])
        command = command_line(name, self, "out", "lmp", "processes", "keep_parts")
        print(simulate(config, self.out, lmp=self.lmp, command=command, keep_parts=self.keep_parts))


class Shear(Simulate):
    """The words of the other command."""


@dataclass(frozen=True)
class _ShortRuns:
    data: str = word("dataset, or the name of an embedded one")
    out: Path | None = option("write a copy instead of changing DATA", None, Path)
    lmp: str | None = option("LAMMPS executable of your own", None)
    processes: int = option("LAMMPS processes side by side", 2, PROCESSES)
    again: bool = switch("replace what the dataset has")

    def run(self) -> None:
        """Run from every configuration, resuming what an earlier run left unfinished."""
        from gensample.data.catalog import dataset_file
        from gensample.simulate import short_runs

        shared = [each.name for each in fields(_ShortRuns)]
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in shared}
        how: dict[str, Any] = {name: getattr(self, name) for name in ("processes", "lmp", "again")}
        how["command"] = command_line(type(self).__name__.lower(), self, *shared[1:])
        settings = getattr(short_runs, f"{type(self).__name__}Settings")(**own)
        print(short_runs.add_short_runs(dataset_file(self.data), self.out, settings=settings, **how))


@dataclass(frozen=True)
class Cage(_ShortRuns):
    """The words of the command."""

    time: float = option("length of a run in tau; its first fifth is left out (5)", 5.0, float)
    replicas: int = option("runs from each configuration (32)", 32, int)
    snapshots: int = option("positions of each run that are averaged over (40)", 40, int)
    thermostat: str = option(THERMOSTAT, "nose-hoover")
    seed: int = option("of the velocities (0)", 0, int)


@dataclass(frozen=True)
class Probe(_ShortRuns):
    """The words of the command."""

    temperatures: tuple[float, ...] = option("of the runs, heated or not", kind=float, many=True, metavar="T")
    times: tuple[float, ...] = option("at which displacements count, tau", kind=float, many=True, metavar="t")
    replicas: int = option("runs at each temperature", kind=int)
    thermostat: str = option(THERMOSTAT, "nose-hoover")
    seed: int = option("of the velocities (0)", 0, int)
