"""A small dataset of random numbers in the layout of `gensample shear`."""

import h5py
import numpy as np
from synthetic import write_dataset

from gensample.data.layout import SHEAR

DIRECTIONS = {2: ["xy+", "xy-"], 3: ["xy+", "xz-", "yz+", "yz-"]}


def write_shear(path, dimension=2, size=40):
    """Random numbers in the layout of `gensample shear`; the second has no event along the last."""
    names = DIRECTIONS[dimension]
    write_dataset(path, dimension, size, ["train", "train", "test"], replicas=len(names))
    with h5py.File(path, "r+") as file:
        file.attrs["kind"] = "shear"
        file["done"][...] = True
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
        for name in SHEAR:
            if name.startswith("event_"):
                file[f"shear/{name}"] = np.zeros(0)
    return path
