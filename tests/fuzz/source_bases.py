"""Valid files of other programs, one folder for each format, and the dataset that an import makes of them."""

import gzip
import pickle
from pathlib import Path

import gsd.hoomd
import numpy as np
from bases import succeed
from liquid import make_liquid, write_botan, write_model_file
from test_formats_deepmind import content
from test_formats_gsd import snapshot
from test_formats_npz import write_glassbench
from test_formats_text import write_dump

from gensample.data.dataset import Dataset
from gensample.data.store import Contents

LAGS = ["--time", "1", "2"]
KA3D = ["--mixture", "ka3d-fs", "--temperature", "0.44"]
# What each import is told; the folder is the source.
WORDS = {
    "dump": [*KA3D, "--timestep", "0.005"],
    "dump.gz": [*KA3D, "--timestep", "0.005"],
    "data": KA3D,
    "extxyz": [*KA3D, *LAGS, "--frames", "trajectory"],
    "frames": [*KA3D, "--frames", "configurations"],
    "botan": [],
    "glassbench": [],
    "averages": ["--mixture", "ka2d-ternary", "--temperature", "0.23"],
    "deepmind": [],
    "gsd": ["--mixture", "ka2d", "--temperature", "0.45", "--timestep", "0.005"],
}


def build(folder: Path) -> None:
    """Sources ``NAME/`` and what becomes of them ``NAME.h5`` in ``folder``."""
    for name, write in WRITERS.items():
        (folder / name).mkdir(parents=True)
        write(folder / name)
    _exports(folder)
    for name, words in WORDS.items():
        succeed("import", str(folder / name), *words, "--out", str(folder / f"{name}.h5"))


def _dumps(folder: Path) -> None:
    for r in range(2):
        write_dump(folder / f"{r}.dump", make_liquid(lags=2, per_edge=5), r)


def _packed_dumps(folder: Path) -> None:
    _dumps(folder)
    for path in list(folder.iterdir()):
        Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def _exports(folder: Path) -> None:
    """What `gensample export` writes of two configurations with two replicas each."""
    path = folder / "exported.h5"
    liquids = [make_liquid(lags=2, per_edge=5, seed=s) for s in range(2)]
    contents = Contents(
        mixture="ka3d-fs",
        temperature=0.44,
        species=np.sort(liquids[0].species),
        box=np.stack([liquid.box for liquid in liquids]),
        split=["train", "test"],
        positions=np.stack([liquid.positions for liquid in liquids]),
        times=[1.0, 2.0],
        replicas=2,
    )
    Dataset.create(contents, np.stack([liquid.without_drift[:2] for liquid in liquids]), path)
    for name in ("data", "extxyz", "frames"):
        (folder / name).mkdir()
    words = ["export", str(path), "--format"]
    one = ["--configuration", "0", "--out"]
    succeed(*words, "lammps-data", *one, str(folder / "data/a.data"))
    succeed(*words, "extxyz", "--out", str(folder / "frames/a.extxyz"))
    for r in range(2):
        succeed(*words, "extxyz", "--replica", str(r), *one, str(folder / f"extxyz/{r}.extxyz"))


def _deepmind(folder: Path) -> None:
    (folder / "a.pickle").write_bytes(pickle.dumps(content(make_liquid(lags=2, per_edge=5)), protocol=3))


def _gsd(folder: Path) -> None:
    liquid = make_liquid("ka2d", per_edge=8, lags=2)
    for r in range(2):
        with gsd.hoomd.open(str(folder / f"{r}.gsd"), "w") as trajectory:
            for step, x in enumerate([liquid.positions, *liquid.final[r]]):
                trajectory.append(snapshot(gsd.hoomd, liquid, x, 200 * step))


def _glassbench(folder: Path) -> None:
    write_glassbench(folder, make_liquid("ka2d-ternary", per_edge=10, lags=2))


WRITERS = {
    "dump": _dumps,
    "dump.gz": _packed_dumps,
    "botan": lambda folder: write_botan(
        folder / "T0.44", make_liquid(lags=2, replicas=2), lags=("tc06", "tc07")
    ),
    "glassbench": _glassbench,
    "averages": lambda folder: write_model_file(folder / "a.npz", make_liquid("ka2d-ternary", per_edge=10)),
    "deepmind": _deepmind,
    "gsd": _gsd,
}
