"""What data are, whatever file they lie in: digests of their content."""

from __future__ import annotations

import hashlib

import numpy as np

from gensample.data.store import PROBE, Store


def digest(text: str, *arrays: np.ndarray | None) -> str:
    """Digest of a text and arrays, some of which may be absent."""
    found = hashlib.sha256(text.encode())
    for array in arrays:
        found.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def digest_structures(dataset: str, split: str) -> str:
    """Digest of all that a dataset says of the configurations of a split, but for their dynamics.

    Raises:
        DataError: no dataset, or no such split.
    """
    with Store.open(dataset) as store:
        rows, probe = store.indices(split), store.probe or {}
        known = [store.box, store.temperature, store.positions, store.inherent, store.cage, store.cage_spread]
        known += [probe[name] for name in PROBE if name in probe]
        stated = f"{store.mixture},{store.truncation},{store.density},{store.probe_levels}"
        return digest(stated, rows, store.species, *(None if x is None else x[rows] for x in known))
