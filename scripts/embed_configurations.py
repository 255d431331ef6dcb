"""A small copy of a dataset of configurations, to ship: positions rounded so that they compress.

python scripts/embed_configurations.py runs/ka2d-n500-liquid.h5 gensample/data/embedded/ka2d-liquid.h5
"""

import sys
from pathlib import Path

import h5py
import numpy as np

from gensample.data.store import Contents, Store, StoreWriter
from gensample.work import atomic

# 2.4e-4: moves an energy per particle by about 1e-4.
PRECISION = 2.0**-12


def embed(source: Path, target: Path) -> None:
    """Write the copy; attributes that say how the configurations were made come along."""
    with Store.open(source) as store, h5py.File(source) as file, atomic(target) as temporary:
        box = store.box
        rounded = np.round(store.positions / PRECISION) * PRECISION
        rounded = np.where(rounded >= box[:, None], 0.0, rounded)
        evidence = dict(file["equilibration"].attrs)
        with StoreWriter.create(
            temporary,
            Contents(
                mixture=store.liquid,
                temperature=store.temperature,
                density=store.density,
                truncation=store.truncation,
                source=store.source,
                species=store.species,
                box=box,
                split=list(store.split),
                positions=rounded,
                times=store.times,
                replicas=store.replicas,
                seed=int(store.attrs["seed"]),
                command=str(store.attrs["command"]),
                extra_attrs={"config": store.attrs["config"], "position_precision": PRECISION},
                displacements=False,
            ),
        ) as writer:
            writer.write_array("equilibration/chain", file["equilibration/chain"][...])
        with h5py.File(temporary, "r+") as copy:
            copy["equilibration"].attrs.update(evidence)


if __name__ == "__main__":
    embed(Path(sys.argv[1]), Path(sys.argv[2]))
