"""`gensample import SOURCE ... --out DATA.h5`."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from gensample.errors import ConfigError
from gensample.ranges import NUMBER, POSITIVE, SEED, shown
from gensample.settings import command_line, option, switch, words


@dataclass(frozen=True)
class Import:
    """Convert files of other programs to one dataset."""

    sources: tuple[str, ...] = words(
        "files or folders; folders train, val, test, at or below those given, name the split",
        metavar="SOURCE",
    )
    out: str = option("dataset to write")
    format: str = option("of the files, such as botan or extxyz; auto recognises them by content", "auto")
    mixture: str | None = option(
        "a name such as ka2d, a yaml file, or unknown; needed where the source implies none", None
    )
    temperature: float | None = option("where the source does not say it", None, POSITIVE)
    time: tuple[float, ...] | None = option(
        "lag times in LJ units, in ascending order", None, POSITIVE, many=True, metavar="T"
    )
    timestep: float | None = option(
        "LJ time of one simulation step, for dumps that count steps", None, POSITIVE
    )
    box: tuple[float, ...] | None = option(
        "edge length, or one for each direction", None, POSITIVE, many=True, metavar="L"
    )
    density: float | None = option("where it is not that of the mixture", None, POSITIVE)
    species: tuple[str, ...] | None = option(
        "species number of each type, such as 1=0 2=1", None, many=True, metavar="TYPE=N"
    )
    split: str = option("split of all configurations", "auto", choices=("auto", "train", "val", "test"))
    val_count: int = option("move N random training configurations to val", 0, NUMBER, metavar="N")
    seed: int = option("chooses the validation configurations", 0, SEED)
    frames: str = option("what frames are", "auto", choices=("auto", "trajectory", "configurations"))
    unwrapped: bool = switch("positions are unwrapped though the file does not say so")
    bond_breaking: str = option(
        "what bb_prop counts, where the file does not tell (GlassBench)",
        "auto",
        choices=("auto", "kept", "lost"),
    )
    averages: bool = switch("take propensities where a source has both (DeepMind)")

    def run(self) -> None:
        """Read, check and write; say what was done."""
        from gensample.data.importing.convert import import_dataset
        from gensample.data.importing.source import Options
        from gensample.text import printable

        given = {each.name: getattr(self, each.name) for each in fields(Options) if hasattr(self, each.name)}
        options = Options(**given | {"times": self.time, "species": self._species()})
        how = {name: getattr(self, name) for name in ("format", "seed", "val_count")}
        imported = import_dataset(
            self.sources, self.out, options, command=command_line("import", self), **how
        )
        print("\n".join(f"- {printable(note)}" for note in imported.notes))
        found = imported.structures
        print(
            f"{self.out}: {len(found)} configurations, {sum(s.replicas for s in found)} replicas, "
            f"{len(found[0].times)} lag times"
        )

    def _species(self) -> dict[str, int] | None:
        mapping: dict[str, int] = {}
        for pair in self.species or ():
            label, _, number = pair.rpartition("=")
            if not label or not re.fullmatch("[0-9]", number):
                raise ConfigError(f"--species takes TYPE=N with N from 0, such as 1=0 2=1, got {shown(pair)}")
            if label in mapping:
                raise ConfigError(f"--species names type {shown(label)} twice")
            mapping[label] = int(number)
        return mapping or None
