"""A small dataset of random numbers in the layout of `gensample shear`."""

import h5py
import numpy as np
from synthetic import write_dataset

STRAINS = (0.01, 0.05, 0.1)
DIRECTIONS = {2: ["xy+", "xy-"], 3: ["xy+", "xz-", "yz+", "yz-"]}


def write_shear(path, dimension=2, size=40):
    """Random numbers in the layout of `gensample shear`; the second has no event along the last."""
    names = DIRECTIONS[dimension]
    write_dataset(path, dimension, size, ["train", "train", "test"], replicas=len(names))
    with h5py.File(path, "r+") as file:
        file.attrs["kind"] = "shear"
        file["done"][...] = True
        file["times"][...] = STRAINS
        rng = np.random.default_rng(5)
        fields = rng.normal(0, 0.1, file["displacements"].shape)
        file["displacements"][...] = fields - fields.mean(3, keepdims=True)
        file["shear/direction"] = np.array(names, "S3")
        events = rng.uniform(1e-4, 1.0, (3, len(names), size)).astype(np.float32)
        events[1, -1] = np.nan
        file["shear/first_event"] = events
        file["shear/strain"] = np.linspace(0, 0.1, 11)
        for name in ("stress", "energy", "residual"):
            file[f"shear/{name}"] = rng.normal(size=(3, len(names), 11))
        rows = [(c, r) for c in range(3) for r in range(len(names)) if (c, r) != (1, len(names) - 1)]
        for name, column in zip(("configuration", "direction"), np.array(rows, np.int32).T, strict=True):
            file[f"shear/event_{name}"] = column
        for name in ("step", "center"):
            file[f"shear/event_{name}"] = np.ones(len(rows), np.int32)
        for name in ("strain", "stress_drop", "energy_drop", "participation"):
            file[f"shear/event_{name}"] = np.full(len(rows), 0.01)
    return path
