"""GlassBench npz: trajectory files (replicas at one lag each) and model files (averages only).

Source: doi 10.5281/zenodo.10118191. Trajectory files hold ``positions`` (R, N, d), ``initial_positions``,
``initial_positions_inherent``, ``box`` and ``types`` from 1; model files hold ``md_prop`` and ``bb_prop``
(K, N) instead of replicas, with the lag times of the folder ``*_results/times_T.dat``, and the predictions of
published models under their own keys.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from gensample.data.formats import botan, npz
from gensample.data.formats.base import (
    Format,
    Options,
    Structure,
    as_floats,
    as_positions,
    as_types,
    known_temperature,
    lag_times,
    natural_order,
    split_of,
    temperature_of,
)
from gensample.errors import DataError

_LAGS_2D = {
    0.23: (0.1, 1.1, 11.64, 122.47, 1288.41, 13554.0, 142587.0, 1.5e6),
    0.30: (0.11, 1.25, 14.14, 158.74, 1781.79, 20000.0),
}
_USED = {
    "types",
    "box",
    "positions",
    "initial_positions",
    "initial_positions_inherent",
    "md_prop",
    "bb_prop",
    "temperature",
    "system_id",
}


def sniff(path: Path, head: bytes) -> bool:
    """An npz with initial positions and what only GlassBench adds: a box, or propensities."""
    if not npz.is_npz(head):
        return False
    found = npz.keys(path)
    return {"types", "initial_positions"} <= found and bool(found & {"box", "md_prop"})


def read(files: list[Path], options: Options, notes: list[str]) -> list[Structure]:
    """Structures of a set of trajectory files or of model files.

    Raises:
        DataError: both kinds come together, or as for the parts.
    """
    averages = [path for path in files if "md_prop" in npz.keys(path)]
    if averages and len(averages) < len(files):
        raise DataError("model files (averages) and trajectory files came together; import them apart")
    if averages:
        return _read_models(files, options, notes)
    notes.append(
        "replica positions come unwrapped: displacements are plain differences from initial_positions"
    )
    groups = botan.group_by_structure(files)
    if len(next(iter(groups.values()))) > 1:
        notes.append("lags of the same structure joined: replica r is the same trajectory at every lag")
    return [_trajectories(lags, options) for lags in groups.values()]


def _common(path: Path, options: Options) -> tuple[Structure, dict[str, np.ndarray]]:
    arrays = npz.load(path, _USED - {"positions"})
    for name in ("types", "initial_positions"):
        if name not in arrays:
            raise DataError(f"{path} lacks {name}")
    positions = as_positions(arrays["initial_positions"], f"{path}: initial_positions")
    structure = Structure(
        name=str(path),
        positions=positions,
        types=as_types(arrays["types"], f"{path}: types", len(positions)),
        box=_box(arrays, path, positions.shape[1]),
        split=split_of(path),
        temperature=known_temperature(_temperature(arrays, path), options),
        inherent=_inherent(arrays, path, positions),
    )
    return structure, arrays


def _box(arrays: dict[str, np.ndarray], path: Path, dimension: int) -> np.ndarray | None:
    if "box" not in arrays:
        return None
    box = as_floats(arrays["box"], f"{path}: box").ravel()
    if box.size not in (1, dimension):
        raise DataError(f"{path}: box must be one edge or {dimension}, got {box.size} numbers")
    return np.broadcast_to(box, dimension).copy()


def _temperature(arrays: dict[str, np.ndarray], path: Path) -> float | None:
    if "temperature" in arrays:
        try:
            return float(arrays["temperature"])
        except (TypeError, ValueError):
            raise DataError(f"{path}: temperature must be one number") from None
    return temperature_of(path)


def _inherent(arrays: dict[str, np.ndarray], path: Path, positions: np.ndarray) -> np.ndarray | None:
    if "initial_positions_inherent" not in arrays:
        return None
    return as_floats(
        arrays["initial_positions_inherent"], f"{path}: initial_positions_inherent", positions.shape
    )


def _trajectories(lags: dict[str, Path], options: Options) -> Structure:
    path = next(iter(lags.values()))
    structure, _ = _common(path, options)
    table = _table(list(lags), structure.temperature, structure.positions.shape[1])
    structure.times = lag_times(list(lags), options, table, str(path))
    structure.replicas = botan.replica_count(lags)
    structure.load = partial(botan.load_displacements, lags, structure.positions, structure.replicas)
    return structure


def _table(codes: list[str], temperature: float | None, dimension: int) -> dict[str, float] | None:
    if dimension == 3:
        return botan.lag_table(temperature)
    times = _published(temperature)
    if times == _LAGS_2D[0.23]:
        return {f"tc{5 * i:02d}": t for i, t in enumerate(times, 1)}
    # The codes at T = 0.30 are not documented where we could read them: map them only when all are there.
    return dict(zip(codes, times, strict=True)) if len(codes) == len(times) else None


def _published(temperature: float | None) -> tuple[float, ...]:
    near = [
        times
        for known, times in _LAGS_2D.items()
        if temperature is not None and abs(known - temperature) < 1e-6
    ]
    return near[0] if near else ()


def _read_models(files: list[Path], options: Options, notes: list[str]) -> list[Structure]:
    structures = [_averages(path, options) for path in sorted(files, key=natural_order)]
    notes.append("model files hold averages only: stored as propensity, without displacements")
    taken = sorted(set.intersection(*(set(s.predictions) for s in structures)))
    if taken:
        notes.append(f"taken as published predictions, an array for each lag time: {', '.join(taken)}")
    left_out = sorted(set().union(*(npz.keys(path) for path in files)) - _USED - set(taken))
    if left_out:
        notes.append(f"left out: {', '.join(left_out)}")
    if any(s.bond_breaking is not None for s in structures):
        notes.append(_turn_bond_breaking(structures))
    return structures


def _averages(path: Path, options: Options) -> Structure:
    structure, arrays = _common(path, options)
    particles, dimension = structure.positions.shape
    propensity = as_floats(np.atleast_2d(arrays["md_prop"]), f"{path}: md_prop", (None, particles))
    if (propensity < 0).any():
        raise DataError(f"{path}: md_prop holds negative mean displacements")
    structure.propensity = propensity
    if "bb_prop" in arrays:
        structure.bond_breaking = as_floats(
            np.atleast_2d(arrays["bb_prop"]), f"{path}: bb_prop", propensity.shape
        )
    structure.predictions = _predictions(path, propensity.shape)
    codes = [f"lag {i}" for i in range(1, len(propensity) + 1)]
    structure.times = lag_times(
        codes, options, _model_table(codes, structure.temperature, dimension), str(path)
    )
    return structure


def _predictions(path: Path, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Further arrays of numbers with a value for each lag time and particle, NaN allowed, by their keys."""
    wanted = [name for name in npz.keys(path) if name not in _USED and npz.shape(path, name) == shape]
    arrays = npz.load(path, wanted)
    return {name: a.astype(np.float64) for name, a in arrays.items() if np.issubdtype(a.dtype, np.number)}


def _model_table(codes: list[str], temperature: float | None, dimension: int) -> dict[str, float] | None:
    known = botan.lag_table(temperature) or {}
    times = tuple(known.values()) if dimension == 3 else _published(temperature)
    return dict(zip(codes, times, strict=True)) if len(times) == len(codes) else None


def _turn_bond_breaking(structures: list[Structure]) -> str:
    """Store the fraction of neighbours lost: a value that falls as particles move counts those kept."""
    given = [s for s in structures if s.bond_breaking is not None and s.propensity is not None]
    moved = np.concatenate([s.propensity.ravel() for s in given if s.propensity is not None])
    value = np.concatenate([s.bond_breaking.ravel() for s in given if s.bond_breaking is not None])
    if not np.corrcoef(moved, value)[0, 1] < 0:
        return "bb_prop grows with md_prop: taken as the fraction of neighbours lost"
    for structure in given:
        structure.bond_breaking = 1.0 - np.asarray(structure.bond_breaking)
    return "bb_prop falls with md_prop, so it counts neighbours kept: stored 1 - bb_prop, the fraction lost"


def default_mixture(structures: list[Structure]) -> str:
    """KA2D is the ternary mixture, KA the force-shifted Kob-Andersen mixture of BOTAN."""
    return "ka2d-ternary" if structures[0].positions.shape[1] == 2 else "ka3d-fs"


FORMAT = Format("glassbench", sniff, read, default_mixture)
