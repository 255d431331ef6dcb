"""`gensample simulate CONFIG --out DATA.h5` and `gensample shear CONFIG --out DATA.h5`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from gensample.ranges import PROCESSES
from gensample.settings import option, switch, word, words


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
        command = shlex.join(["gensample", name, self.config, *self.overrides])
        print(simulate(config, self.out, lmp=self.lmp, command=command, keep_parts=self.keep_parts))


class Shear(Simulate):
    """The words of the other command."""
