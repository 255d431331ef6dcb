"""`gensample quench DATA`: a dataset, or a file that `gensample import` reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gensample.errors import ConfigError
from gensample.ranges import PROCESSES, RESIDUAL_FORCE, ROUNDING, TEMPERATURE
from gensample.settings import command_line, option, switch, word


@dataclass(frozen=True)
class Quench:
    """The words of the command."""

    data: str = word("dataset, name of an embedded one, or file to import (with --out)")
    out: Path | None = option("write a copy instead of changing DATA", None, Path)
    mixture: str | None = option("of a file to import: a name or a yaml file", None)
    temperature: float | None = option("of a file to import", None, TEMPERATURE)
    engine: str | None = option("default: lammps if installed, else torch", None, choices=("lammps", "torch"))
    device: str = option("torch alone: cpu, cuda, cuda:1, ...", "cpu")
    tolerance: float | None = option(
        "largest force at the end (1e-7 of LAMMPS, 1e-6 of torch, 3e-4 of --futures)", None, RESIDUAL_FORCE
    )
    lmp: str | None = option("LAMMPS executable of your own", None)
    processes: int = option("LAMMPS processes side by side", 2, PROCESSES)
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
        choose_minimiser(
            **options
        )  # before anything is imported: options that do not go together leave nothing
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
        from gensample.commands.import_ import Import
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
