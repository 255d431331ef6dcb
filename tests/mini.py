"""Small datasets cut from `ka2d-mini`."""

import numpy as np

from gensample.data.store import Contents, Store, StoreWriter


def first_of_ka2d_mini(path, split, times, replicas=0):
    """A writer of the first configurations, one for each word of ``split``; without fields."""
    count = len(split)
    with Store.open("ka2d-mini") as store:
        described = {name: getattr(store, name) for name in ("mixture", "density", "truncation", "species")}
        return StoreWriter.create(
            path,
            Contents(
                **described,
                temperature=0.45,
                source="a test",
                box=store.box[:count],
                split=split,
                positions=store.positions[:count],
                inherent=store.inherent[:count],
                times=np.array(times),
                replicas=np.full(count, replicas),
            ),
        )
