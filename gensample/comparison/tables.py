"""The rows of a comparison as text, as Markdown, as tables of its page, and the page with its folder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from gensample.comparison.figures import FIRST, all_plates
from gensample.comparison.opening import count_words, in_text, seconds, verdict
from gensample.comparison.quantities import (
    CONTROLS,
    EVERYONE,
    OfFields,
    OfSets,
    Quantity,
    all_quantities,
)
from gensample.comparison.result import Comparison
from gensample.comparison.rows import (
    MARKS,
    MISSING,
    SIGNS,
    Row,
    aim_words,
    finding,
    group_words,
    number,
    row_of,
    rows,
)
from gensample.report import page
from gensample.report.page import Picture

# Of a terminal

_FIELDS = ("quantity", "target", "generated [95 %]", "verdict", "", "halves", "indep.", "clim.")
_SETS = ("quantity", "simulation", "generated [95 %]", "reweighted", "halves", "verdict", "")
_LONGEST_NAME = 12


def _header(result: Comparison) -> tuple[str, ...]:
    return _SETS if result.of_sets else (*_FIELDS, *(name[:_LONGEST_NAME] for name in result.beside))


def cells(row: Row, beside: Sequence[str] = ()) -> tuple[str, ...]:
    """The cells of a row as text, in the order of the header."""
    words, mark = row.verdict
    generated, judged = row.text("generated", interval=True), (words, SIGNS[mark])
    if not isinstance(row.quantity, OfFields):
        others = (row.text("reweighted"), row.text("halves"))
        return (row.label, row.text("simulated"), generated, *others, *judged)
    controls = (row.text(name) for name in (*CONTROLS, *beside))
    return (row.label, row.shown(row.target), generated, *judged, *controls)


def heading(result: Comparison, k: int, group: str) -> str:
    """What a block of rows is of."""
    if not result.of_sets:
        return f"t = {result.levels[k]:g} τ, {group_words(group)}"
    counts = result.blocks[k]["configurations"]
    return (
        f"T = {result.levels[k]:g}: {counts['generated']} generated, {counts['simulated']} simulated "
        "configurations"
    )


def _blocks(
    result: Comparison, groups: Sequence[str] | None, main: bool
) -> Iterator[tuple[int, str, list[Row]]]:
    """(level, group, rows) of every block of a table: of the first species and of all together when no groups
    are given; all groups of configurations in one.
    """
    first = [*result.species[:1], *(g for g in result.groups if g == EVERYONE)]
    for k in range(len(result.levels)):
        if result.of_sets:
            yield k, EVERYONE, rows(result, k, main=main)
        else:
            yield from ((k, g, rows(result, k, g, main)) for g in (first if groups is None else groups))


def to_text(result: Comparison, groups: Sequence[str] | None = None, main: bool = True) -> str:
    """Plain-text table of the main quantities, a block for each level and group, and what they say."""
    header = _header(result)
    blocks = [
        (k, g, [cells(r, result.beside) for r in found]) for k, g, found in _blocks(result, groups, main)
    ]
    lines = [header, *(line for _, _, block in blocks for line in block)]
    widths = [max(len(line[c]) for line in lines) for c in range(len(header))]
    text = [_aligned(header, widths)]
    for k, group, block in blocks:
        text += ["", heading(result, k, group), *(_aligned(line, widths) for line in block)]
        text += [words] if (words := weight_words(result, k)) else []
    if not result.of_sets:
        found = finding(result)
        text += ["", found] if found else []
        text += ["", in_text(result)]
    return "\n".join(text)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    """A line of a plain-text table: the first cell to the left, the others to the right."""
    first = line[0].ljust(widths[0])
    return "  ".join([first, *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]).rstrip()


def to_markdown(result: Comparison, groups: Sequence[str] | None = None, main: bool = True) -> str:
    """One markdown table of displacements, with the lag and species in front of every row."""
    header = ("t / τ", "species", *_header(result))
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    for k, group, found in _blocks(result, groups, main):
        for r in found:
            texts = (cell.replace("|", "\\|") for cell in cells(r, result.beside))
            lines.append("| " + " | ".join((f"{result.levels[k]:g}", group, *texts)) + " |")
    return "\n".join(lines)


def weight_words(result: Comparison, k: int) -> str:
    """The effective sample size in a sentence; empty without weights."""
    w = result.blocks[k].get("weights")
    if w is None:
        return ""
    text = f"Effective sample size {number(w['size'])} of {w['samples']} ({100 * w['fraction']:.2g} %)"
    if not w["enough"]:
        text += ", from fewer than 1,000 samples: indicative only"
    if w["largest"] is not None:
        text += (
            f"; the largest weight is {number(w['largest'])} of the sum; "
            f"standard deviation of ln w {number(w['log_std'])}"
        )
    return text + f"; weights not finite: {w['not_finite']}."


# Of the page


class Cell(NamedTuple):
    """Text of a cell, its class and what shows when it is hovered over."""

    text: str
    css: str = ""
    title: str = ""


class CellTable(NamedTuple):
    """A caption, the header and the rows, whose first cells head them."""

    caption: str
    head: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    css: str = ""


def symbol_html(symbol: str) -> Markup:
    """A symbol whose ``_x`` is a subscript, all letters of it."""
    return Markup(re.sub(r"_([A-Za-zμ]+)", r"<sub>\1</sub>", str(escape(symbol))))


def _named(label: str, symbol: str, meaning: str = "") -> Cell:
    """Row heading that shows its definition when hovered over."""
    if not symbol:
        return Cell(label, title=meaning)
    shown = Markup('{} <span class="symbol">{}</span>').format(label, symbol_html(symbol))
    return Cell(shown, title=meaning)


def _head(row: Row) -> Cell:
    of_fields = isinstance(row.quantity, OfFields)
    return _named(row.quantity.label if of_fields else row.label, row.symbol, row.quantity.meaning)


def _verdict(row: Row) -> Cell:
    words, mark = row.verdict
    return Cell(f"{words} {SIGNS[mark]}", f"verdict {mark}", MARKS[mark])


def full_table(result: Comparison, k: int, group: str, main: bool = False) -> CellTable:
    """The table of one level and group of displacements, or of one temperature."""
    weighed = result.of_sets and result.blocks[k].get("weights") is not None
    first = [Cell("quantity", "words"), *map(Cell, ("simulation", "generated", "95 % interval"))]
    if result.of_sets:
        found = rows(result, k, main=main)
        others = [*[Cell("reweighted")] * weighed, Cell("halves", "control"), Cell("verdict")]
    else:
        found = rows(result, k, group, main)
        others = [
            Cell("best"),
            Cell("verdict"),
            *(Cell(name, "control") for name in (*CONTROLS, *result.beside)),
        ]
    return CellTable(
        heading(result, k, group), [*first, *others], [_cells(row, result, weighed) for row in found]
    )


def _cells(row: Row, result: Comparison, weighed: bool) -> list[Cell]:
    first = [
        _head(row),
        Cell(row.text("simulated"), title=row.bounds("simulated")),
        Cell(row.text("generated"), "generated"),
        Cell(row.bounds("generated"), "interval"),
    ]
    if result.of_sets:
        reweighted = [Cell(row.text("reweighted"), title=row.bounds("reweighted"))] if weighed else []
        return [*first, *reweighted, Cell(row.text("halves"), "control", row.bounds("halves")), _verdict(row)]
    best = MISSING if row.quantity.kind == "pair" else row.shown(row.target)
    controls = [Cell(row.text(name), "control") for name in (*CONTROLS, *result.beside)]
    return [*first, Cell(best), _verdict(row), *controls]


def glance_table(result: Comparison, group: str) -> CellTable:
    """Main quantities against lag for one group: generated value, what it is measured by, and mark."""
    lags = range(len(result.levels))
    body = []
    for q in (q for q in all_quantities(OfFields, main=True) if q.is_row):
        for line in zip(*(row_of(result, k, group, q) for k in lags), strict=True):
            if any(row.generated.defined for row in line):
                body.append([_head(line[0]), Cell(aim_words(q), "aim"), *map(_glance, line)])
    caption = group_words(group)
    times = (Cell(f"t = {t:g} τ") for t in result.levels)
    head = [Cell("quantity", "words"), Cell("aim"), *times]
    return CellTable(caption[0].upper() + caption[1:], head, body)


def _glance(row: Row) -> Cell:
    if not row.generated.defined:
        return Cell(MISSING)
    words, mark = row.verdict
    note = f" / {row.shown(row.target)}" if row.target.defined else ""
    shown = Markup('<b>{}</b><span class="against">{}</span> {}').format(
        row.text("generated"), note, SIGNS[mark]
    )
    return Cell(shown, f"verdict {mark}", f"{words}; {MARKS[mark]}")


def weight_table(result: Comparison) -> CellTable | None:
    """Diagnostics of the weights at every temperature that has them; None where none has."""
    names = ("T", "samples", "effective size", "share", "largest weight", "sd of log w", "not finite", "")
    body = []
    for level, block in zip(result.levels, result.blocks, strict=True):
        w = block["weights"]
        if w is not None:
            note = "" if w["enough"] else "fewer than 1,000 samples: indicative only"
            numbers = (
                number(w["size"]),
                f"{100 * w['fraction']:.2g} %",
                number(w["largest"]),
                number(w["log_std"]),
            )
            texts = (f"{level:g}", str(w["samples"]), *numbers, str(w["not_finite"]), note)
            body.append([Cell(text) for text in texts])
    return (
        CellTable("Weights of the reweighted columns", [Cell(name) for name in names], body) if body else None
    )


def cost_table(result: Comparison) -> CellTable | None:
    """Core-seconds of a simulated replica and of a generated one, beside each other; None where unknown."""
    costs: Mapping[str, float | None] = result.meta.get("core_seconds", {})
    known = costs.get("simulated")
    body = []
    for name, cost in costs.items():
        relative = ratio_words(cost / known) if cost and known and name != "simulated" else ""
        body.append([Cell(name), Cell(seconds(cost)), Cell(relative)])
    head = ("", "core-seconds of a replica, to its longest lag", "of a simulated one")
    return CellTable("", [Cell(text) for text in head], body, "cost") if body else None


def ratio_words(of: float) -> str:
    """A ratio of costs as a percentage, or as so many times where it is above one."""
    return f"{100 * of:.2g} %" if of <= 1 else f"{of:.2g} ×"


def glossary(of: type[Quantity]) -> CellTable:
    """Every row, what it means and its aim."""
    words = [Cell("quantity", "words"), Cell("meaning", "words"), Cell("aim")]
    body = [
        [_named(q.label, q.symbol), Cell(q.meaning, "words"), Cell(aim_words(q))]
        for q in all_quantities(of)
        if q.is_row
    ]
    return CellTable("", words, body)


FEW = 10  # configurations below which a bootstrap interval is only indicative
_COMMON = ("mixture", "particles", "temperature", "density", "truncation")


def write_report(result: Comparison, folder: str | Path) -> Path:
    """Write metrics.json, curves/*.csv, figures/*.png and *.svg, and index.html; the path of the page.

    Raises:
        ConfigError: ``folder`` exists and is not an earlier report.
    """
    return page.write_folder(
        folder, result.metrics, result.curves, all_plates(result), partial(page_of, result)
    )


def page_of(result: Comparison, pictures: Sequence[Picture], curves: Iterable[str]) -> str:
    """The page; ``curves`` are the relative paths of the CSV files it links to."""
    first = [p for p in pictures if p.name == FIRST]
    others = [p for p in pictures if p.name != FIRST]
    content = {"meta": result.meta, "pictures": others, "curves": list(curves), "few": FEW}
    content |= {"compared": _facts(result), "levels": result.levels, "verdict": verdict(result)}
    lags = range(len(result.levels))
    if result.of_sets:
        known = bool(result.curves.get("energy"))
        unknown = "" if known else " The potential of the liquid is not known: there are no energies."
        return page.fill_template(
            "configurations.html",
            title=f"{_name(result, 'generated')} against simulation: configurations",
            lead=count_words(result) + unknown,
            glance=[full_table(result, k, EVERYONE, main=True) for k in lags],
            tables=[full_table(result, k, EVERYONE) for k in lags],
            weights=weight_table(result),
            glossary=glossary(OfSets),
            blocks=result.blocks,
            **content,
        )
    # Whether futures are configurations is asked before how far they moved.
    groups = sorted(result.groups, key=lambda group: group != EVERYONE)
    return page.fill_template(
        "displacements.html",
        title=f"{_name(result, 'generated')} against simulation",
        lead=count_words(result),
        first=first,
        cost=cost_table(result),
        finding=finding(result),
        glance=[glance_table(result, g) for g in groups],
        tables=[full_table(result, k, g) for g in groups for k in lags],
        glossary=glossary(OfFields),
        beside=result.beside,
        marks=MARKS,
        signs=SIGNS,
        **content,
    )


def _name(result: Comparison, side: str) -> str:
    unknown = {"generated": "generated", "simulated": "the simulated data"}
    return str(result.meta.get(side, {}).get("name", unknown[side]))


def _list(numbers: Sequence[float]) -> str:
    return ", ".join(f"{x:g}" for x in numbers)


def _facts(result: Comparison) -> list[tuple[str, Mapping[str, Any]]]:
    """(heading, facts) of what both have in common, of simulation, of generated and of what is beside."""
    meta, levels = result.meta, _list(result.levels)
    sim, gen = meta.get("simulated", {}), meta.get("generated", {})
    bootstrap = f"{meta['bootstrap']} resamples, seed {meta.get('seed')}" if "bootstrap" in meta else None
    if result.of_sets:
        common = {name: sim.get(name) for name in _COMMON if name not in ("particles", "temperature")}
        counts = {
            side: ", ".join(str(block["configurations"][side]) for block in result.blocks)
            for side in ("simulated", "generated")
        }
        both = {**common, "temperature": levels, "predictor": meta.get("predictor"), "bootstrap": bootstrap}
        ours = {"configurations": counts["simulated"], "split": meta.get("split"), **sim}
        theirs = {"configurations": counts["generated"], **gen}
    else:
        common = {name: sim.get(name) for name in _COMMON}
        both = {**common, "lag times / τ": levels, "configurations": meta.get("configurations")}
        both |= {"split": meta.get("split"), "bootstrap": bootstrap}
        ours, theirs = sim, gen
    told = {"name", *common}
    sides = [{k: v for k, v in side.items() if k not in told} for side in (ours, theirs)]
    titles = ("Both sets" if result.of_sets else "Both ensembles", "Simulation", "Generated")
    return [*zip(titles, (both, *sides), strict=True), *meta.get("further", {}).items()]
