"""Entries of a benchmark as tables: of each test set and target, learning curves, transfer; and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gensample.benchmark.entries import (
    Entry,
    at_home,
    full_name,
    is_transfer,
    learning_curves,
    select,
    training_cost,
    transfers,
    unique,
    value,
)
from gensample.benchmark.published import Curve, Published, at_lag

ESTIMATES = (
    *("pearson", "pearson_pooled", "spearman", "spearman_pooled", "ceiling"),
    *("chi4", "chi4_simulated", "chi4_block", "chi4_block_simulated"),
)
PLAIN = (
    *("row", "kind", "input", "target", "train", "train_size", "test", "temperature", "lag", "species"),
    *("configurations", "seconds", "predict_seconds", "parameters", "reference"),
)


class Table(NamedTuple):
    """Cells of text under a title."""

    title: str
    head: list[str]
    lines: list[list[str]]

    def markdown(self) -> str:
        """The table as Markdown, its title a heading."""
        rows = ["| " + " | ".join(line) + " |" for line in (self.head, *self.lines)]
        return "\n".join([f"## {self.title}\n", rows[0], "|---" * len(self.head) + "|", *rows[1:]]) + "\n"


def tables(entries: Sequence[Entry], published: Published) -> list[Table]:
    """Every table that the entries have data for."""
    found = []
    home = at_home(entries)
    for test in unique(home, "test"):
        for target in unique(home, "target"):
            chosen = select(home, test=test, target=target)
            if chosen:
                found.append(_scores(f"{test}, {_words(target)}", chosen, published))
    for target in unique([e for e in entries if e["train_size"] is not None], "target"):
        title = f"Pearson (A) against training configurations, {_words(target)}"
        found.append(_learning(title, select(entries, target=target)))
    for target in unique([e for e in entries if is_transfer(e)], "target"):
        title = f"Transfer: Pearson (A), longest lag, trained on / judged on, {_words(target)}"
        found.append(_transfer(title, entries, target, published))
    return found


def _words(target: str) -> str:
    return target.replace("_", " ")


def _scores(title: str, entries: Sequence[Entry], published: Published) -> Table:
    """One line for each row and input, then the ceilings and published numbers."""
    lags, species = unique(entries, "lag"), unique(entries, "species")
    # Of bonds there are no pooled scores.
    columns = [(lag, s, name) for lag in lags for s in species for name in ("", " pooled")[: 2 - ("-" in s)]]
    head = [f"{s}, t = {lag:g}{name}" for lag, s, name in columns]
    lines = []
    for row, source, train in unique(entries, "row", "input", "train"):
        mine = select(entries, row=row, input=source, train=list(train) if train else None)
        found = {(e["lag"], e["species"]): e for e in mine}
        cells = [_cell(found.get((lag, s)), pooled=bool(name)) for lag, s, name in columns]
        parameters = mine[0]["parameters"]
        cost = [training_cost(mine[0]), "" if parameters is None else f"{parameters:,}"]
        lines.append([full_name(mine[0]), source, *cells, *cost])
    ceiling = {(e["lag"], e["species"]): v for e in reversed(entries) if (v := value(e, "ceiling"))}
    shown = {(lag, s, ""): f"{v:.3f}" for (lag, s), v in ceiling.items()}
    more = {"ceiling (exact propensity)": shown}
    curves = published.pearson_at(entries[0]["target"], entries[0].get("temperature"))
    for model, curve in curves.items():
        more[f"{model}, published"] = _pooled_over_a(curve, lags)
    for name, cells_of in more.items():
        line = [cells_of.get(column, "") for column in columns]
        lines += [[name, "", *line, "", ""]] if any(line) else []
    return Table(title, ["row", "input", *head, "training", "parameters"], lines)


def _pooled_over_a(curve: Curve, lags: Sequence[float]) -> dict[tuple[Any, ...], str]:
    found = {lag: at_lag(curve, lag) for lag in lags}
    return {(lag, "A", " pooled"): f"{v:.3f}" for lag, v in found.items() if v is not None}


def _cell(entry: Entry | None, pooled: bool = False) -> str:
    found = (entry or {}).get("pearson_pooled" if pooled else "pearson")
    if not found or found[0] is None:
        return ""
    text = f"{found[0]:.3f}"
    # Of one configuration there is no interval over configurations.
    plain = pooled or found[1] is None or (entry or {}).get("configurations") == 1
    return text if plain else f"{text} [{found[1]:.2f}, {found[2]:.2f}]"


def _learning(title: str, entries: Sequence[Entry]) -> Table:
    sizes = sorted({e["train_size"] for e in entries if e["train_size"] is not None})
    lines = [
        [row, source, ", ".join(train), test, f"{lag:g}", *(_cell(found.get(n)) for n in (*sizes, None))]
        for (row, source, train, test, lag), found in learning_curves(entries).items()
    ]
    head = ["row", "input", "trained on", "judged on", "t", *map(str, sizes), "all"]
    return Table(title, head, lines)


def _transfer(title: str, entries: Sequence[Entry], target: str, published: Published) -> Table:
    found = transfers(entries, target)
    judged = {test for matrix in found.values() for _, test in matrix}
    tests = [test for test in unique(entries, "test") if test in judged]
    lines = [
        [row, source, ", ".join(train), *_numbers({t: matrix.get((train, t)) for t in tests})]
        for (row, source), matrix in found.items()
        for train in dict.fromkeys(train for train, _ in matrix)
    ]
    temperatures = {e["test"]: e.get("temperature") for e in entries}
    theirs = published.transfer_to(temperatures) if target == "propensity" else {}
    for (model, trained), by_test in sorted(theirs.items()):
        cells = _numbers({t: by_test.get(t) for t in tests})
        lines.append([f"{model}, published", "", f"T={trained:.2f}", *cells])
    return Table(title, ["row", "input", "trained on", *tests], lines)


def _numbers(found: Mapping[str, float | None]) -> list[str]:
    return ["" if v is None else f"{v:.3f}" for v in found.values()]


def as_csv(entries: Sequence[Entry]) -> str:
    """Every entry as a line; estimates as three columns each."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*PLAIN, *(name + end for name in ESTIMATES for end in ("", "_low", "_high"))])
    for entry in entries:
        plain = {**entry, "train": "+".join(entry["train"] or ())}
        numbers = [v for name in ESTIMATES for v in (entry.get(name) or [None, None, None])]
        cells = ["" if v is None else f"{v:.6g}" for v in numbers]
        writer.writerow([plain.get(name) for name in PLAIN] + cells)
    return buffer.getvalue()
