"""A dataset as a file of its own: all of another, or some of its configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from gensample.data.schema import ATTRIBUTES, array_of
from gensample.data.store import Store
from gensample.data.writer import LIBVER
from gensample.errors import DataError
from gensample.work import atomic


def write_excerpt(store: Store, rows: np.ndarray, path: str | Path) -> None:
    """Write the configurations ``rows`` of a store, with all that is known of them, one at a time.

    Raises:
        ConfigError: the file cannot be made, or is there already.
        DataError: some of sheared glasses, whose events are counted over all of them.
    """
    if store.is_sheared and not np.array_equal(rows, np.arange(store.num_configurations)):
        raise DataError(f"{store.path} holds sheared glasses, whose events belong together: save all of them")
    source = store.place if isinstance(store.place, h5py.File) else h5py.File(store.place, "r")
    inputs = [] if source is store.place else [store.path]
    with atomic(path, inputs) as temporary, h5py.File(temporary, "w", libver=LIBVER) as target:
        _copy_attributes("/", source, target, rows)
        source.visititems(lambda name, item: _copy(name, item, target, rows))
    if source is not store.place:
        source.close()


def _copy(name: str, item: Any, target: h5py.File, rows: np.ndarray) -> None:
    if isinstance(item, h5py.Group):
        made: Any = target.create_group(name)
    else:
        made = _copy_array(name, item, target, rows)
    _copy_attributes(name, item, made, rows)


def _copy_array(name: str, item: h5py.Dataset, target: h5py.File, rows: np.ndarray) -> h5py.Dataset:
    known = array_of(name)
    each = known is not None and known.letters.startswith("C")
    shape = (len(rows), *item.shape[1:]) if each else item.shape
    layout: dict[str, Any] = {}
    if item.chunks and 0 not in shape:
        packed = ("compression", "compression_opts", "shuffle")
        layout = {key: getattr(item, key) for key in packed} | {"chunks": tuple(map(min, item.chunks, shape))}
    made = target.create_dataset(name, shape, item.dtype, **layout)
    if not each:
        made[...] = item[...]
        return made
    for i, row in enumerate(rows):
        made[i] = item[int(row)]
    return made


def _copy_attributes(name: str, source: Any, target: Any, rows: np.ndarray) -> None:
    kinds = ATTRIBUTES.get(name, {})
    for key, value in source.attrs.items():
        each = kinds.get(key, ("", ""))[1].startswith("C") and np.ndim(value)
        target.attrs[key] = value[rows] if each else value
