"""`gensample export DATA.h5 --format extxyz|lammps-data|gsd --out FILE`."""

from dataclasses import dataclass

from gensample.ranges import NUMBER
from gensample.settings import option, switch, word


@dataclass(frozen=True)
class Export:
    """Write configurations, or a trajectory of one replica, for other programs."""

    data: str = word("dataset, by file or by the name of an embedded one")
    format: str = option("of the file: extxyz, lammps-data or gsd, or one that you registered")
    out: str = option("file to write")
    configuration: int | None = option(
        "one configuration, from 0; extxyz and gsd take all without it", None, NUMBER, metavar="I"
    )
    inherent: bool = switch("inherent instead of thermal positions")
    replica: int | None = option(
        "displaced positions of this complete replica, from 0", None, NUMBER, metavar="R"
    )
    lag: int | None = option(
        "only this lag of the replica, from 0; all without it, start first", None, NUMBER, metavar="K"
    )

    def run(self) -> None:
        """Write the file and say how many frames it has."""
        from gensample.data.importing.export import frames_of, write_frames
        from gensample.data.store import Store
        from gensample.work import check_output

        with Store.open(self.data) as store:
            check_output(self.out, [store.path])
            chosen = {name: getattr(self, name) for name in ("configuration", "inherent", "replica", "lag")}
            frames = frames_of(store, **chosen)
            write_frames(self.out, self.format, frames, store.species)
        print(f"{self.out}: {len(frames)} frame{'s' if len(frames) > 1 else ''}")
