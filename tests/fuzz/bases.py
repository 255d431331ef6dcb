"""The valid files that cases damage: made once for a run, by the project's own writers."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np

from gensample.cli import main
from gensample.data.catalog import dataset_file
from gensample.data.dataset import Dataset
from gensample.data.store import Contents, StoreWriter
from gensample.physics.mixtures import get_mixture
from gensample.simulate.start import lattice_melt

FOLDER = Path()  # set by whoever runs cases
PACKED = {"compression": "gzip", "shuffle": True}
TIMES, REPLICAS = (1.0, 10.0), 4
BY_REPLICA = ("done", "displacements", "inherent_displacements", "inherent_energies")
# A program that says it is LAMMPS and notes that it was asked to run something.
LAMMPS = """#!/bin/sh
[ "$1" = -h ] && echo "Large-scale Atomic/Molecular Massively Parallel Simulator - 1 Jan 2026" && exit 0
echo "ERROR: it was run" >&2; exit 1
"""


def build(folder: Path) -> None:
    """Make all of them in ``folder``."""
    folder.mkdir(parents=True)
    glass = _glass(folder / "glass.h5")
    liquid(folder / "full.h5", glass)
    succeed("quench", str(folder / "full.h5"), "--engine", "torch")
    _add_extras(folder / "full.h5")
    liquid(folder / "generated.h5", glass, seed=1)
    liquid(folder / "configurations.h5", glass, dynamics=False)
    averages(folder / "averages.h5")
    liquid(folder / "cube.h5", melt("ka3d", 160), mixture="ka3d")
    part(dataset_file("ka2d-mini"), folder / "mini.h5", [0, 80, 90])
    part(dataset_file("ka2d-shear-mini"), folder / "shear.h5", [0, 80, 90])
    _train(folder)
    (folder / "lmp").write_text(LAMMPS)
    (folder / "lmp").chmod(0o755)


def copy(*names: str) -> None:
    """Copies of files or folders in the working directory."""
    for name in names:
        found = FOLDER / name
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        if found.is_dir():
            shutil.copytree(found, name)
        else:
            shutil.copyfile(found, name)
            Path(name).chmod(found.stat().st_mode)


def melt(mixture: str, particles: int):
    """Four jittered lattices (C, N, d), species and box of a mixture."""
    m, rng = get_mixture(mixture), np.random.default_rng(0)
    box = np.full((4, m.dimension), m.edge_length(particles))
    x = np.stack([lattice_melt(particles, box[0], rng) for _ in range(4)])
    return (x + rng.normal(scale=0.03, size=x.shape)) % box[0], m.species(particles).numpy(), box


def _glass(path: Path):
    """As `melt`: vibrations about inherent structures."""
    structure = melt("ka2d", 60)
    liquid(path, structure, dynamics=False)
    succeed("quench", str(path), "--engine", "torch")
    with h5py.File(path) as file:
        inherent = file["inherent"][...]
    path.unlink()
    vibration = np.random.default_rng(1).normal(scale=0.04, size=inherent.shape)
    return (inherent + vibration) % structure[2][0], *structure[1:]


def fields(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Displacements (K, N, d) without drift that grow with the lag."""
    rng = np.random.default_rng(seed)
    u = 0.1 * np.arange(1, shape[0] + 1)[:, None, None] * rng.normal(size=shape)
    return (u - u.mean(axis=1, keepdims=True)).astype(np.float32)


def liquid(path: Path, structure, mixture="ka2d", seed=0, dynamics=True) -> None:
    """Four configurations; with ``seed`` as `gensample sample` writes them, of the same structures."""
    x, species, box = structure
    contents = Contents(
        mixture=mixture,
        temperature=0.45,
        species=species,
        box=box,
        split=["train", "train", "val", "test"],
        positions=x,
        times=TIMES if dynamics else (),
        replicas=REPLICAS if dynamics else 0,
        seed=seed,
    )
    shape = (len(TIMES), *x.shape[1:])
    indices = np.ndindex(4, REPLICAS if dynamics else 0)
    drawn = {(c, r): fields(shape, 100 * seed + 10 * c + r) for c, r in indices}
    more = {"source_configuration": np.arange(4)} if seed else {}
    if not dynamics:
        more |= {"log_density": np.linspace(-90, -80, 4), "log_density_variance": np.full(4, 0.1)}
    Dataset.create(contents, drawn, path, more)


def _add_extras(path: Path) -> None:
    """Cage positions, probe runs, published predictions and evidence of equilibrium."""
    with StoreWriter.resume(path) as writer, h5py.File(path) as file:
        x = file["positions"][...]
        shape = x.shape[:2]
        rng = np.random.default_rng(2)
        attrs = {"start": 1.0, "time": 5.0, "replicas": 8, "snapshots": 10, "seed": 0}
        inherent = file["inherent"][...]
        writer.write_cage(inherent, attrs | {"standard_error": np.full(4, 0.01)}, np.full(shape, 0.02))
        length = 0.1 + rng.random((*shape, 2, 2))
        logarithm = np.log(length) - 0.1
        found = {"length": length, "log_length": logarithm, "mean_displacement": 0.5 * length}
        writer.write_probe(found, [0.45, 0.7], [1.0, 2.0], {"replicas": 4, "seed": 0})
        writer.reserve_inherent_displacements({"minimiser": "a fuzzer's", "tolerance": 1e-4})
        for c, r in np.argwhere(writer.done):
            writer.write_inherent_displacements(
                c, r, 0.5 * file["displacements"][c, r], np.array([-3.0, -3.1])
            )
        published = 0.1 + rng.random((4, len(TIMES), shape[1]))
        writer.write_group("predictions", {"botan": published.astype(np.float32)})
        writer.write_array("equilibration/energy", rng.normal(size=(4, 8)))


def averages(path: Path) -> None:
    """Averages only, as a model file of GlassBench gives them, of a ternary mixture."""
    x, species, box = melt("ka2d-ternary", 86)
    moved = np.sort(np.random.default_rng(3).random((4, 2, 86)), axis=1)
    contents = Contents(
        mixture="ka2d-ternary",
        temperature=0.3,
        species=species,
        box=box,
        split=["train", "train", "val", "test"],
        positions=x,
        times=TIMES,
        propensity=moved,
        bond_breaking=0.5 * moved,
    )
    Dataset.create(contents, path=path)


def part(source: Path, path: Path, rows: list[int]) -> None:
    """A few configurations of a dataset, four replicas each."""
    with h5py.File(source) as old, h5py.File(path, "w", libver=("v108", "v110")) as new:
        count = len(old["split"])
        new.attrs.update({k: v[rows] if np.shape(v) == (count,) else v for k, v in old.attrs.items()})
        events = old["shear/event_configuration"][...] if "shear" in old else np.zeros(0)

        def put(name, item):
            if isinstance(item, h5py.Dataset):
                array = _rows(name, item[...], rows, events, count)
                new.create_dataset(name, data=array, dtype=item.dtype, **(PACKED if array.size else {}))
                attrs = {k: v[rows] if np.shape(v) == (count,) else v for k, v in item.attrs.items()}
                new[name].attrs.update(attrs)

        old.visititems(put)


def _rows(name: str, array: np.ndarray, rows: list[int], events: np.ndarray, count: int) -> np.ndarray:
    if name == "shear/event_configuration":
        return np.searchsorted(rows, array[np.isin(events, rows)])
    if name.startswith("shear/event_"):
        return array[np.isin(events, rows)]
    if name == "replicas":
        return np.minimum(array[rows], REPLICAS)
    if array.shape[:1] != (count,):
        return array
    return array[rows][:, :REPLICAS] if name in BY_REPLICA else array[rows]


def config(dataset: str, outputs: int, edges: bool = True) -> str:
    """A config of `gensample fit` for the smallest network, as json, which is yaml."""
    network = {"dimension": 2, "outputs": outputs, "width": 4, "steps": 1}
    model = {
        "class_path": "gensample.training.dynamics.DynamicsTask",
        "init_args": {"network": {"class_path": "gensample.nn.botan.Botan", "init_args": network}}
        | ({} if edges else {"p": 1.0, "edge_epochs": 0}),
    }
    module = {"class_path": "gensample.data.datamodule.KADataModule"}
    trainer = {"max_epochs": 1, "enable_progress_bar": False, "enable_model_summary": False}
    settings = {
        "model": model,
        "data": module | {"init_args": {"dataset": dataset}},
        "trainer": trainer | {"accelerator": "cpu"},
    }
    return json.dumps(settings)


def _train(folder: Path) -> None:
    """A run of `gensample fit` on ``full.h5``: ``run/checkpoints/last.ckpt``."""
    (folder / "fit.yaml").write_text(config(str(folder / "full.h5"), len(TIMES)))
    succeed("fit", "--config", str(folder / "fit.yaml"), "--out", str(folder / "run"))


def succeed(*words: str) -> None:
    """Run a command that must work."""
    code = main(list(words))
    if code:
        raise RuntimeError(f"{' '.join(words)}: rc {code}")
