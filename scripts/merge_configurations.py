"""One dataset of configurations from several of the same system, in the order given, each in its own split.

python scripts/merge_configurations.py OUT.h5 ka2d-mini runs/ka2d-n500.h5@4:5

A source followed by @FIRST:STEP gives every so many of its configurations only, from the first on.
"""

import json
import sys
from pathlib import Path

import numpy as np

from gensample.data.store import Contents, Store, StoreWriter
from gensample.errors import DataError
from gensample.work import atomic


def merge(target: Path, sources: list[str]) -> None:
    """Write positions, boxes, temperatures and splits; displacements and inherent structures stay behind."""
    stores = [Store.open(source.partition("@")[0]) for source in sources]
    rows = [_rows(source) for source in sources]
    first = stores[0]
    for store in stores[1:]:
        same = (store.mixture, store.truncation) == (first.mixture, first.truncation)
        if not (same and np.array_equal(store.species, first.species)):
            raise DataError(f"{store.path} and {first.path} differ in mixture, truncation or species")
    split = np.concatenate([store.split[of] for store, of in zip(stores, rows, strict=True)])
    with (
        atomic(target) as temporary,
        StoreWriter.create(
            temporary,
            Contents(
                mixture=first.liquid,
                temperature=np.concatenate([s.temperature[of] for s, of in zip(stores, rows, strict=True)]),
                density=first.density,
                truncation=first.truncation,
                source="; ".join(store.source for store in stores),
                species=first.species,
                box=np.concatenate([s.box[of] for s, of in zip(stores, rows, strict=True)]),
                split=list(split),
                positions=np.concatenate([s.positions[of] for s, of in zip(stores, rows, strict=True)]),
                command=f"merge_configurations {' '.join(sources)}",
                extra_attrs={"merged": json.dumps(sources)},
            ),
        ),
    ):
        pass


def _rows(source: str) -> slice:
    chosen = source.partition("@")[2]
    first, _, step = chosen.partition(":")
    return slice(int(first or 0), None, int(step or 1))


if __name__ == "__main__":
    merge(Path(sys.argv[1]), sys.argv[2:])
