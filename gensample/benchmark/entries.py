"""Which entries of a benchmark belong together: at home, moved, of a curve, beside published ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Entry = Mapping[str, Any]

SHOWN = ("A", "A-A")
"""The species, and the kind of bonds, that figures and summaries are of."""


def at_home(entries: Sequence[Entry]) -> list[Entry]:
    """Those judged on the data set they were trained on, with all of its training split, or not trained.

    Of a data set that nothing was trained on, all.
    """
    used = {name for e in entries if e["train"] for name in e["train"].split("+")}
    return [e for e in entries if e["train_size"] is None and (not is_transfer(e) or e["test"] not in used)]


def is_transfer(entry: Entry) -> bool:
    """Whether a trained row is judged on other data than it was trained on."""
    return bool(entry["train"]) and entry["test"] not in entry["train"].split("+")


def named(entry: Entry) -> str:
    """Name of the row, with what it was trained on where that does not go without saying."""
    if is_transfer(entry):
        return f"{entry['row']} (trained on {entry['train'].replace('+', ', ')})"
    return f"{entry['row']} (all sets)" if "+" in (entry["train"] or "") else str(entry["row"])


def learned(entries: Iterable[Entry]) -> list[tuple[str, str, str, str, float]]:
    """(row, input, training set, test set, lag) of the learning curves there are, in order of appearance."""
    found = (e for e in entries if e["train_size"] is not None and not is_transfer(e))
    return list(dict.fromkeys(tuple(e[name] for name in _CURVE) for e in found))


def of_curve(entries: Iterable[Entry], curve: Sequence[Any]) -> dict[int | None, Entry]:
    """Entries of a learning curve by number of training configurations; None for all of them."""
    mine = (e for e in entries if e["species"] in SHOWN and [e[name] for name in _CURVE] == list(curve))
    return {e["train_size"]: e for e in mine}


_CURVE = ("row", "input", "train", "test", "lag")


def published_for(entries: Sequence[Entry], published: Mapping[str, Any] | None) -> dict[str, Any]:
    """Published curves by model that are of the temperature and the quantity of these entries."""
    of_target = (published or {}).get("pearson", {}).get(entries[0]["target"], {})
    return dict(_of_temperature(of_target, entries[0].get("temperature")) or {})


def published_chi4(entries: Sequence[Entry], published: Mapping[str, Any] | None) -> dict[str, Any]:
    """Published (lags, simulation, predictions) of chi4 by model, of the temperature of these entries."""
    found = _of_temperature((published or {}).get("chi4", {}), entries[0].get("temperature")) or {}
    return {m: (t, found["MD"][1], values) for m, (t, values) in found.items() if m != "MD"}


def published_transfer(
    published: Mapping[str, Any] | None, temperatures: Mapping[str, float | None]
) -> dict[tuple[str, float], dict[str, float]]:
    """Published Pearson by (model, training temperature) and test set of that temperature."""
    found: dict[tuple[str, float], dict[str, float]] = {}
    for model, matrix in (published or {}).get("transfer", {}).items():
        for trained, judged in matrix:
            for test, temperature in temperatures.items():
                if temperature is not None and math.isclose(judged, temperature, abs_tol=NEAR):
                    found.setdefault((model, trained), {})[test] = matrix[trained, judged]
    return found


NEAR = 1e-3
"""Temperatures within this of each other are the same."""


def _of_temperature(by: Mapping[float, Any], temperature: float | None) -> Any:
    return next(
        (v for t, v in by.items() if temperature and math.isclose(t, temperature, abs_tol=NEAR)), None
    )


def at_lag(curve: tuple[Sequence[float], Sequence[float]], lag: float) -> float | None:
    """Value of a published curve at a lag time of ours, which may be rounded; None where it has none."""
    return next((v for t, v in zip(*curve, strict=True) if abs(t - lag) < 0.01 * lag), None)


def value(entry: Entry | None, name: str) -> float | None:
    """The value of an estimate; None where there is none."""
    found = (entry or {}).get(name)
    return None if not found else found[0]


def labels(entries: Sequence[Entry]) -> list[tuple[str, str, str | None]]:
    """(row, input, training set) in order of appearance."""
    return list(dict.fromkeys((e["row"], e["input"], e["train"]) for e in entries))


def unique(entries: Iterable[Entry], name: str) -> list[Any]:
    """Values of one property, in order of appearance."""
    return list(dict.fromkeys(entry[name] for entry in entries))


def transfer(entries: Sequence[Entry], row: str, source: str, target: str) -> dict[tuple[str, str], float]:
    """Pearson at the longest lag by (trained on, judged on) of one row and input, as SHOWN.

    Empty for rows that are judged only on the one set they were trained on.
    """
    same = (row, source, target, None)
    mine = [
        e
        for e in entries
        if (e["row"], e["input"], e["target"], e["train_size"]) == same and e["species"] in SHOWN
    ]
    mine = [e for e in mine if e["train"]]
    if not any(is_transfer(e) or "+" in e["train"] for e in mine):
        return {}
    last = {test: max(e["lag"] for e in mine if e["test"] == test) for test in unique(mine, "test")}
    shown = [e for e in mine if e["lag"] == last[e["test"]]]
    return {(e["train"], e["test"]): value(e, "pearson") or float("nan") for e in shown}


def matrices_of(entries: Sequence[Entry], target: str) -> dict[tuple[str, str], dict[tuple[str, str], float]]:
    """What `transfer` finds for each (row, input) that has any."""
    pairs = dict.fromkeys((e["row"], e["input"]) for e in entries if e["train"])
    found = {pair: transfer(entries, *pair, target) for pair in pairs}
    return {pair: matrix for pair, matrix in found.items() if matrix}
