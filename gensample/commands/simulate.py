"""`gensample simulate`, `shear`, `cage`, `probe` and `quench`: what LAMMPS, or torch, does."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from gensample.errors import ConfigError
from gensample.ranges import PROCESSES, RESIDUAL_FORCE, ROUNDING, TEMPERATURE
from gensample.settings import CLUSTER, command_line, option, switch, word, words

THERMOSTAT = "nose-hoover (default), langevin or none"


@dataclass(frozen=True)
class _Simulation:
    """Words of both; they resume what an earlier run of the same settings left unfinished."""

    config: str = word("yaml file, see `gensample config`")
    overrides: tuple[str, ...] = words("settings as key=value, such as splits.train.replicas=4")
    out: Path = option("dataset to write (a folder with --dry-run of simulate)", kind=Path)
    lmp: str | None = option("LAMMPS executable of your own", None)
    processes: int | None = option("LAMMPS processes side by side (as the config says)", None, PROCESSES)
    keep_parts: bool = switch("keep the folder of finished jobs")
    cluster: str | None = option(CLUSTER, None)

    def run(self) -> None:
        """Simulate or shear."""
        from gensample.simulate.run import load_config, load_shear_config, simulate

        name = type(self).__name__.lower()
        load = load_shear_config if name == "shear" else load_config
        config = load(self.config, [*self.overrides, *self._processes()])
        command = command_line(name, self, "out", "lmp", "processes", "keep_parts", "cluster")
        how: dict[str, Any] = {name: getattr(self, name) for name in ("lmp", "keep_parts", "cluster")}
        print(simulate(config, self.out, command=command, **how))

    def _processes(self) -> list[str]:
        return [] if self.processes is None else [f"processes={self.processes}"]


@dataclass(frozen=True)
class Simulate(_Simulation):
    """The words of the command."""

    dry_run: bool = switch("write the LAMMPS inputs of all jobs into the folder OUT and run nothing")

    def run(self) -> None:
        """Simulate, or write what would be run."""
        if not self.dry_run:
            super().run()
            return
        from gensample.simulate.dry import write_inputs
        from gensample.simulate.run import load_config

        print(write_inputs(load_config(self.config, list(self.overrides)), self.out))


class Shear(_Simulation):
    """The words of the other command."""


@dataclass(frozen=True)
class _ShortRuns:
    data: str = word("dataset, or the name of an embedded one")
    out: Path | None = option("write a copy instead of changing DATA", None, Path)
    lmp: str | None = option("LAMMPS executable of your own", None)
    processes: int = option("LAMMPS processes side by side (2)", 2, PROCESSES)
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


@dataclass(frozen=True)
class Quench:
    """The words of the command."""

    data: str = word("dataset, name of an embedded one, or file to import (with --out)")
    out: Path | None = option("write a copy instead of changing DATA", None, Path)
    mixture: str | None = option("of a file to import: a name or a yaml file", None)
    temperature: float | None = option("of a file to import", None, TEMPERATURE)
    engine: str | None = option("default: lammps if installed, else torch", None, choices=("lammps", "torch"))
    device: str = option("torch alone: cpu (default), cuda, cuda:1, ...", "cpu")
    tolerance: float | None = option(
        "largest force at the end (1e-7 of LAMMPS, 1e-6 of torch, 3e-4 of --futures)", None, RESIDUAL_FORCE
    )
    lmp: str | None = option("LAMMPS executable of your own", None)
    processes: int = option("LAMMPS processes side by side (2)", 2, PROCESSES)
    again: bool = switch("replace what the dataset has")
    futures: bool = switch(
        "quench x + u for every displacement field u: inherent displacements, which show what hopped"
    )
    precision: float | None = option("of --futures: multiples they are rounded to (2^-13)", None, ROUNDING)

    def run(self) -> None:
        """Minimise every configuration, resuming what an earlier run left unfinished."""
        import h5py

        from gensample.data.catalog import dataset_file
        from gensample.simulate.programs import choose_minimiser
        from gensample.simulate.quench import quench, quench_futures

        data, out = dataset_file(self.data), self.out
        names = ("engine", "device", "tolerance", "processes", "lmp")
        options: dict[str, Any] = {key: getattr(self, key) for key in names}
        # Before anything is imported: options that do not go together leave nothing.
        choose_minimiser(**options)
        if self.precision is not None:
            if not self.futures:
                raise ConfigError("--precision is of inherent displacements: give --futures, or leave it out")
            options["precision"] = self.precision
        if not (self.futures or h5py.is_hdf5(data) or data.suffix == ".h5"):
            data, out = self._imported(), None
        elif self.mixture is not None or self.temperature is not None:
            told = "a dataset says its own mixture and temperature"
            raise ConfigError(f"{told}: drop --mixture and --temperature")
        print((quench_futures if self.futures else quench)(data, out, again=self.again, **options))

    def _imported(self) -> Path:
        """The dataset ``--out`` of a configuration file, imported unless an earlier run did."""
        from gensample.commands.files import Import
        from gensample.data.store import Store

        if self.out is None:
            raise ConfigError(f"{self.data} is no dataset: give --out DATA.h5 for one that is made of it")
        asked = Import((self.data,), out=str(self.out), mixture=self.mixture, temperature=self.temperature)
        if not self.out.exists():
            asked.run()
        with Store.open(self.out) as store:
            if store.attrs["command"] != command_line("import", asked):
                raise ConfigError(
                    f"{self.out} exists and is another dataset; remove it or choose another --out"
                )
        return self.out
