"""Files as people have them: one configuration of ka2d-mini and its first replicas, in several formats."""

import dataclasses
from functools import cache

import numpy as np

from gensample.cli import main
from gensample.data.catalog import dataset_file
from gensample.data.store import Store

STATE = ("--mixture", "ka2d", "--temperature", "0.45", "--timestep", "0.001")


def imported(capsys, out, *words):
    """What an import that works says."""
    code = main(["import", *map(str, words), "--out", str(out)])
    said = capsys.readouterr()
    assert code == 0, said.err
    return said.out


def refused(capsys, out, *words, match=""):
    """The line with which an import is refused; nothing is left behind."""
    code = main(["import", *map(str, words), "--out", str(out)])
    err = capsys.readouterr().err
    assert code == 2, err
    assert match in err
    assert len(err.strip().splitlines()) == 1
    assert list(out.parent.iterdir()) == []
    return err


@dataclasses.dataclass
class Case:
    """positions: (N, d), species: (N,), box: (d,), times: (K,), displacements: (R, K, N, d)."""

    positions: np.ndarray
    species: np.ndarray
    box: np.ndarray
    times: np.ndarray
    displacements: np.ndarray

    @property
    def ids(self):
        return np.arange(1, len(self.species) + 1)

    def frames(self, replica=0):
        """Unwrapped positions (1 + K, N, d), the start first."""
        return np.stack([self.positions, *(self.positions + self.displacements[replica])])


@cache
def _mini():
    with Store.open(dataset_file("ka2d-mini")) as store:
        lags = np.searchsorted(store.times, [1.0, 10.0, 100.0])
        u = store.displacements(0)[:3, lags].astype(np.float64)
        return store.positions[0], np.asarray(store.species), store.box[0], store.times[lags], u


def mini():
    """A copy of the first configuration of ka2d-mini and three of its replicas at lags 1, 10, 100."""
    return Case(*(np.array(array) for array in _mini()))


def write_dump(path, case, frames=None, *, ids=None, types=None, columns="xu yu zu", digits=".10g", items=""):
    """A dump of frames (F, N, d) at the steps of their lags; ``ids``: (N,) or one array a frame."""
    frames = case.frames() if frames is None else frames
    steps = [0, *(1000 * case.times)]
    lines = []
    for number, x in enumerate(frames):
        own = case.ids if ids is None else np.broadcast_to(ids, (len(frames), len(x)))[number]
        kinds = case.species + 1 if types is None else np.broadcast_to(types, (len(frames), len(x)))[number]
        lines += [
            "ITEM: TIMESTEP",
            f"{steps[number]:.0f}",
            *items.splitlines(),
            "ITEM: NUMBER OF ATOMS",
            str(len(x)),
        ]
        lines += ["ITEM: BOX BOUNDS pp pp pp", *(f"0.0 {edge:.15g}" for edge in case.box), "-0.5 0.5"]
        lines.append(f"ITEM: ATOMS id type {columns}")
        rows = (" ".join(format(v, digits) for v in row) for row in x)
        lines += [f"{i} {t} {row} 0" for i, t, row in zip(own, kinds, rows, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def extxyz_frame(case, x, height=1.0, info="", digits=".10f", names="AB"):
    """One frame with positions (N, 2)."""
    lattice = f"{case.box[0]:.15g} 0 0 0 {case.box[1]:.15g} 0 0 0 {height}"
    comment = f'Lattice="{lattice}" Properties=species:S:1:pos:R:3 pbc="T T F" {info}'.strip()
    rows = (f"{names[s]} {a:{digits}} {b:{digits}} 0.0" for s, (a, b) in zip(case.species, x, strict=True))
    return "\n".join([str(len(x)), comment, *rows]) + "\n"


def write_extxyz(path, case, replica=0, height=1.0):
    """A trajectory whose frames say their times."""
    times = [0.0, *case.times]
    path.write_text(
        "".join(
            extxyz_frame(case, x, height, f"unwrapped=T time={t:g}")
            for x, t in zip(case.frames(replica), times, strict=True)
        )
    )
    return path


def data_file(case, title="LAMMPS data file", count=None, style="Atoms # atomic", labels="", kinds="12"):
    """Text of a LAMMPS data file; ``kinds``: how the atoms name the types."""
    count = len(case.species) if count is None else count
    edges = [f"0.0 {edge:.15g} {axis}lo {axis}hi" for edge, axis in zip(case.box, "xy", strict=True)]
    header = [title, "", f"{count} atoms", "2 atom types", "", *edges, "-0.5 0.5 zlo zhi", ""]
    rows = [
        f"{i} {kinds[s]} {a:.12g} {b:.12g} 0.0"
        for i, s, (a, b) in zip(case.ids, case.species, case.positions, strict=True)
    ]
    masses = ["Masses", "", f"{kinds[0]} 1.0", f"{kinds[1]} 1.0", ""]
    return "\n".join([*header, *labels.splitlines(), *masses, style, "", *rows]) + "\n"


def model_file(path, moved=0.1, fraction=1.0, lags=1, **more):
    """A GlassBench model file of the ternary mixture on a lattice; every value of a column alike."""
    from liquid import make_liquid

    liquid = make_liquid("ka2d-ternary", per_edge=10)
    values = np.ones((lags, len(liquid.species)))
    columns = {"md_prop": moved * values, "bb_prop": fraction * values, "box": liquid.box, **more}
    np.savez(path, types=liquid.species + 1, initial_positions=liquid.positions, **columns)
    return path
