"""Writes configurations with the propensities that a model predicts for them as a dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from gensample import zoo
from gensample.commands.predict_propensity import Predictor
from gensample.data.store import Store, StoreWriter
from gensample.errors import ConfigError, DataError
from gensample.reads import LAG
from gensample.work import atomic

AVERAGES = ("propensity", "bond_breaking")
OF_DRAWS = ("log_density", "log_density_variance")


def write_predictions(
    predictor: Predictor, path: Path, out: Path, split: str, name: str, command: str
) -> list[str]:
    """Write a split of the dataset ``path`` with ``/predictions/NAME``; what was left out, in words.

    The lag times are those of the model. Dynamics, averages and earlier predictions go along where the
    dataset has them at all of these lag times; inherent structures also where they were found on the way.

    Raises:
        ConfigError: model and data do not fit, or there is a prediction of that name.
        DataError: sheared glasses, or predictions that are not finite.
    """
    with Store.open(path) as store:
        if store.is_sheared:
            raise DataError(f"{path} holds sheared glasses, whose rows are no configurations at rest")
        if name in store.predictions:
            raise ConfigError(f"{path} has predictions {name} already; give these another --name")
        rows = store.indices(split)
        columns = _columns(store, predictor)
        module = predictor.open(path, rows)
        found = predictor.predict(module, rows).transpose(0, 2, 1).astype(np.float32)
        if not np.isfinite(found).all():
            raise DataError(f"{predictor.name} predicts numbers for {path} that are not finite")
        predictions = {name: found} | _parts(store.predictions, rows, columns)
        inherent, how = module.inputs.inherent(rows) or (None, None)
        with (
            atomic(out, [path]) as temporary,
            StoreWriter.create(
                temporary,
                **_structures(store, rows),
                **_dynamics(store, rows, columns),
                times=np.array(predictor.times) if columns is None else store.times[columns],
                inherent=inherent,
                inherent_attrs=how,
                predictions=predictions,
                command=command,
                extra_attrs=_provenance(predictor, store, split, name),
            ) as writer,
        ):
            _add(writer, store, rows, columns, module.inputs.cage(rows))
        module.store.close()
        return _left_out(store, predictor, columns)


def _columns(store: Store, predictor: Predictor) -> np.ndarray | None:
    """The model's lag times among those of the dataset; None where one is missing or they are not known."""
    near = np.isclose(np.array(predictor.times)[:, None], store.times, rtol=LAG, atol=0)
    return near.argmax(1) if predictor.stated and near.any(1).all() else None


def _parts(arrays: dict[str, np.ndarray], rows: np.ndarray, columns: np.ndarray | None) -> Any:
    """Of arrays (C, K, N) what belongs to the rows and columns; nothing without columns."""
    return {} if columns is None else {name: array[rows][:, columns] for name, array in arrays.items()}


def _structures(store: Store, rows: np.ndarray) -> dict[str, Any]:
    """What describes the configurations ``rows``."""
    seed = int(store.attrs.get("seed", -1))
    return {
        "mixture": store.mixture,
        "temperature": store.temperature[rows],
        "density": store.density,
        "truncation": store.truncation,
        "source": store.source,
        "species": store.species,
        "box": store.box[rows],
        "split": list(store.split[rows]),
        "positions": store.positions[rows],
        "seed": None if seed < 0 else seed,
    }


def _dynamics(store: Store, rows: np.ndarray, columns: np.ndarray | None) -> dict[str, Any]:
    """Planned replicas, and stored averages at the columns."""
    stored = {name: getattr(store, name) for name in AVERAGES if getattr(store, name) is not None}
    return {
        "replicas": np.zeros(len(rows), int) if columns is None else store.replicas[rows],
        "displacements": columns is not None and store.has_displacements,
        **_parts(stored, rows, columns),
    }


def _provenance(predictor: Predictor, store: Store, split: str, name: str) -> dict[str, Any]:
    weights = zoo.model_digest(predictor.name)
    request = {"model": predictor.name, "split": split, "name": name, "weights": weights}
    outside = "; ".join(sorted(predictor.outside))
    notes = {key: store.attrs[key] for key in ("import_notes",) if key in store.attrs}
    return {"request": json.dumps(request), **notes, **({"outside_domain": outside} if outside else {})}


def _add(writer: StoreWriter, store: Store, rows: np.ndarray, columns: np.ndarray | None, cage: Any) -> None:
    """Complete replicas, cage positions, and what is known of generated configurations."""
    writer.write_array("source_configuration", rows)
    if cage is not None:
        positions, how = cage
        spread = store.cage_spread
        writer.write_cage(positions, how, None if spread is None else spread[rows])
    for name in OF_DRAWS:
        if getattr(store, name) is not None:
            writer.write_array(name, getattr(store, name)[rows])
    if columns is None or not store.has_displacements:
        return
    done = store.done
    for i, row in enumerate(rows.tolist()):
        if done[row].any():
            for replica, field in zip(np.flatnonzero(done[row]), store.displacements(row), strict=True):
                writer.write_replica(i, int(replica), field[columns])


def _left_out(store: Store, predictor: Predictor, columns: np.ndarray | None) -> list[str]:
    """What of the dataset's lag times is not written, and what is not known of the model's."""
    notes = [] if predictor.quantity == "displacement" else [f"predicted: {predictor.quantity}"]
    if not predictor.stated:
        notes.append(f"{predictor.name} does not say its lag times: they are numbered from 1")
    if not len(store.times):
        return notes
    theirs = ", ".join(f"{time:g}" for time in store.times)
    if columns is None:
        notes.append(f"left out: what the dataset has at t = {theirs}; the model has other lag times")
    elif dropped := [time for k, time in enumerate(store.times.tolist()) if k not in columns]:
        notes.append(f"left out: t = {', '.join(f'{time:g}' for time in dropped)}, which the model lacks")
    return notes
