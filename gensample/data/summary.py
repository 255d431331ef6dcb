"""Validation of a dataset and the numbers a physicist looks at first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gensample.data.energies import potential
from gensample.data.formats.base import SPECIES_LETTERS
from gensample.data.shear_group import is_sheared, summarise_shear
from gensample.data.store import Store
from gensample.errors import ConfigError
from gensample.physics.mixtures import get_mixture
from gensample.stats.dynamics import HOP_LENGTH, OVERLAP_LENGTH, msd, overlap, share_of_hops
from gensample.stats.propensity import magnitudes

ENERGY_SAMPLE = 16


def inspect(path: str | Path) -> dict[str, Any]:
    """Validate a dataset and summarise it in plain Python values, ready for json.

    Raises:
        DataError: the file is damaged or breaks the format; the message says where.
    """
    with Store.open(path) as store:
        shear = {"shear": summarise_shear(store)} if is_sheared(store) else {}
        return {
            **_head(store),
            **_splits(store),
            "energy": _energies(store),
            "lags": _lags(store),
            **shear,
        }


def _fields(store: Store) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Complete displacements (R, K, N, d) of each configuration that has any, and the inherent ones."""
    for c in np.flatnonzero(store.done.any(axis=1)).tolist() if store.has_displacements else ():
        h = store.inherent_displacements(c) if store.has_inherent_displacements else None
        yield store.displacements(c), h


def _lags(store: Store) -> list[dict[str, Any]]:
    """Per lag and species: MSD, overlap, mean displacement and share of hops, over configurations."""
    species, times = store.species, store.times
    kinds = np.unique(species)
    if store.has_displacements:
        rows = np.array([_moments(u, h, species, kinds) for u, h in _fields(store)])
        names = ["msd", "overlap", "mean_displacement"]
        names += ["hops"] if store.has_inherent_displacements else []
    elif store.propensity is not None:
        rows = np.array(
            [
                [[[p[k][species == a].mean()] for a in kinds] for k in range(len(times))]
                for p in store.propensity
            ]
        )
        names = ["mean_displacement"]
    else:
        return []
    if rows.size == 0:
        return [{"time": float(t), "species": {}} for t in times]
    mean = rows.mean(axis=0)
    return [
        {
            "time": float(t),
            "species": {
                SPECIES_LETTERS[a]: dict(zip(names, mean[k, i].tolist(), strict=True))
                for i, a in enumerate(kinds)
            },
        }
        for k, t in enumerate(times)
    ]


def _moments(u: np.ndarray, h: np.ndarray | None, species: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """MSD, overlap, mean |u| and, with h, share of hops of one configuration, (K, species, 3 or 4).

    u, h: (R, K, N, d).
    """
    return np.array(
        [
            [_of_species(u[:, k, species == a]) + _hops(h, k, species == a) for a in kinds]
            for k in range(u.shape[1])
        ]
    )


def _of_species(u: np.ndarray) -> list[float]:
    return [msd(u), float(overlap(u).mean()), float(magnitudes(u).mean())]


def _hops(h: np.ndarray | None, lag: int, chosen: np.ndarray) -> list[float]:
    return [] if h is None else [share_of_hops(h[:, lag, chosen])]


def _head(store: Store) -> dict[str, Any]:
    mixture = get_mixture(store.mixture)
    counts = np.bincount(store.species)
    attrs = store.attrs
    seed = int(attrs.get("seed", -1))
    return {
        "path": str(store.path),
        "mixture": store.mixture,
        "truncation": store.truncation,
        "dimension": store.dimension,
        "particles": store.num_particles,
        "species": {SPECIES_LETTERS[i]: int(n) for i, n in enumerate(counts)},
        "composition": {SPECIES_LETTERS[i]: n for i, n in enumerate(mixture.counts(store.num_particles))},
        "temperature": sorted({round(float(t), 10) for t in store.temperature}),
        "density": store.density,
        "box": store.box.mean(axis=0).tolist(),
        "source": store.source,
        "command": attrs.get("command") or None,
        "seed": None if seed < 0 else seed,
        "software": attrs.get("software"),
        "equilibration": _equilibration(attrs),
        "created": attrs.get("created", "not recorded"),
        "overlap_length": OVERLAP_LENGTH,
        "hop_length": HOP_LENGTH,
        "has_displacements": store.has_displacements,
        "inherent_displacements": _inherent_displacements(store),
        "has_inherent": store.inherent is not None,
        "cage": _cage(store),
        "probe": _probe(store),
        "averages": [n for n in ("propensity", "bond_breaking") if getattr(store, n) is not None],
        "predictions": sorted(store.predictions),
        "times": store.times.tolist(),
    }


def _inherent_displacements(store: Store) -> dict[str, Any] | None:
    """How the futures were quenched; None where they were not."""
    attrs = store.inherent_displacement_attrs
    names = ("minimiser", "tolerance", "max_residual_force")
    return {name: attrs.get(name) for name in names} if store.has_inherent_displacements else None


def _cage(store: Store) -> dict[str, float | None] | None:
    """What `gensample cage` recorded, its standard error as a mean over configurations; None without."""
    attrs = store.cage_attrs
    names = ("start", "time", "replicas", "snapshots")
    if not set(names) <= attrs.keys():
        return None
    error = float(np.mean(attrs.get("standard_error", np.nan)))
    return {name: float(attrs[name]) for name in names} | {
        "standard_error": error if np.isfinite(error) else None
    }


def _probe(store: Store) -> dict[str, Any] | None:
    """What `gensample probe` recorded; None without."""
    found = store.probe
    if found is None:
        return None
    levels = {name: [float(x) for x in found[name]] for name in ("temperature", "time")}
    return levels | {"replicas": int(store.probe_attrs["replicas"])}


def _equilibration(attrs: dict[str, Any]) -> dict[str, float | None] | None:
    """What `gensample simulate` recorded; None where it could not be measured."""
    names = ("equilibration_time", "tau_alpha", "energy_drift", "energy_drift_error")
    if not set(names) <= attrs.keys():
        return None
    return {name: None if np.isnan(attrs[name]) else float(attrs[name]) for name in names}


def _splits(store: Store) -> dict[str, Any]:
    split, planned, done = store.split, store.replicas, store.done
    splits = {
        name: {
            "configurations": int((split == name).sum()),
            "replicas": sorted(set(planned[split == name].tolist())),
            "planned": int(planned[split == name].sum()),
            "complete": int(done[split == name].sum()),
        }
        for name in ("train", "val", "test")
        if (split == name).any()
    }
    return {"splits": splits, "complete": bool(done.sum() == planned.sum())}


def _energies(store: Store) -> dict[str, Any]:
    """Energy per particle, thermal and inherent, and pressure, over at most ENERGY_SAMPLE configurations."""
    mixture = get_mixture(store.mixture)
    rows = np.unique(np.linspace(0, store.num_configurations - 1, ENERGY_SAMPLE).astype(int))
    positions, inherent, box = store.positions[rows], store.inherent, store.box[rows]
    try:
        thermal, virial, _ = potential(positions, store.species, box, mixture, store.truncation)
        quenched = (
            None
            if inherent is None
            else potential(inherent[rows], store.species, box, mixture, store.truncation)
        )
    except ConfigError as error:
        return {"not_computed": str(error)}
    pressure = store.density * (store.temperature[rows] + virial)
    result: dict[str, Any] = {
        "configurations": len(rows),
        "thermal": _mean_and_error(thermal),
        "pressure": _mean_and_error(pressure),
    }
    if quenched is not None:
        result["inherent"] = _mean_and_error(quenched[0])
        result["inherent_max_force"] = float(quenched[2].max())
        result["minimiser"] = str(store.inherent_attrs.get("minimiser", "not recorded"))
    return result


def _mean_and_error(values: np.ndarray) -> dict[str, float | None]:
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return {"mean": float(values.mean()), "standard_error": error}
