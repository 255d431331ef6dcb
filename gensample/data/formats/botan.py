"""BOTAN's public data set: one npz per configuration and lag, with unwrapped replicas.

GlassBench's trajectory files are the same with a box, a temperature and inherent structures beside. Lag
times: GlassBench, doi 10.5281/zenodo.10118191, KA_results/times_T.dat (the same runs).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from gensample.data.formats import Format
from gensample.data.importing import npz
from gensample.data.importing import text as tables
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

LAGS: dict[float, tuple[float, ...]] = {
    0.44: (0.13, 1.3, 13.0, 130.0, 412.0, 1300.0, 4120.0, 13000.0, 41200.0, 130000.0),
    0.50: (0.108, 0.434, 2.17, 6.86, 21.7, 68.6, 217.0, 686.0, 2170.0, 6860.0),
    0.56: (0.104, 0.33, 0.99, 1.65, 5.2, 16.5, 52.0, 165.0, 520.0, 1650.0),
    0.64: (0.032, 0.1, 0.165, 0.52, 1.65, 5.2, 16.5, 52.0, 165.0, 520.0),
}
# Arrays that are more than the prediction of a model.
USED = {
    *("types", "box", "positions", "initial_positions", "initial_positions_inherent"),
    *("md_prop", "bb_prop", "temperature", "system_id"),
}


class BotanFormat(Format):
    """Structures of trajectory files; several lags of one structure are joined."""

    name = "botan"
    mixtures: Mapping[int, str] = {3: "ka3d-fs"}
    wrapped = True  # as the source has its positions

    def sniff(self, path: Path, head: bytes) -> bool:
        """An npz with types, initial positions and replicas, and nothing that GlassBench adds."""
        found = npz.keys(path) if npz.is_npz(head) else set()
        return {"types", "initial_positions", "positions"} <= found and "box" not in found

    def read(self, files: list[Source], options: Options, notes: list[str]) -> list[SourceStructure]:
        """Structures of a set of trajectory files.

        Raises:
            DataError: arrays are damaged, or lags of one structure do not fit each other.
        """
        notes.append(
            "replica positions come unwrapped: displacements are plain differences from initial_positions"
        )
        groups = _group_by_structure(files)
        if len(next(iter(groups.values()))) > 1:
            notes.append("lags of the same structure joined: replica r is the same trajectory at every lag")
        return [self._joined(lags, options) for lags in groups.values()]

    def _joined(self, lags: dict[str, Source], options: Options) -> SourceStructure:
        first, *others = lags.values()
        structure, _ = self.common(first)
        for other in others:
            _check_same(structure, self.common(other)[0])
        temperature = temperature_of(first, structure.temperature, options)
        table = self.table(list(lags), temperature, structure.positions.shape[1])
        structure.times = lag_times(list(lags), options, table, str(first))
        structure.replicas = _replica_count(lags)
        structure.load = partial(_load_displacements, lags, structure.positions, structure.replicas)
        return structure

    def common(self, source: Source) -> tuple[SourceStructure, dict[str, np.ndarray]]:
        """What a file says of its structure, and its arrays but for the replicas.

        Raises:
            DataError: an array is damaged.
        """
        npz.require(source.path, ("types", "initial_positions"))
        arrays = npz.arrays(source.path, USED - {"positions"})
        positions = as_positions(arrays["initial_positions"], f"{source}: initial_positions")
        inherent = arrays.get("initial_positions_inherent")
        structure = SourceStructure(
            name=str(source),
            source=source,
            positions=positions,
            types=as_types(arrays["types"], f"{source}: types", len(positions)),
            box=_box(arrays, source, positions.shape[1]),
            wrapped=self.wrapped,
            temperature=_temperature(arrays, source),
            inherent=None
            if inherent is None
            else as_floats(inherent, f"{source}: initial_positions_inherent", positions.shape),
        )
        return structure, arrays

    def table(self, codes: list[str], temperature: float | None, dimension: int) -> dict[str, float] | None:
        """Published lag times of ``codes``, tc01 to tc10, at a temperature; None where they are not known."""
        times = at_temperature(LAGS, temperature)
        return {f"tc{i:02d}": t for i, t in enumerate(times, 1)} if times else None


def at_temperature(known: Mapping[float, tuple[float, ...]], temperature: float | None) -> tuple[float, ...]:
    """Lag times at one of the known temperatures; empty at any other."""
    near = [times for at, times in known.items() if temperature is not None and abs(at - temperature) < 1e-6]
    return near[0] if near else ()


def _lag_code(path: Path) -> str:
    """The ``tcNN`` at the end of a file name, with or without a suffix; empty when there is none."""
    match = re.search(r"_(tc\d+)(?:_positions)?$", path.stem)
    return match.group(1) if match else ""


def _group_by_structure(files: list[Source]) -> dict[str, dict[str, Source]]:
    """Files by structure, then by lag code in ascending order.

    Raises:
        DataError: a lag occurs twice, or the structures have different lags.
    """
    groups: dict[str, dict[str, Source]] = {}
    for source in files:
        path = source.path
        key = str(path.parent / re.sub(r"_tc\d+(_positions)?$", "", path.stem))
        lags = groups.setdefault(key, {})
        if _lag_code(path) in lags:
            raise DataError(
                f"{path} and {lags[_lag_code(path)]} are the same structure and lag; leave one out"
            )
        lags[_lag_code(path)] = source
    every = {code for lags in groups.values() for code in lags}
    for key, lags in groups.items():
        if missing := sorted(every - set(lags)):
            raise DataError(
                f"{key} lacks lag {', '.join(missing)} that others have; add it or import lags apart"
            )
    return groups


def _replica_count(lags: dict[str, Source]) -> int:
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


def _box(arrays: dict[str, np.ndarray], source: Source, dimension: int) -> np.ndarray | None:
    if "box" not in arrays:
        return None
    box = as_floats(arrays["box"], f"{source}: box").ravel()
    if box.size not in (1, dimension):
        raise DataError(f"{source}: box must be one edge or {dimension}, got {box.size} numbers")
    return np.broadcast_to(box, dimension).copy()


def _temperature(arrays: dict[str, np.ndarray], source: Source) -> float | None:
    if "temperature" not in arrays:
        return None
    value = arrays["temperature"].ravel()
    if value.size != 1:
        raise DataError(f"{source}: temperature must be one number, got {value.size}")
    if value.dtype.kind == "U":  # the published files spell it
        return float(tables.floats([[str(value[0])]], f"{source}: temperature")[0, 0])
    return float(as_floats(value[0], f"{source}: temperature"))


def _check_same(a: SourceStructure, b: SourceStructure) -> None:
    """Lags of one structure have the same particles, box, temperature and inherent structure."""
    same = a.positions.shape == b.positions.shape and np.array_equal(a.types, b.types)
    wrong = [] if same else ["number of particles or types"]
    for quantity in ("positions", "box", "temperature", "inherent") if same else ():
        ours, theirs = getattr(a, quantity), getattr(b, quantity)
        if (ours is None) != (theirs is None) or (
            ours is not None and not np.allclose(ours, theirs, atol=1e-6)
        ):
            wrong.append(quantity)
    if wrong:
        raise DataError(f"{b.name}: its {wrong[0]} differs from that of {a.name}, the same structure")


def _load_displacements(lags: dict[str, Source], initial: np.ndarray, replicas: int) -> np.ndarray:
    """Displacements (R, K, N, d) of the replicas in the files of one structure.

    Raises:
        DataError: the shapes differ, or values are not finite.
    """
    fields = []
    for source in lags.values():
        final = npz.require(source.path, ("positions",))["positions"]
        fields.append(as_floats(final, f"{source}: positions", (replicas, *initial.shape)) - initial)
    return np.stack(fields, axis=1)


FORMAT = BotanFormat()
