"""SHA-256 of what a simulated dataset holds, whatever the date and place it was written at.

    python experiments/012-benchmark/checksum.py runs/ka3d-fs-t050.h5 ...

The digests of the datasets of this experiment are in data.sha256; the same configs, seeds and LAMMPS give
them again on a machine of the same kind (LAMMPS is not bitwise reproducible across processors).
"""

import hashlib
import sys

import numpy as np

from gensample.data.store import Store


def digest(path: str) -> str:
    """Over species, boxes, positions, inherent structures, lag times and all displacements."""
    found = hashlib.sha256()
    with Store.open(path) as store:
        arrays = [store.species, store.box, store.positions, store.inherent, store.times, store.done]
        arrays += [store.displacements(c) for c in range(store.num_configurations)]
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(f"{digest(name)}  {name}")
