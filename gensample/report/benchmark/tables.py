"""Entries of a benchmark as Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Entry = Mapping[str, Any]

ESTIMATES = (
    "pearson",
    "pearson_pooled",
    "spearman",
    "spearman_pooled",
    "ceiling",
    "chi4",
    "chi4_simulated",
    "chi4_block",
    "chi4_block_simulated",
)
PLAIN = (
    "row",
    "kind",
    "input",
    "target",
    "train",
    "train_size",
    "test",
    "temperature",
    "lag",
    "species",
    "configurations",
    "seconds",
    "predict_seconds",
    "parameters",
    "reference",
)


def at_home(entries: Iterable[Entry]) -> list[Entry]:
    """Those judged on the data set they were trained on, with all of its training split, or not trained."""
    return [
        e
        for e in entries
        if e["train_size"] is None and (e["train"] is None or e["test"] in e["train"].split("+"))
    ]


def moved(entry: Entry) -> bool:
    """Whether a trained row is judged on other data than it was trained on."""
    return bool(entry["train"]) and entry["test"] not in entry["train"].split("+")


def learned(entries: Iterable[Entry]) -> list[tuple[str, str, str, str, float]]:
    """(row, input, training set, test set, lag) of the learning curves there are, in order of appearance."""
    found = (e for e in entries if e["train_size"] is not None and not moved(e))
    return list(dict.fromkeys(tuple(e[name] for name in _CURVE) for e in found))


def of_curve(entries: Iterable[Entry], curve: Sequence[Any]) -> dict[int | None, Entry]:
    """Entries of a learning curve, species A, by number of training configurations; None for all of them."""
    mine = (e for e in entries if e["species"] == "A" and [e[name] for name in _CURVE] == list(curve))
    return {e["train_size"]: e for e in mine}


_CURVE = ("row", "input", "train", "test", "lag")


def published_for(entries: Sequence[Entry], published: Mapping[str, Any] | None) -> dict[str, Any]:
    """Published curves by model that are of the temperature and the quantity of these entries."""
    first = entries[0]
    same = published is not None and first.get("temperature") == published["temperature"]
    return dict((published or {})["pearson"]) if same and first["target"] == "propensity" else {}


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


def markdown(entries: Sequence[Entry], published: Mapping[str, Any] | None) -> str:
    """A table for each test set and target, one line for each row and input, and the learning curves."""
    parts = []
    home = at_home(entries)
    for test in unique(home, "test"):
        for target in unique(home, "target"):
            chosen = [e for e in home if (e["test"], e["target"]) == (test, target)]
            if chosen:
                parts.append(f"## {test}, {target.replace('_', ' ')}\n\n{_table(chosen, published)}")
    for target in unique([e for e in entries if e["train_size"] is not None], "target"):
        mine = [e for e in entries if e["target"] == target]
        title = f"Pearson (A) against training configurations, {target.replace('_', ' ')}"
        parts.append(f"## {title}\n\n{_learning(mine)}")
    for target in unique([e for e in entries if moved(e)], "target"):
        title = f"Transfer: Pearson (A), longest lag, trained on / judged on, {target.replace('_', ' ')}"
        parts.append(f"## {title}\n\n{_transfer(entries, target)}")
    return "\n".join(parts)


def _table(entries: Sequence[Entry], published: Mapping[str, Any] | None) -> str:
    species = unique(entries, "species")
    lags = unique(entries, "lag")
    heads = [f"{s}, t = {lag:g}{mark}" for lag in lags for s in species for mark in _marks(s)]
    lines = [_line(["row", "input", *heads, "training", "parameters"])]
    lines.append("|---" * (len(heads) + 4) + "|")
    for row, source, train in labels(entries):
        mine = [e for e in entries if (e["row"], e["input"], e["train"]) == (row, source, train)]
        found = {(e["species"], e["lag"]): e for e in mine}
        cells = [
            _cell(found.get((s, lag)), name)
            for lag in lags
            for s in species
            for name in ("pearson", "pearson_pooled")[: len(_marks(s))]
        ]
        several = len(train.split("+")) > 1 if train else False
        name = f"{row} (all sets)" if several else row
        lines.append(_line([name, source, *cells, _seconds(mine[0]), _count(mine[0]["parameters"])]))
    lines.append(_ceilings(entries, lags, species))
    lines += _published_lines(lags, species, published_for(entries, published))
    return "\n".join(lines) + "\n"


def _marks(species: str) -> tuple[str, ...]:
    return ("", " pooled") if species == "A" else ("",)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(entry: Entry | None, name: str) -> str:
    found = (entry or {}).get(name)
    if not found or found[0] is None:
        return ""
    text = f"{found[0]:.3f}"
    return text if name != "pearson" or found[1] is None else f"{text} [{found[1]:.2f}, {found[2]:.2f}]"


def _seconds(entry: Entry) -> str:
    seconds = entry["seconds"]
    if seconds is None:
        return ""
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def _count(parameters: int | None) -> str:
    return "" if parameters is None else f"{parameters:,}"


def _ceilings(entries: Sequence[Entry], lags: Sequence[float], species: Sequence[str]) -> str:
    cells = []
    for lag in lags:
        for s in species:
            some = [e for e in entries if (e["lag"], e["species"]) == (lag, s) and value(e, "ceiling")]
            cells += [f"{value(some[0], 'ceiling'):.3f}" if some else "", *("" for _ in _marks(s)[1:])]
    return _line(["ceiling (exact propensity)", "", *cells, "", ""])


def _published_lines(lags: Sequence[float], species: Sequence[str], curves: Mapping[str, Any]) -> list[str]:
    """Published Pearson over A, pooled, at the same lag times; no line for a model that has none of them."""
    lines = []
    for model, (times, values) in curves.items():
        near = {t: v for t, v in zip(times, values, strict=True)}
        cells = []
        for lag in lags:
            match = [v for t, v in near.items() if abs(t - lag) < 0.01 * lag]
            for s in species:
                shown = f"{match[0]:.3f}" if match and s == "A" else ""
                cells += ["", shown] if s == "A" else [""]
        if any(cells):
            lines.append(_line([f"{model}, published", "", *cells, "", ""]))
    return lines


def _learning(entries: Sequence[Entry]) -> str:
    sizes = sorted({e["train_size"] for e in entries if e["train_size"] is not None})
    heads = ["row", "input", "trained on", "judged on", "t", *(str(n) for n in sizes), "all"]
    lines = [_line(heads), "|---" * len(heads) + "|"]
    for curve in learned(entries):
        row, source, train, test, lag = curve
        found = of_curve(entries, curve)
        cells = [_cell(found.get(n), "pearson") for n in (*sizes, None)]
        lines.append(_line([row, source, train.replace("+", ", "), test, f"{lag:g}", *cells]))
    return "\n".join(lines) + "\n"


def transfer(entries: Sequence[Entry], row: str, source: str, target: str) -> dict[tuple[str, str], float]:
    """Pearson over A at the longest lag by (trained on, judged on) of one row and input.

    Empty for rows that are judged only on what they were trained on.
    """
    same = (row, source, "A", target, None)
    mine = [
        e
        for e in entries
        if (e["row"], e["input"], e["species"], e["target"], e["train_size"]) == same and e["train"]
    ]
    if not any(moved(e) for e in mine):
        return {}
    last = {test: max(e["lag"] for e in mine if e["test"] == test) for test in unique(mine, "test")}
    shown = [e for e in mine if e["lag"] == last[e["test"]]]
    return {(e["train"], e["test"]): value(e, "pearson") or float("nan") for e in shown}


def matrices_of(entries: Sequence[Entry], target: str) -> dict[tuple[str, str], dict[tuple[str, str], float]]:
    """What `transfer` finds for each (row, input) that has any."""
    pairs = dict.fromkeys((e["row"], e["input"]) for e in entries if e["train"])
    found = {pair: transfer(entries, *pair, target) for pair in pairs}
    return {pair: matrix for pair, matrix in found.items() if matrix}


def _transfer(entries: Sequence[Entry], target: str) -> str:
    found = matrices_of(entries, target)
    tests = [t for t in unique(entries, "test") if any(t == test for m in found.values() for _, test in m)]
    lines = [_line(["row", "input", "trained on", *tests]), "|---" * (len(tests) + 3) + "|"]
    for (row, source), matrix in found.items():
        for train in dict.fromkeys(train for train, _ in matrix):
            cells = [f"{matrix[train, t]:.3f}" if (train, t) in matrix else "" for t in tests]
            lines.append(_line([row, source, train.replace("+", ", "), *cells]))
    return "\n".join(lines) + "\n"


def as_csv(entries: Sequence[Entry]) -> str:
    """Every entry as a line; estimates as three columns each."""
    buffer = io.StringIO()
    ends = ("", "_low", "_high")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*PLAIN, *(name + end for name in ESTIMATES for end in ends)])
    for entry in entries:
        numbers = [v for name in ESTIMATES for v in (entry.get(name) or [None, None, None])]
        writer.writerow(
            [entry.get(name) for name in PLAIN] + ["" if v is None else f"{v:.6g}" for v in numbers]
        )
    return buffer.getvalue()
