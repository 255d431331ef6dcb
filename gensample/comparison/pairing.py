"""Which configuration and lag of the files belong together, what is there twice, and where it comes from."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

import gensample
from gensample.data.dataset import Dataset
from gensample.data.store import Store
from gensample.errors import ConfigError, DataError
from gensample.stats.dynamics import Floats

Pair = tuple[int, int]


def pair_configurations(sim: Store, gen: Store) -> list[Pair]:
    """Pairs (configuration of ``sim``, of ``gen``) that are the same structure, in order of ``sim``.

    Both files must say the same of mixture, truncation and density, and of each pair's temperature and box.

    ``gen`` says itself which ones it was drawn for (dataset ``source_configuration``), and the positions
    must agree; without it, equal positions decide.

    Raises:
        DataError: the systems differ, or a generated configuration is not in ``sim``, or is there twice.
    """
    _check_system(sim, gen)
    if sim.species.shape != gen.species.shape or not np.array_equal(sim.species, gen.species):
        raise DataError(
            f"{gen.path} has {composition(gen)} particles and {sim.path} has {composition(sim)}, "
            "or another order of them; compare ensembles drawn for the same configurations"
        )
    stated = gen.source_configuration
    box, ours, theirs = sim.box, sim.positions, gen.positions
    found = []
    for j in range(gen.num_configurations):
        candidates = range(sim.num_configurations) if stated is None else [int(stated[j])]
        match = [
            i for i in candidates if 0 <= i < len(ours) and _same(ours[i], theirs[j], box[i], gen.box[j])
        ]
        if not match:
            where = "any configuration" if stated is None else f"configuration {int(stated[j])}"
            raise DataError(
                f"configuration {j} of {gen.path} is not {where} of {sim.path}; "
                "give the dataset that it was sampled from"
            )
        found.append((match[0], j))
    _check_pairs(sim, gen, sorted(found))
    return sorted(found)


def _check_system(sim: Store, gen: Store) -> None:
    """DataError where the two files are not of one mixture, truncation, dimension and density."""
    for name in ("mixture", "truncation", "dimension", "density"):
        ours, theirs = getattr(sim, name), getattr(gen, name)
        if ours != theirs and not (name == "density" and np.isclose(ours, theirs, rtol=1e-4)):
            raise DataError(
                f"{sim.path} has {name} {ours}, {gen.path} has {theirs}; compare files of one system"
            )


def _check_pairs(sim: Store, gen: Store, pairs: list[tuple[int, int]]) -> None:
    """DataError where a pair has two temperatures, or a configuration of ``sim`` two partners."""
    ours, theirs = sim.temperature, gen.temperature
    for (i, j), (before, other) in zip(pairs, [(-1, -1), *pairs], strict=False):
        if i == before:
            raise DataError(
                f"configurations {other} and {j} of {gen.path} are both configuration {i} of {sim.path}: "
                "they are no independent evidence; put their replicas into one"
            )
        if not np.isclose(ours[i], theirs[j], rtol=1e-4):
            raise DataError(
                f"configuration {i} of {sim.path} has T = {ours[i]:g}, its partner {j} of {gen.path} has "
                f"{theirs[j]:g}; compare files of one temperature"
            )


def composition(store: Store) -> str:
    """Number of particles of each species, such as 325 A + 175 B."""
    counts = np.bincount(store.species)
    return " + ".join(f"{n} {'ABCDEFGH'[s]}" for s, n in enumerate(counts))


def _same(
    x: np.ndarray, y: np.ndarray, box_x: np.ndarray, box_y: np.ndarray, tolerance: float = 1e-4
) -> bool:
    """Whether two configurations agree up to periodic images; the first particles decide most cases."""
    if not np.allclose(box_x, box_y, rtol=1e-6):
        return False
    for part in (slice(0, 4), slice(None)):
        gap = x[part] - y[part]
        if np.abs(gap - box_x * np.round(gap / box_x)).max() > tolerance:
            return False
    return True


def choose_pairs(sim: Dataset, gen: Dataset, temperature: float | None = None) -> list[Pair]:
    """Pairs of rows that are the same structure, all at one temperature: the only one, or the one wanted.

    Raises:
        DataError: the files do not match, or share none of these configurations.
        ConfigError: the pairs do not have one temperature, or none the wanted one.
    """
    ours, theirs = set(sim.rows.tolist()), set(gen.rows.tolist())
    pairs = [(i, j) for i, j in pair_configurations(sim.store, gen.store) if i in ours and j in theirs]
    if not pairs:
        splits = " and ".join(sim.splits)
        raise DataError(
            f"{gen.store.path} has no configuration of the split {splits} of {sim.store.path}; use another "
            "--split"
        )
    temperatures = sim.store.temperature
    if temperature is not None:
        pairs = [(i, j) for i, j in pairs if np.isclose(temperatures[i], temperature)]
    found = sorted({float(temperatures[i]) for i, _ in pairs})
    if not found:
        raise ConfigError(
            f"no configuration at T = {temperature:g}; there is {sorted({*map(float, temperatures)})}"
        )
    if len(found) > 1:
        raise ConfigError(f"the configurations have temperatures {found}; choose one with --temperature")
    return pairs


def common_temperatures(
    sim: Dataset, gen: Dataset, wanted: float | None = None
) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """(T, rows of ``sim``, rows of ``gen``) at each common temperature, or at ``wanted`` alone.

    Raises:
        DataError: the files hold other mixtures, or share no temperature.
        ConfigError: ``wanted`` is not in both.
    """
    _check_system(sim.store, gen.store)
    levels = np.unique(sim.temperature.round(9))
    groups = [
        (float(t), *(data.rows[np.isclose(data.temperature, t)] for data in (sim, gen))) for t in levels
    ]
    found = [g for g in groups if len(g[2]) and (wanted is None or np.isclose(g[0], wanted))]
    if not found:
        there = np.unique(gen.temperature).tolist()
        names = f"{sim.store.path} has {levels.tolist()}, {gen.store.path} has {there}"
        if wanted is not None:
            raise ConfigError(f"T = {wanted:g} is not in both files: {names}")
        raise DataError(f"no temperature in common: {names}; generate at one of the simulation")
    return found


def common_lags(sim: Store, gen: Store, wanted: Sequence[float] | None = None) -> list[Pair]:
    """Pairs of lag indices (in ``sim``, in ``gen``) of equal lag times, all or the wanted ones.

    Raises:
        ConfigError: a wanted lag time is missing, or there is none in common.
    """
    ours, theirs = sim.times, gen.times
    pairs = [(a, b) for a, t in enumerate(ours) for b, s in enumerate(theirs) if np.isclose(t, s, rtol=1e-4)]
    names = f"{sim.path} has {ours.tolist()}, {gen.path} has {theirs.tolist()}"
    if wanted is not None:
        missing = [t for t in wanted if not any(np.isclose(ours[a], t, rtol=1e-4) for a, _ in pairs)]
        if missing:
            raise ConfigError(f"lag times {missing} are not in both files: {names}")
        pairs = [(a, b) for a, b in pairs if any(np.isclose(ours[a], t, rtol=1e-4) for t in wanted)]
    if not pairs:
        raise ConfigError(f"no lag time in common: {names}")
    return pairs


def rows_beside(sim: Dataset, other: Dataset, pairs: Sequence[Pair]) -> list[int]:
    """The rows of ``other`` that are those of ``sim`` in ``pairs``.

    Raises:
        DataError: it lacks one.
    """
    found = dict(pair_configurations(sim.store, other.store))
    for i, _ in pairs:
        if i not in found:
            raise DataError(
                f"{other.store.path} has no fields of configuration {i} of {sim.store.path}; draw them too"
            )
    return [found[i] for i, _ in pairs]


def lags_of_all(sim: Dataset, others: Sequence[Dataset], wanted: Sequence[float] | None) -> list[list[int]]:
    """Lag indices of ``sim`` and of every other, of the lag times that all have or that are wanted.

    Raises:
        ConfigError: a wanted lag time is missing somewhere, or there is none in common.
    """
    tables = [dict(common_lags(sim.store, other.store, wanted)) for other in others]
    common = [a for a in tables[0] if all(a in table for table in tables)]
    if not common:
        raise ConfigError("no lag time is in all files; compare fewer of them at once")
    return [common, *([table[a] for a in common] for table in tables)]


# Attributes that the layout itself or other entries already tell.
_TOLD = {"format", "version", "mixture", "mixture_values", "temperature", "density", "units", "truncation"}
_TOLD |= {"data", "split"}
_LONGEST = 160  # characters of an attribute that still reads as a fact; `gensample info` shows the rest


def describe_files(
    sim: Dataset, gen: Dataset, further: Mapping[str, Dataset] | None = None
) -> dict[str, Any]:
    """Entries of ``meta`` about the paired configurations, both files, and ``further`` ones by name."""
    others = further or {}
    meta = _both(sim, gen)
    meta["simulated"]["temperature"] = float(sim.temperature[0])
    sources = {"simulated": sim, "generated": gen, **others}
    meta["core_seconds"] = {name: core_seconds(data.store) for name, data in sources.items()}
    meta["further"] = {name: facts(data) for name, data in others.items()}
    return {"configurations": len(sim), **meta}


def core_seconds(store: Store) -> float | None:
    """Core-seconds of one replica or draw, all its lags together; None where the file does not say."""
    each, everything = (store.attrs.get(name) for name in ("core_seconds_per_replica", "core_seconds"))
    if each is None and everything is not None:
        each = everything / max(int(store.done.sum()), 1)
    return None if each is None else float(each)


def describe_sets(sim: Dataset, gen: Dataset) -> dict[str, Any]:
    """Entries of ``meta`` about two sets of configurations: nothing is paired, and N may differ."""
    meta = _both(sim, gen)
    meta["generated"]["particles"] = f"{gen.store.num_particles} ({composition(gen.store)})"
    for side in (meta["simulated"], meta["generated"]):
        side.pop("replicas")
    return meta


def _both(sim: Dataset, gen: Dataset) -> dict[str, Any]:
    made, store = facts(gen), sim.store
    return {
        "split": ", ".join(sorted(sim.splits)),
        "gensample": gensample.__version__,
        "created": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "simulated": {
            **facts(sim),
            "name": store.path.stem,
            "mixture": sim.mixture,
            "particles": f"{store.num_particles} ({composition(store)})",
            "density": store.density,
            "truncation": store.truncation,
        },
        "generated": {"name": _model_name(made.get("model"), gen.store.path), **made},
    }


def _model_name(model: str | None, path: Path) -> str:
    """The model as it was named, or the end of its path."""
    return path.stem if model is None else "/".join(Path(model).parts[-3:])


def facts(data: Dataset) -> dict[str, Any]:
    """File, complete replicas, and every short attribute: seeds, solver, function evaluations, versions."""
    store, counts = data.store, data.replicas
    low, high = int(counts.min()), int(counts.max())
    found: dict[str, Any] = {"file": str(store.path), "replicas": low if low == high else f"{low} to {high}"}
    for name, value in store.attrs.items():
        if name in _TOLD:
            continue
        decoded = _decoded(value)
        entries = decoded if isinstance(decoded, dict) and name != "software" else {name: decoded}
        for key, entry in entries.items():
            if key not in _TOLD and _is_fact(entry):
                found.setdefault(key, entry)
    return found


def _decoded(value: Any) -> Any:
    """Attributes that are JSON objects, such as the request of a sample, as dictionaries."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _is_fact(value: Any) -> bool:
    return not isinstance(value, np.ndarray) and value not in ("", -1, None) and len(str(value)) <= _LONGEST


FIELD_TOLERANCE = 2.0**-10
"""Displacements may be stored on a grid of this width, so that a copy differs by as much."""
POSITION_TOLERANCE = 1e-4
_FIRST = 8
"""Particles that decide whether two rows are worth a look at all the others."""


def check_distinct(simulated: Any, generated: Any, configuration: int) -> None:
    """DataError where two of the fields (R, K, N, d) and (R', K, N, d) are equal at any lag.

    Equal means to the rounding of stored numbers, or to a hundredth of a displacement where that is less.
    """
    for lag in range(simulated.shape[1]):
        rows = np.concatenate([simulated[:, lag], generated[:, lag]])
        typical = float(np.sqrt(np.mean(rows[:, :_FIRST] ** 2)))
        pair = _equal(rows, min(FIELD_TOLERANCE, typical / 100))
        if pair is not None:
            first, second = (_name("replica", k, len(simulated)) for k in pair)
            raise DataError(
                f"{first} and {second} of configuration {configuration} are one field (lag number {lag}): "
                "compare needs replicas that are independent of each other; leave out what was copied, or "
                "draw the sample anew with another seed"
            )


def check_configurations(simulated: Floats, generated: Floats, box: Floats, other: Floats) -> None:
    """DataError where positions (C, N, d) and (C', N', d), in boxes (C, d) and (C', d), hold one twice."""
    ours, theirs = simulated / box[:, None], generated / other[:, None]
    ours = ours if ours.shape[1:] == theirs.shape[1:] else np.empty((0, *theirs.shape[1:]))
    pair = _equal(np.concatenate([ours, theirs]), POSITION_TOLERANCE / float(other.max()), period=1.0)
    if pair is not None:
        first, second = (_name("configuration", k, len(ours)) for k in pair)
        raise DataError(
            f"{first} and {second} are one structure: the two sets must be independent of each other; leave "
            "out what was copied"
        )


def _name(kind: str, k: int, simulated: int) -> str:
    return f"simulated {kind} {k}" if k < simulated else f"generated {kind} {k - simulated}"


def _equal(rows: Floats, tolerance: float, period: float | None = None) -> tuple[int, int] | None:
    """Two of the rows (n, N, d) whose numbers all agree to ``tolerance``; numbers ``period`` apart are one.

    The first particles are looked up in a tree, and only rows that agree there are compared as a whole.
    """
    first = rows[:, :_FIRST].reshape(len(rows), -1).astype(np.float64)
    if period is not None:
        first = first % period % period  # twice: -1e-20 % 1 is 1
    reach = tolerance * (1 + 1e-3)  # single precision rounds too
    for i, j in sorted(cKDTree(first, boxsize=period).query_pairs(reach, p=np.inf)):
        gap = rows[i] - rows[j]
        gap = gap if period is None else gap - period * np.round(gap / period)
        if np.abs(gap).max() <= reach:
            return i, j
    return None
