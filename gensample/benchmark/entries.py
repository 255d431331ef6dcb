"""Which entries of a benchmark belong together: at home, moved, of a curve.

An entry is one row, input, training sets, test set, target, species and lag, with its scores (`judge`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Entry = Mapping[str, Any]

SHOWN = ("A", "A-A")
"""The species, and the kind of bonds, that figures and summaries are of."""

_CURVE = ("row", "input", "train", "test", "lag")


def select(entries: Iterable[Entry], **values: Any) -> list[Entry]:
    """Entries with these values."""
    return [e for e in entries if all(e[name] == value for name, value in values.items())]


def unique(entries: Iterable[Entry], *names: str) -> list[Any]:
    """Values of a property, or of several as tuples, in order of appearance; lists as tuples."""
    plain = (tuple(tuple(v) if isinstance(v, list) else v for v in (e[n] for n in names)) for e in entries)
    return list(dict.fromkeys(found if len(names) > 1 else found[0] for found in plain))


def value(entry: Entry | None, name: str) -> float | None:
    """The value of an estimate; None where there is none."""
    found = (entry or {}).get(name)
    return None if not found else found[0]


def at_home(entries: Sequence[Entry]) -> list[Entry]:
    """Those judged on the data set they were trained on, with all of its training split, or not trained.

    Of a data set that nothing was trained on, all.
    """
    used = {name for e in entries for name in e["train"] or ()}
    return [e for e in entries if e["train_size"] is None and (not is_transfer(e) or e["test"] not in used)]


def is_transfer(entry: Entry) -> bool:
    """Whether a trained row is judged on other data than it was trained on."""
    return bool(entry["train"]) and entry["test"] not in entry["train"]


def full_name(entry: Entry) -> str:
    """Name of the row, with what it was trained on where that does not go without saying."""
    if is_transfer(entry):
        return f"{entry['row']} (trained on {', '.join(entry['train'])})"
    return f"{entry['row']} (all sets)" if len(entry["train"] or ()) > 1 else str(entry["row"])


def training_cost(entry: Entry) -> str:
    """What training took; empty where nothing was trained."""
    seconds = entry["seconds"]
    if seconds is None:
        return ""
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def learning_curves(entries: Iterable[Entry]) -> dict[tuple[Any, ...], dict[int | None, Entry]]:
    """Entries by number of training configurations, None for all of them, of each learning curve.

    A curve is known by (row, input, training sets, test set, lag).
    """
    entries = list(entries)
    keys = unique((e for e in entries if e["train_size"] is not None and not is_transfer(e)), *_CURVE)
    found: dict[tuple[Any, ...], dict[int | None, Entry]] = {key: {} for key in keys}
    for e in entries:
        (key,) = unique([e], *_CURVE)
        if key in found and e["species"] in SHOWN:
            found[key][e["train_size"]] = e
    return found


def transfer(entries: Sequence[Entry], row: str, source: str, target: str) -> dict[tuple[Any, str], float]:
    """Pearson at the longest lag by (trained on, judged on) of one row and input, as SHOWN.

    Empty for rows that are judged only on the one set they were trained on.
    """
    mine = select(entries, row=row, input=source, target=target, train_size=None)
    mine = [e for e in mine if e["species"] in SHOWN and e["train"]]
    if not any(is_transfer(e) or len(e["train"]) > 1 for e in mine):
        return {}
    last = {test: max(e["lag"] for e in select(mine, test=test)) for test in unique(mine, "test")}
    shown = [e for e in mine if e["lag"] == last[e["test"]]]
    return {(tuple(e["train"]), e["test"]): value(e, "pearson") or float("nan") for e in shown}


def transfers(entries: Sequence[Entry], target: str) -> dict[tuple[str, str], dict[tuple[Any, str], float]]:
    """What `transfer` finds for each (row, input) that has any."""
    pairs = unique((e for e in entries if e["train"]), "row", "input")
    found = {(row, source): transfer(entries, row, source, target) for row, source in pairs}
    return {pair: matrix for pair, matrix in found.items() if matrix}
