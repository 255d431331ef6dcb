"""BOTAN's public data set: one npz per configuration and lag, with unwrapped replicas.

Lag times: GlassBench, doi 10.5281/zenodo.10118191, KA_results/times_T.dat (the same runs).
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from gensample.data.formats import Format
from gensample.data.importing import npz
from gensample.data.importing.source import (
    Options,
    Source,
    SourceStructure,
    as_floats,
    as_positions,
    as_types,
    lag_times,
    temperature_of,
)
from gensample.errors import DataError

_LAGS = {
    0.44: (0.13, 1.3, 13.0, 130.0, 412.0, 1300.0, 4120.0, 13000.0, 41200.0, 130000.0),
    0.50: (0.108, 0.434, 2.17, 6.86, 21.7, 68.6, 217.0, 686.0, 2170.0, 6860.0),
    0.56: (0.104, 0.33, 0.99, 1.65, 5.2, 16.5, 52.0, 165.0, 520.0, 1650.0),
    0.64: (0.032, 0.1, 0.165, 0.52, 1.65, 5.2, 16.5, 52.0, 165.0, 520.0),
}


def lag_table(temperature: float | None) -> dict[str, float] | None:
    """Published lag times of the codes tc01 to tc10 at a temperature."""
    for known, times in _LAGS.items():
        if temperature is not None and abs(known - temperature) < 1e-6:
            return {f"tc{i:02d}": t for i, t in enumerate(times, 1)}
    return None


def lag_code(path: Path) -> str:
    """The ``tcNN`` at the end of a file name, with or without a suffix; empty when there is none."""
    match = re.search(r"_(tc\d+)(?:_positions)?$", path.stem)
    return match.group(1) if match else ""


def group_by_structure(files: list[Source]) -> dict[str, dict[str, Source]]:
    """Files by structure, then by lag code in ascending order.

    Raises:
        DataError: a lag occurs twice, or the structures have different lags.
    """
    groups: dict[str, dict[str, Source]] = {}
    for source in files:
        path = source.path
        key = str(path.parent / re.sub(r"_tc\d+(_positions)?$", "", path.stem))
        lags = groups.setdefault(key, {})
        if lag_code(path) in lags:
            raise DataError(
                f"{path} and {lags[lag_code(path)]} are the same structure and lag; leave one out"
            )
        lags[lag_code(path)] = source
    every = {code for lags in groups.values() for code in lags}
    for key, lags in groups.items():
        if missing := sorted(every - set(lags)):
            raise DataError(
                f"{key} lacks lag {', '.join(missing)} that others have; add it or import lags apart"
            )
    return groups


def load_displacements(lags: dict[str, Source], initial: np.ndarray, replicas: int) -> np.ndarray:
    """Displacements (R, K, N, d) of the replicas in the files of one structure.

    Raises:
        DataError: the shapes differ, values are not finite, or the lags are of other structures.
    """
    fields = []
    first = next(iter(lags.values()))
    types = as_types(npz.require(first.path, ("types",))["types"], f"{first}: types", len(initial))
    for source in lags.values():
        arrays = npz.require(source.path, ("types", "initial_positions", "positions"))
        start = as_floats(arrays["initial_positions"], f"{source}: initial_positions", initial.shape)
        if not np.allclose(start, initial, atol=1e-6):
            raise DataError(
                f"{source}: initial_positions differ from those of the other lags of this structure"
            )
        if not np.array_equal(as_types(arrays["types"], f"{source}: types", len(initial)), types):
            raise DataError(f"{source}: types differ from those of the other lags of this structure")
        final = as_floats(arrays["positions"], f"{source}: positions", (replicas, *initial.shape))
        fields.append(final - initial)
    return np.stack(fields, axis=1)


def replica_count(lags: dict[str, Source]) -> int:
    """Number of replicas, the same at every lag.

    Raises:
        DataError: it is not, or there is none.
    """
    counts = set()
    for source in lags.values():
        shape = npz.shape(source.path, "positions")
        if len(shape) != 3 or shape[0] == 0:
            raise DataError(f"{source}: positions must have shape (replicas, N, d), got {shape}")
        counts.add(shape[0])
    if len(counts) > 1:
        raise DataError(
            f"{next(iter(lags.values()))}: lags have different numbers of replicas {sorted(counts)}"
        )
    return counts.pop()


def sniff(path: Path, head: bytes) -> bool:
    """An npz with types, initial positions and replicas, and nothing that GlassBench adds."""
    if not npz.is_npz(head):
        return False
    found = npz.keys(path)
    return {"types", "initial_positions", "positions"} <= found and "box" not in found


def read(files: list[Source], options: Options, notes: list[str]) -> list[SourceStructure]:
    """Structures of the BOTAN set; several lags of one structure are joined."""
    notes.append(
        "replica positions come unwrapped: displacements are plain differences from initial_positions"
    )
    return [_structure(lags, options) for lags in group_by_structure(files).values()]


def _structure(lags: dict[str, Source], options: Options) -> SourceStructure:
    source = next(iter(lags.values()))
    arrays = npz.require(source.path, ("types", "initial_positions"))
    positions = as_positions(arrays["initial_positions"], f"{source}: initial_positions")
    replicas = replica_count(lags)
    table = lag_table(temperature_of(source, None, options))
    return SourceStructure(
        name=str(source),
        source=source,
        positions=positions,
        types=as_types(arrays["types"], f"{source}: types", len(positions)),
        times=lag_times(list(lags), options, table, str(source)),
        wrapped=True,
        replicas=replicas,
        load=partial(load_displacements, lags, positions, replicas),
    )


FORMAT = Format("botan", sniff, read, default_mixture=lambda structures: "ka3d-fs")
