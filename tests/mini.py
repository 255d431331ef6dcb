"""Small datasets cut from `ka2d-mini`."""

import numpy as np

from gensample.data.store import Contents, Store, StoreWriter


def first_of_ka2d_mini(path, split, times=(), replicas=0, inherent=True, **changes):
    """A writer of the first configurations, one for each word of ``split``; without fields."""
    rows = np.arange(len(split))
    with Store.open("ka2d-mini") as store:
        quenched = store.inherent[rows] if inherent else None
        how = {"split": split, "times": times, "replicas": replicas, "inherent": quenched, **changes}
        return StoreWriter.create(path, Contents.of(store, rows, **how))
