"""What an HDF5 file must hold to be a dataset; see docs/data-format.md."""

from __future__ import annotations

from pathlib import Path

import h5py

from gensample.errors import DataError

FORMAT = "gensample"
VERSION = 1
SPLITS = ("train", "val", "test")
ATTRIBUTES = ("version", "mixture", "temperature", "density", "truncation", "source")
# Dimensions of each array: configurations C, replicas R, lags K, particles N, space d.
ARRAYS = {
    "positions": "CNd",
    "times": "K",
    "done": "CR",
    "species": "N",
    "box": "Cd",
    "split": "C",
    "replicas": "C",
    "inherent": "CNd",
    "cage": "CNd",
    "cage_spread": "CN",
    "displacements": "CRKNd",
    "propensity": "CKN",
    "bond_breaking": "CKN",
    "source_configuration": "C",
    "log_density": "C",
    "log_density_variance": "C",
}
# Group of published predictions of the propensity, of the shape CKN each, by the name of the model.
PREDICTIONS = "predictions"
# The group of `gensample shear`: besides, steps S and plastic events E.
SHEAR = {
    "direction": "R",
    "strain": "S",
    "stress": "CRS",
    "energy": "CRS",
    "residual": "CRS",
    "first_event": "CRN",
    "event_configuration": "E",
    "event_direction": "E",
    "event_step": "E",
    "event_strain": "E",
    "event_stress_drop": "E",
    "event_energy_drop": "E",
    "event_participation": "E",
    "event_center": "E",
}
# The group of `gensample probe`: averages over its runs, by temperatures Q and times W of their own.
PROBE = ("length", "log_length", "mean_displacement")
REQUIRED = ("positions", "times", "done", "species", "box", "split", "replicas")


def check_layout(file: h5py.File, path: Path) -> None:
    """Format, version, attributes, and shapes that fit each other; values are not read.

    Raises:
        DataError: what is missing or does not fit.
    """
    if file.attrs.get("format") != FORMAT:
        raise DataError(f"{path} is not a gensample dataset; convert it with `gensample import`")
    missing = [name for name in ATTRIBUTES if name not in file.attrs]
    shear = ("shear/direction",) if file.attrs.get("kind") == "shear" else ()
    missing += [name for name in (*REQUIRED, *shear) if not isinstance(file.get(name), h5py.Dataset)]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}; the file is damaged, make it again")
    if file.attrs["version"] > VERSION:
        raise DataError(
            f"{path} has format version {file.attrs['version']}, this gensample reads up to {VERSION}; "
            "upgrade gensample"
        )
    _check_shapes(file, path)


def _check_shapes(file: h5py.File, path: Path) -> None:
    sizes: dict[str, int] = {}
    arrays = {**ARRAYS, **{f"shear/{name}": letters for name, letters in SHEAR.items()}}
    arrays |= {"probe/temperature": "Q", "probe/time": "W"} | {f"probe/{name}": "CNQW" for name in PROBE}
    arrays |= {f"{PREDICTIONS}/{name}": "CKN" for name in file.get(PREDICTIONS, ())}
    for name, letters in arrays.items():
        if name not in file:
            continue
        shape = file[name].shape
        expected = tuple(sizes.get(letter, letter) for letter in letters)
        fits = len(shape) == len(letters) and all(
            sizes.setdefault(letter, size) == size for letter, size in zip(letters, shape, strict=True)
        )
        if not fits:
            wanted = ", ".join(map(str, expected))
            raise DataError(f"{path}: {name} has shape {shape}, expected ({wanted}); make the file again")
