"""Entries of a benchmark as Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gensample.benchmark.entries import (
    Entry,
    at_home,
    at_lag,
    is_transfer,
    labels,
    learned,
    matrices_of,
    named,
    of_curve,
    published_for,
    published_transfer,
    unique,
    value,
)

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
    for target in unique([e for e in entries if is_transfer(e)], "target"):
        title = f"Transfer: Pearson (A), longest lag, trained on / judged on, {target.replace('_', ' ')}"
        parts.append(f"## {title}\n\n{_transfer(entries, target, published)}")
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
        lines.append(
            _line([named(mine[0]), source, *cells, _seconds(mine[0]), _count(mine[0]["parameters"])])
        )
    lines += _ceilings(entries, lags, species)
    lines += _published_lines(lags, species, published_for(entries, published))
    return "\n".join(lines) + "\n"


def _marks(species: str) -> tuple[str, ...]:
    return ("",) if "-" in species else ("", " pooled")


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(entry: Entry | None, name: str) -> str:
    found = (entry or {}).get(name)
    if not found or found[0] is None:
        return ""
    text = f"{found[0]:.3f}"
    # Of one configuration there is no interval over configurations.
    plain = name != "pearson" or found[1] is None or (entry or {}).get("configurations") == 1
    return text if plain else f"{text} [{found[1]:.2f}, {found[2]:.2f}]"


def _seconds(entry: Entry) -> str:
    seconds = entry["seconds"]
    if seconds is None:
        return ""
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def _count(parameters: int | None) -> str:
    return "" if parameters is None else f"{parameters:,}"


def _ceilings(entries: Sequence[Entry], lags: Sequence[float], species: Sequence[str]) -> list[str]:
    """The line of ceilings; none where nothing has one."""
    cells = []
    for lag in lags:
        for s in species:
            some = [e for e in entries if (e["lag"], e["species"]) == (lag, s) and value(e, "ceiling")]
            cells += [f"{value(some[0], 'ceiling'):.3f}" if some else "", *("" for _ in _marks(s)[1:])]
    return [_line(["ceiling (exact propensity)", "", *cells, "", ""])] if any(cells) else []


def _published_lines(lags: Sequence[float], species: Sequence[str], curves: Mapping[str, Any]) -> list[str]:
    """Published Pearson over A, pooled, at the same lag times; no line for a model that has none of them."""
    lines = []
    for model, curve in curves.items():
        cells = []
        for lag in lags:
            found = at_lag(curve, lag)
            for s in species:
                shown = "" if found is None or s != "A" else f"{found:.3f}"
                cells += ["", shown][-len(_marks(s)) :]
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


def _transfer(entries: Sequence[Entry], target: str, published: Mapping[str, Any] | None) -> str:
    found = matrices_of(entries, target)
    tests = [t for t in unique(entries, "test") if any(t == test for m in found.values() for _, test in m)]
    lines = [_line(["row", "input", "trained on", *tests]), "|---" * (len(tests) + 3) + "|"]
    for (row, source), matrix in found.items():
        for train in dict.fromkeys(train for train, _ in matrix):
            cells = [f"{matrix[train, t]:.3f}" if (train, t) in matrix else "" for t in tests]
            lines.append(_line([row, source, train.replace("+", ", "), *cells]))
    temperatures = {e["test"]: e.get("temperature") for e in entries}
    theirs = published_transfer(published, temperatures) if target == "propensity" else {}
    for (model, trained), by_test in sorted(theirs.items()):
        cells = [f"{by_test[t]:.3f}" if t in by_test else "" for t in tests]
        lines.append(_line([f"{model}, published", "", f"T={trained:.2f}", *cells]))
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
