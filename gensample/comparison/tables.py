"""The comparison as rows, and the rows as text, markdown or HTML."""

import html
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gensample.comparison.glossary import MAIN, QUANTITIES, group_words
from gensample.comparison.metrics import NAN, Metrics, Number
from gensample.comparison.quantities import Words
from gensample.comparison.verdicts import BEYOND, MARKS, SIGNS, Evidence, Mark, verdict
from gensample.report.style import CONTROLS
from gensample.stats.metrics import REFERENCES

MISSING = "–"


@dataclass(frozen=True)
class Row:
    """One quantity at one lag and species: simulation, generated, best possible, verdict, other sources.

    ``controls`` are the controls and then what is shown beside, ``correlation`` is that of the errors of
    generated and target, ``draws`` the least number of replicas of either source.
    """

    quantity: Words
    simulation: Number
    generated: Number
    best: Number
    controls: tuple[Number, ...]
    correlation: float = 0.0
    draws: float = NAN

    @property
    def target(self) -> Number:
        """What the generated value is judged by."""
        return self.simulation if self.quantity.kind == "pair" else self.best

    def shown(self, x: Number, interval: bool = False) -> str:
        """A value of the row, with the decimals that its aim asks for."""
        return number(x, interval, self.decimals)

    @property
    def decimals(self) -> int:
        """Decimals that show a deviation as small as an aim that is not relative; 0 for all others."""
        q = self.quantity
        exact = q.aim is not None and (q.absolute or q.kind == "nominal")
        return 1 + math.floor(-math.log10(q.aim)) if exact and q.aim else 0

    @property
    def verdict(self) -> tuple[str, Mark]:
        """Words and mark that say how near generated is to what it should be."""
        return verdict(self.quantity, Evidence(self.generated, self.target, self.correlation, self.draws))


def _read(metrics: Metrics, k: int, species: str, source: str, quantity: Words) -> Number:
    if quantity.at is None:
        return metrics.get(k, species, source, quantity.name)
    profile = metrics.profile(k, species, source, quantity.name)
    return Number(*profile[_nearest(metrics, quantity.at, len(profile))]) if len(profile) else Number(NAN)


def _nearest(metrics: Metrics, distance: float, bins: int) -> int:
    return int(np.abs(metrics.distances[:bins] - distance).argmin())


def _correlation(metrics: Metrics, k: int, species: str, quantity: Words) -> float:
    found = (metrics.entry(k, species, "generated", quantity.name) or {}).get("correlation")
    if isinstance(found, list):
        found = found[_nearest(metrics, quantity.at or 0.0, len(found))]
    return 0.0 if found is None else float(found)


def _best(metrics: Metrics, k: int, species: str, quantity: Words) -> Number:
    reference = quantity.reference or REFERENCES.get(quantity.name)
    if reference is None:
        return Number(NAN)
    if isinstance(reference, float):
        return Number(reference, reference, reference)
    return metrics.get(k, species, "generated", reference)


def row(metrics: Metrics, k: int, species: str, quantity: Words) -> Row:
    """One row of the table of lag index ``k`` and ``species``."""
    return Row(
        quantity,
        _read(metrics, k, species, "simulated", quantity),
        _read(metrics, k, species, "generated", quantity),
        _best(metrics, k, species, quantity),
        tuple(_read(metrics, k, species, name, quantity) for name in (*CONTROLS, *metrics.beside)),
        _correlation(metrics, k, species, quantity),
        metrics.draws(quantity.source),
    )


def rows(metrics: Metrics, k: int, species: str, names: Sequence[str] | None = None) -> list[Row]:
    """Rows that have a generated value, of all quantities or of ``names``."""
    wanted = [q for q in QUANTITIES if names is None or q.name in names]
    found = [row(metrics, k, species, q) for q in wanted]
    return [r for r in found if r.generated.defined]


def aim_words(quantity: Words) -> str:
    """The aim of a quantity, in words."""
    if quantity.aim is None:
        return ""
    if quantity.name == "c2st":
        return f"at most {quantity.aim:g}"
    if quantity.kind == "nominal":
        return f"{quantity.reference:g} ± {quantity.aim:g}"
    if quantity.absolute:
        return f"within {quantity.aim:g}"
    if quantity.kind == "floor":
        return f"at most {quantity.aim:g} × floor"
    if quantity.kind == "ceiling":
        return f"at least {100 * quantity.aim:.0f} % of best"
    return f"within {100 * quantity.aim:.0f} %"


HUGE = 1e6  # written with an exponent from here on: energies of overlapping particles


def _decimals(value: float) -> int:
    """Decimals that show three significant digits of ``value``, two below 0.1, and no more than five."""
    size = abs(value)
    if size < 5e-6:
        return 0
    return max(0, min(5, (2 if size >= 0.1 else 1) - math.floor(math.log10(size))))


def number(x: Number, interval: bool = False, least: int = 0) -> str:
    """Two or three significant digits, ``least`` decimals, and the interval to the same ones when asked."""
    if not x.defined:
        return MISSING
    text = _digits(x.value, x.value, least)
    shown = interval and abs(x.value) < HUGE
    if shown and math.isfinite(x.low) and math.isfinite(x.high):
        text += f" [{_digits(x.low, x.value, least)}, {_digits(x.high, x.value, least)}]"
    return text.replace("-", "−")


def _digits(number: float, value: float, least: int = 0) -> str:
    """A number to the decimals that ``value`` is shown with, huge ones with an exponent."""
    if abs(number) >= HUGE:
        return f"{number:.2g}"
    places = 0 if abs(value) >= HUGE else _decimals(value)
    if 0 < abs(value) < 1000:
        places = max(places, least)
    return f"{number:.{places}f}" if places or abs(number) >= 1 else "0"


HEADER = ("quantity", "target", "generated [95 %]", "verdict", "", "halves", "indep.", "clim.")
_LONGEST_NAME = 12


def _header(metrics: Metrics) -> tuple[str, ...]:
    return (*HEADER, *(name[:_LONGEST_NAME] for name in metrics.beside))


def cells(r: Row) -> tuple[str, ...]:
    """The cells of a row as text, in the order of the header; the target is simulation, ceiling or floor."""
    words, mark = r.verdict
    return (
        r.quantity.short,
        r.shown(r.target),
        r.shown(r.generated, interval=True),
        words,
        SIGNS[mark],
        *(r.shown(c) for c in r.controls),
    )


def _heading(metrics: Metrics, k: int, species: str) -> str:
    return f"t = {metrics.times[k]:g} τ, {group_words(species)}"


def _chosen(metrics: Metrics, groups: Sequence[str] | None) -> list[tuple[int, str]]:
    """Lag and species of every block of a table: when none are given, the first and all together."""
    first = [*metrics.species[:1], *(g for g in metrics.groups if g == "all")]
    return [(k, s) for k in range(len(metrics.times)) for s in (first if groups is None else groups)]


def to_text(
    metrics: Metrics, species: Sequence[str] | None = None, names: Sequence[str] | None = MAIN
) -> str:
    """Plain-text table of the main quantities, a block for each lag and species.

    Of the first species and of all particles together when none is given.
    """
    blocks = [
        (_heading(metrics, k, s), [cells(r) for r in rows(metrics, k, s, names)])
        for k, s in _chosen(metrics, species)
    ]
    header = _header(metrics)
    lines = [header, *(line for _, block in blocks for line in block)]
    widths = [max(len(line[c]) for line in lines) for c in range(len(header))]
    text = [aligned(header, widths)]
    for heading, block in blocks:
        text += ["", heading, *(aligned(line, widths) for line in block)]
    found = finding(metrics)
    return "\n".join([*text, "", found] if found else text)


def judged_rows(metrics: Metrics) -> Iterator[tuple[float, str, Row]]:
    """(lag time, species, row) of every row that has an aim."""
    for k, time in enumerate(metrics.times):
        for s in metrics.groups:
            yield from ((time, s, r) for r in rows(metrics, k, s) if r.quantity.aim is not None)


def finding(metrics: Metrics) -> str:
    """A sentence that names what is too good to be true, and why; empty where nothing is."""
    places = [
        f"{r.quantity.short} ({s}, t = {time:g})"
        for time, s, r in judged_rows(metrics)
        if r.verdict[1] == "beyond"
    ]
    return f"! {', '.join(places)}: {BEYOND}" if places else ""


def with_verdicts(metrics: Metrics) -> Metrics:
    """The metrics with the verdict of every judged row, and what was found, for metrics.json."""
    verdicts = []
    for time, s, r in judged_rows(metrics):
        words, mark = r.verdict
        entry = {"time": time, "species": s, "quantity": r.quantity.name, "at": r.quantity.at}
        verdicts.append({**entry, "verdict": mark, "words": words, "meaning": MARKS[mark]})
    return Metrics({**metrics.data, "verdicts": verdicts, "finding": finding(metrics)})


def aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    """A line of a plain-text table: the first cell to the left, the others to the right."""
    first = line[0].ljust(widths[0])
    return "  ".join([first, *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]).rstrip()


def to_markdown(
    metrics: Metrics, species: Sequence[str] | None = None, names: Sequence[str] | None = MAIN
) -> str:
    """One markdown table, with the lag and species in front of every row."""
    header = ("t / τ", "species", *_header(metrics))
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    for k, s in _chosen(metrics, species):
        for r in rows(metrics, k, s, names):
            line = (f"{metrics.times[k]:g}", s, *(cell.replace("|", "\\|") for cell in cells(r)))
            lines.append("| " + " | ".join(line) + " |")
    return "\n".join(lines)


def to_html(metrics: Metrics, k: int, species: str) -> str:
    """The full table of one lag and species; definitions show as tooltips."""
    header = (*_HTML_HEADER, *metrics.beside)
    head = "".join(f'<th scope="col"{_th(i)}>{html.escape(h)}</th>' for i, h in enumerate(header))
    body = "\n".join(_html_row(r) for r in rows(metrics, k, species))
    caption = html.escape(_heading(metrics, k, species))
    return table_html(caption, head, body)


def table_html(caption: str, head: str, body: str) -> str:
    """A table of finished rows."""
    return (
        f"<table><caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody></table>"
    )


_HTML_HEADER = ("quantity", "simulation", "generated", "95 % interval", "best", "verdict", *CONTROLS)


def _th(index: int) -> str:
    return ' class="control"' if index > 5 else ' class="words"' if index == 0 else ""


def _label(quantity: Words) -> str:
    """Row heading that shows its definition when hovered over."""
    meaning = html.escape(quantity.meaning, quote=True)
    symbol = f'<span class="symbol">{symbol_html(quantity.symbol)}</span>'
    return f'<th scope="row" title="{meaning}">{html.escape(quantity.label)} {symbol}</th>'


def symbol_html(symbol: str) -> str:
    """A symbol whose ``_x`` is a subscript, all letters of it."""
    return re.sub(r"_([A-Za-zμ]+)", r"<sub>\1</sub>", html.escape(symbol))


def _html_row(r: Row) -> str:
    words, mark = r.verdict
    best = MISSING if r.quantity.kind == "pair" else r.shown(r.best)
    return (
        f"<tr>{_label(r.quantity)}"
        f'<td title="{interval_words(r.simulation, r.decimals)}">{r.shown(r.simulation)}</td>'
        f'<td class="generated">{r.shown(r.generated)}</td>'
        f'<td class="interval">{interval_words(r.generated, r.decimals)}</td>'
        f"<td>{best}</td>"
        f'<td class="verdict {mark}" title="{MARKS[mark]}">{html.escape(words)} {SIGNS[mark]}</td>'
        + "".join(f'<td class="control">{r.shown(c)}</td>' for c in r.controls)
        + "</tr>"
    )


def interval_words(x: Number, least: int = 0) -> str:
    """The bounds of an interval, to the digits of its value."""
    if not (x.defined and math.isfinite(x.low) and math.isfinite(x.high)):
        return MISSING
    low, high = (_digits(bound, x.value, least) for bound in (x.low, x.high))
    return f"{low} … {high}".replace("-", "−")


def glance_html(metrics: Metrics, species: str) -> str:
    """Main quantities against lag for one species: generated value, what it is measured by, and mark."""
    head = "".join(f'<th scope="col">t = {t:g} τ</th>' for t in metrics.times)
    body = []
    for quantity in (q for q in QUANTITIES if q.name in MAIN):
        line = [row(metrics, k, species, quantity) for k in range(len(metrics.times))]
        if any(r.generated.defined for r in line):
            values = "".join(_glance_cell(r) for r in line)
            aim = f'<td class="aim">{html.escape(aim_words(quantity))}</td>'
            body.append(f"<tr>{_label(quantity)}{aim}{values}</tr>")
    columns = '<th scope="col" class="words">quantity</th><th scope="col">aim</th>'
    caption = group_words(species)
    return table_html(html.escape(caption[0].upper() + caption[1:]), columns + head, "\n".join(body))


def _glance_cell(r: Row) -> str:
    if not r.generated.defined:
        return f"<td>{MISSING}</td>"
    words, mark = r.verdict
    note = f" / {r.shown(r.target)}" if r.target.defined else ""
    return (
        f'<td class="verdict {mark}" title="{html.escape(words)}; {MARKS[mark]}">'
        f'<b>{r.shown(r.generated)}</b><span class="against">{note}</span> {SIGNS[mark]}</td>'
    )
