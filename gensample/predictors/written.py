"""Writes configurations with the propensities that a model predicts for them as a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gensample.data.store import Contents, Store, StoreWriter
from gensample.errors import ConfigError, DataError
from gensample.predictors.network import Network
from gensample.ranges import shown
from gensample.reads import LAG
from gensample.work import atomic

LONGEST_NAME = 100  # characters


def check_name(name: str) -> str:
    """The name of a prediction; ConfigError where it can be none of a dataset."""
    if not name.isprintable() or not 0 < len(name) <= LONGEST_NAME or "/" in name or set(name) <= {"."}:
        raise ConfigError(
            f"--name must be printable, without / and of at most {LONGEST_NAME} characters, got {shown(name)}"
        )
    return name


def write_predictions(
    predictor: Network, path: Path, out: Path, split: str, name: str, attributes: dict[str, Any]
) -> list[str]:
    """Write a split of the dataset ``path`` with ``/predictions/NAME``; what was left out, in words.

    The lag times are those of the model. Dynamics, averages and earlier predictions go along where the
    dataset has them at all of these lag times; inherent structures also where they were found on the way.
    ``attributes``: ``command`` and what else the file records of how it was made.

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
        near = np.isclose(np.array(predictor.times)[:, None], store.times, rtol=LAG, atol=0)
        # The model's lag times among those of the dataset; None where one is missing or they are not known.
        columns = near.argmax(1) if predictor.stated and near.any(1).all() else None
        module = predictor.open(path, rows)
        found = predictor.predict(module, rows).numpy().transpose(0, 2, 1).astype(np.float32)
        if not np.isfinite(found).all():
            raise DataError(f"{predictor.name} predicts numbers for {path} that are not finite")
        inherent = module.inputs.inherent(rows) or (None, None)
        contents = _contents(store, rows, columns, predictor, {name: found}, inherent, attributes)
        with atomic(out, [path]) as temporary, StoreWriter.create(temporary, contents) as writer:
            _add(writer, store, rows, columns, module.inputs.cage(rows))
        module.store.close()
        return _left_out(store, predictor, columns)


def _contents(
    store: Store,
    rows: np.ndarray,
    columns: np.ndarray | None,
    predictor: Network,
    predictions: dict[str, np.ndarray],
    inherent: Any,
    attributes: dict[str, Any],
) -> Contents:
    """The configurations ``rows``, with stored averages and planned replicas at the columns."""

    def part(array: np.ndarray | None) -> Any:
        return None if array is None or columns is None else array[rows][:, columns]

    kept = {} if columns is None else {key: part(array) for key, array in store.predictions.items()}
    outside, seed = "; ".join(sorted(predictor.outside)), int(store.attrs.get("seed", -1))
    more = {key: store.attrs[key] for key in ("import_notes",) if key in store.attrs}
    more |= {"outside_domain": outside} if outside else {}
    return Contents.of(
        *(store, rows),
        seed=None if seed < 0 else seed,
        times=np.array(predictor.times) if columns is None else store.times[columns],
        replicas=0 if columns is None else store.replicas[rows],
        displacements=columns is not None and store.has_displacements,
        propensity=part(store.propensity),
        bond_breaking=part(store.bond_breaking),
        inherent=inherent[0],
        inherent_attrs=inherent[1],
        predictions=predictions | kept,
        command=attributes["command"],
        extra_attrs={key: value for key, value in (attributes | more).items() if key != "command"},
    )


def _add(writer: StoreWriter, store: Store, rows: np.ndarray, columns: np.ndarray | None, cage: Any) -> None:
    """Complete replicas, cage positions, and what is known of generated configurations."""
    writer.write_array("source_configuration", rows)
    if cage is not None:
        positions, how = cage
        spread = store.cage_spread
        writer.write_cage(positions, how, None if spread is None else spread[rows])
    for name in ("log_density", "log_density_variance"):
        if getattr(store, name) is not None:
            writer.write_array(name, getattr(store, name)[rows])
    done = store.done if columns is not None and store.has_displacements else None
    for i, row in enumerate(rows.tolist() if done is not None else ()):
        if done is not None and done[row].any():
            for replica, field in zip(np.flatnonzero(done[row]), store.displacements(row), strict=True):
                writer.write_replica(i, int(replica), field[columns])


def _left_out(store: Store, predictor: Network, columns: np.ndarray | None) -> list[str]:
    """What of the dataset's lag times is not written, and what is not known of the model's."""
    notes = [] if predictor.reads.quantity == "displacement" else [f"predicted: {predictor.reads.quantity}"]
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
