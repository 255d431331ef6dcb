"""`gensample import` and `export`: files of other programs become datasets, and datasets such files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from gensample.ranges import NUMBER, POSITIVE, SEED
from gensample.settings import command_line, option, switch, word, words


@dataclass(frozen=True)
class Import:
    """Convert files of other programs to one dataset."""

    sources: tuple[str, ...] = words(
        "files or folders; folders train, val, test, at or below those given, name the split",
        metavar="SOURCE",
    )
    out: str = option("dataset to write")
    format: str = option("of the files, such as botan or extxyz (auto: by their content)", "auto")
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
    split: str = option(
        "of all configurations (auto: as files say)",
        "auto",
        choices=("auto", "train", "val", "test"),
    )
    val_count: int = option("move N random training configurations to val (0)", 0, NUMBER, metavar="N")
    seed: int = option("chooses the validation configurations (0)", 0, SEED)
    frames: str = option(
        "what they are (auto: as files say)",
        "auto",
        choices=("auto", "trajectory", "configurations"),
    )
    unwrapped: bool = switch("positions are unwrapped though the file does not say so")
    bond_breaking: str = option(
        "what bb_prop counts, where the file does not tell (auto, GlassBench)",
        "auto",
        choices=("auto", "kept", "lost"),
    )
    averages: bool = switch("take propensities where a source has both (DeepMind)")

    def run(self) -> None:
        """Read, check and write; say what was done."""
        from gensample.data.importing.convert import import_dataset
        from gensample.data.importing.source import Options, read_species
        from gensample.text import printable

        given = {each.name: getattr(self, each.name) for each in fields(Options) if hasattr(self, each.name)}
        options = Options(**given | {"times": self.time, "species": read_species(self.species)})
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


def _replica(text: str) -> int | str:
    """A number, or the word "all"."""
    return text if text == "all" else int(NUMBER(text))


@dataclass(frozen=True)
class Export:
    """Write configurations, futures, or a trajectory of one replica, for other programs."""

    data: str = word("dataset, by file or by the name of an embedded one")
    format: str = option(
        "of the file: extxyz, lammps-dump, lammps-data or gsd, or one that you registered; of a trajectory "
        "in two dimensions also gif or mp4, movies (mp4 needs ffmpeg)"
    )
    out: str = option("file to write")
    configuration: int | None = option(
        "one configuration, from 0; extxyz and gsd take all without it", None, NUMBER, metavar="I"
    )
    inherent: bool = switch("inherent instead of thermal positions")
    replica: int | str | None = option(
        "displaced positions of this complete replica, from 0; all: a frame of each at one --lag",
        None,
        _replica,
        metavar="R",
    )
    lag: int | None = option(
        "only this lag, from 0; of a replica all without it, start first; of configurations their propensity",
        None,
        NUMBER,
        metavar="K",
    )

    def run(self) -> None:
        """Write the file and say how many frames it has."""
        import numpy as np

        from gensample.data.importing.export import frames_of, steps_of, write_frames
        from gensample.data.store import Store
        from gensample.work import check_output

        with Store.open(self.data) as store:
            check_output(self.out, [store.path])
            chosen = {name: getattr(self, name) for name in ("configuration", "inherent", "replica", "lag")}
            frames = frames_of(store, **chosen)
            if self.format in ("gif", "mp4"):
                from gensample.report.fields import write_movie

                sizes = np.diag(np.asarray(store.liquid.sigma))
                write_movie(self.out, self.format, frames, store.species, sizes)
            else:
                write_frames(self.out, self.format, frames, store.species)
            unit = steps_of(store.times)[1] if len(frames) > 1 and "time" in frames[-1].info else None
        print(f"{self.out}: {len(frames)} frame{'s' if len(frames) > 1 else ''}{_told(frames[0].columns)}")
        if unit is not None and self.format in ("lammps-dump", "gsd"):
            print(f"its steps are of {unit:g}: read it again with `gensample import --timestep {unit!r}`")


def _told(columns: Iterable[str]) -> str:
    names = ", ".join(columns)
    return f" with {names}" if names else ""
