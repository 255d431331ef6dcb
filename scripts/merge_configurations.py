"""One dataset of configurations from several of the same system, in the order given, each in its own split.

python scripts/merge_configurations.py OUT.h5 ka2d-mini runs/ka2d-n500.h5
"""

import json
import sys
from pathlib import Path

import numpy as np

from gensample.data.store import Store, StoreWriter, atomic
from gensample.errors import DataError


def merge(target: Path, sources: list[str]) -> None:
    """Write positions, boxes, temperatures and splits; displacements and inherent structures stay behind."""
    stores = [Store.open(source) for source in sources]
    first = stores[0]
    for store in stores[1:]:
        same = (store.mixture, store.truncation) == (first.mixture, first.truncation)
        if not (same and np.array_equal(store.species, first.species)):
            raise DataError(f"{store.path} and {first.path} differ in mixture, truncation or species")
    count = sum(store.num_configurations for store in stores)
    with (
        atomic(target) as temporary,
        StoreWriter.create(
            temporary,
            mixture=first.mixture,
            temperature=np.concatenate([store.temperature for store in stores]),
            density=first.density,
            truncation=first.truncation,
            source="; ".join(store.source for store in stores),
            species=first.species,
            box=np.concatenate([store.box for store in stores]),
            split=[name for store in stores for name in store.split],
            positions=np.concatenate([store.positions for store in stores]),
            times=np.array([]),
            replicas=np.zeros(count, np.int32),
            command=f"merge_configurations {' '.join(sources)}",
            extra_attrs={"merged": json.dumps(sources)},
            displacements=False,
        ),
    ):
        pass


if __name__ == "__main__":
    merge(Path(sys.argv[1]), sys.argv[2:])
