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
    moved = [e for e in entries if e["train"] and e["test"] not in e["train"].split("+")]
    if moved:
        parts.append(f"## Transfer: Pearson (A), longest lag, trained on / judged on\n\n{_transfer(entries)}")
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
    lines += _published_lines(lags, species, published) if entries[0]["target"] == "propensity" else []
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


def _published_lines(
    lags: Sequence[float], species: Sequence[str], published: Mapping[str, Any] | None
) -> list[str]:
    """Published Pearson over A, pooled, at the same lag times; no line for a model that has none of them."""
    lines = []
    for model, (times, values) in (published or {}).get("pearson", {}).items():
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
    learned = {(e["row"], e["input"]) for e in entries if e["train_size"] is not None}
    lags = unique([e for e in entries if e["train_size"] is not None], "lag")
    lines = [_line(["row", "input", "t", *(str(n) for n in sizes), "all"]), "|---" * (len(sizes) + 4) + "|"]
    for row, source in [
        pair for pair in dict.fromkeys((e["row"], e["input"]) for e in entries) if pair in learned
    ]:
        for lag in lags:
            key = (row, source, lag, "A")
            mine = [e for e in entries if (e["row"], e["input"], e["lag"], e["species"]) == key]
            own = [e for e in mine if e["train"] == e["test"]]
            found = {e["train_size"]: e for e in own}
            cells = [_cell(found.get(n), "pearson") for n in (*sizes, None)]
            if any(cells[:-1]):
                lines.append(_line([row, source, f"{lag:g}", *cells]))
    return "\n".join(lines) + "\n"


def transfer(entries: Sequence[Entry], row: str, source: str) -> dict[tuple[str, str], float]:
    """Pearson over A at the longest lag by (trained on, judged on) of one row and input."""
    found = {}
    for e in entries:
        if (e["row"], e["input"], e["species"], e["train_size"]) != (row, source, "A", None):
            continue
        if e["target"] != "propensity" or e["train"] is None:
            continue
        last = max(o["lag"] for o in entries if o["test"] == e["test"])
        if e["lag"] == last:
            found[e["train"], e["test"]] = value(e, "pearson") or float("nan")
    return found


def _transfer(entries: Sequence[Entry]) -> str:
    tests = unique(entries, "test")
    lines = [_line(["row", "input", "trained on", *tests]), "|---" * (len(tests) + 3) + "|"]
    for row, source in dict.fromkeys((e["row"], e["input"]) for e in entries if e["train"]):
        matrix = transfer(entries, row, source)
        if len({test for _, test in matrix}) < 2:
            continue
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
