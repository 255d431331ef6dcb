"""Entries of a benchmark: which belong together, and their tables.

An entry is one row, input, training sets, test set, target, species and lag, with its scores (`judge`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from gensample.benchmark.published import Curve, PublishedNumbers, at_lag

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


# Tables

ESTIMATES = (
    *("pearson", "pearson_pooled", "spearman", "spearman_pooled", "ceiling"),
    *("chi4", "chi4_simulated", "chi4_block", "chi4_block_simulated"),
)
PLAIN = (
    *("row", "kind", "input", "target", "train", "train_size", "test", "temperature", "lag", "species"),
    *("configurations", "seconds", "predict_seconds", "parameters", "reference"),
)


class ScoreTable(NamedTuple):
    """Cells of text under a title: ``names`` columns name a line, ``together`` others are not parted."""

    title: str
    head: list[str]
    lines: list[list[str]]
    names: int = 1
    together: int = 1

    def markdown(self) -> str:
        """The table as Markdown, its title a heading."""
        rows = ["| " + " | ".join(line) + " |" for line in (self.head, *self.lines)]
        return "\n".join([f"## {self.title}\n", rows[0], "|---" * len(self.head) + "|", *rows[1:]]) + "\n"

    def pieces(self, most: int) -> list[ScoreTable]:
        """The table as several of at most ``most`` columns beside the names, without empty lines."""
        step = max(most // self.together, 1) * self.together
        starts = (
            range(self.names, len(self.head), step) if len(self.head) - self.names > most else [self.names]
        )
        return [self._piece(slice(start, start + step if len(starts) > 1 else None)) for start in starts]

    def _piece(self, columns: slice) -> ScoreTable:
        names = slice(self.names)
        lines = [line[names] + line[columns] for line in self.lines if any(line[columns])]
        return self._replace(head=self.head[names] + self.head[columns], lines=lines)


def score_tables(entries: Sequence[Entry], published: PublishedNumbers) -> list[ScoreTable]:
    """Every table that the entries have data for."""
    found = []
    home = at_home(entries)
    for test in unique(home, "test"):
        for target in unique(home, "target"):
            chosen = select(home, test=test, target=target)
            if chosen:
                found.append(_scores(f"Pearson: {test}, {_words(target)}", chosen, published))
    for target in unique([e for e in entries if e["train_size"] is not None], "target"):
        title = f"Pearson (A) against training configurations, {_words(target)}"
        found.append(_learning(title, select(entries, target=target)))
    for target in unique([e for e in entries if is_transfer(e)], "target"):
        title = f"Transfer: Pearson (A), longest lag, trained on / judged on, {_words(target)}"
        found.append(_transfer(title, entries, target, published))
    return found


def _words(target: str) -> str:
    return target.replace("_", " ")


def _scores(title: str, entries: Sequence[Entry], published: PublishedNumbers) -> ScoreTable:
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
    together = len(columns) // len(lags)
    return ScoreTable(title, ["row", "input", *head, "training", "parameters"], lines, 2, together)


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


def _learning(title: str, entries: Sequence[Entry]) -> ScoreTable:
    sizes = sorted({e["train_size"] for e in entries if e["train_size"] is not None})
    lines = [
        [row, source, ", ".join(train), test, f"{lag:g}", *(_cell(found.get(n)) for n in (*sizes, None))]
        for (row, source, train, test, lag), found in learning_curves(entries).items()
    ]
    head = ["row", "input", "trained on", "judged on", "t", *map(str, sizes), "all"]
    return ScoreTable(title, head, lines, 5)


def _transfer(title: str, entries: Sequence[Entry], target: str, published: PublishedNumbers) -> ScoreTable:
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
    return ScoreTable(title, ["row", "input", "trained on", *tests], lines, 3)


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
