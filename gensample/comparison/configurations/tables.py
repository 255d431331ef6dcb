"""Tables of the comparison of configurations, for the terminal and the page."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

from gensample.comparison.configurations.content import WHOLE, Content
from gensample.comparison.configurations.glossary import QUANTITIES, Quantity
from gensample.comparison.metrics import NAN, Number
from gensample.comparison.tables import HUGE, MISSING, aligned, number, table_html
from gensample.comparison.verdicts import MARKS, SIGNS, Evidence, Mark, below, within
from gensample.report.style import SOURCES

COLUMNS = ("simulated", "generated", "reweighted", "halves")


@dataclass(frozen=True)
class Row:
    """One quantity of one part at one temperature.

    ``sd`` is that of the simulated energies; ``infinite`` whether some generated energies are, and with them
    their mean.
    """

    quantity: Quantity
    of: str
    values: dict[str, Number]
    sd: float
    infinite: bool = False

    @property
    def label(self) -> str:
        """Name for a terminal."""
        return self.quantity.label if self.of == WHOLE else f"{self.quantity.label}, {self.of}"

    @property
    def verdict(self) -> tuple[str, Mark]:
        """Words and mark that say how far generated is from its aim."""
        if self.quantity.aim is None:
            return "", "none"
        if not self.values["generated"].defined:
            return ("infinite", "off") if self.infinite else ("", "none")
        judge = {"gap": self._gap, "pair": self._pair, "floor": self._floor}[self.quantity.kind]
        return judge(self.quantity.aim)

    def _gap(self, aim: float) -> tuple[str, Mark]:
        gap = self.values["generated"]
        if not self.sd > 0:
            return "", "none"
        words = f"{gap.value / self.sd:+.2g} sd".replace("-", "−")
        # Within aim * sd of zero: gap + sd within aim of sd, which has no error of its own here.
        shifted = Number(gap.value + self.sd, gap.low + self.sd, gap.high + self.sd)
        return words, _known(shifted, within(Evidence(shifted, Number(self.sd, self.sd, self.sd)), aim))

    def _pair(self, aim: float) -> tuple[str, Mark]:
        sim, gen = self.values["simulated"], self.values["generated"]
        if not sim.defined or abs(sim.value) < 1e-12:
            return "", "none"
        change = gen.value / sim.value - 1
        # Adding zero turns -0.0 into 0.0.
        words = f"{round(100 * change, 1 if abs(change) < 0.095 else 0) + 0.0:+g} %"
        if abs(change) > 99:
            words = f"× {number(Number(gen.value / sim.value))}"
        return words.replace("-", "−"), _known(gen, within(Evidence(gen, sim), aim))

    def _floor(self, aim: float) -> tuple[str, Mark]:
        gen, floor = self.values["generated"], self.values["halves"]
        if not floor.defined or floor.value <= 0:
            return "", "none"
        ratio = gen.value / floor.value
        shown = f"{ratio:.1f}" if ratio < 100 else number(Number(ratio))
        # The intervals of distances are ranges over splits: the mean of the halves has no error of its own.
        mark: Mark = (
            "beyond"
            if gen.high < floor.low
            else below(Evidence(gen, Number(floor.value, floor.value, floor.value)), aim)
        )
        return f"{shown} × halves", _known(gen, mark)

    def text(self, source: str, interval: bool = False) -> str:
        """A value to the digits that its quantity asks for."""
        if self.infinite and source == "generated" and not self.values[source].defined:
            return "∞"
        return decimal(self.values[source], self.quantity.places, interval)

    def bounds(self, source: str) -> str:
        """Its interval."""
        x = self.values[source]
        if not (x.defined and math.isfinite(x.low) and math.isfinite(x.high)):
            return MISSING
        if abs(x.value) >= HUGE or not x.value:
            return f"{x.low:.2g} … {x.high:.2g}".replace("-", "−")
        return self.text(source, interval=True).partition("[")[2].rstrip("]").replace(", ", " … ")


def decimal(x: Number, places: int | None, interval: bool = False) -> str:
    """A number with so many decimals, or with two or three significant digits."""
    if places is None or not x.defined or abs(x.value) >= 100:
        return number(x, interval=interval)
    text = f"{x.value:.{places}f}"
    if interval and math.isfinite(x.low) and math.isfinite(x.high):
        text += f" [{x.low:.{places}f}, {x.high:.{places}f}]"
    return text.replace("-", "−")


def _known(generated: Number, mark: Mark) -> Mark:
    """``mark``, where there is an interval to support it."""
    return mark if math.isfinite(generated.low) else "few"


def rows(content: Content, k: int, main: bool = False) -> list[Row]:
    """Rows of temperature number ``k``; those of the main table, or all."""
    found = []
    for quantity in QUANTITIES:
        name = quantity.name
        family = name if name.endswith("energy") else name.rpartition("_")[0]
        sd = content.get(k, f"{family}_sd", WHOLE, "simulated").value if quantity.kind == "gap" else NAN
        infinite = content.get(k, f"{family}_not_finite", WHOLE, "generated").value > 0
        for of in content.parts(k, name):
            values = {source: content.get(k, name, of, source) for source in COLUMNS}
            if _wanted(quantity, values, infinite) or (not main and not name.endswith("not_finite")):
                found.append(Row(quantity, of, values, sd, infinite))
    return found


def _wanted(quantity: Quantity, values: dict[str, Number], infinite: bool) -> bool:
    """Whether a row belongs to the main table: infinite energies are counted there, beside the median."""
    if quantity.name.endswith("not_finite"):
        return any(x.value > 0 for x in values.values() if x.defined)
    return quantity.main or (infinite and quantity.name.endswith("median"))


HEADER = ("quantity", "simulation", "generated [95 %]", "reweighted", "halves", "verdict", "")


def to_text(content: Content) -> str:
    """Plain-text table of the main quantities, a block for each temperature, energy gap first."""
    blocks = []
    for k in range(len(content.temperatures)):
        lines = [_cells(row) for row in rows(content, k, main=True)]
        blocks.append((heading(content, k), lines, weight_words(content, k)))
    every = [HEADER, *(line for _, lines, _ in blocks for line in lines)]
    widths = [max(len(line[c]) for line in every) for c in range(len(HEADER))]
    text = [aligned(HEADER, widths)]
    for title, lines, weighed in blocks:
        text += ["", title, *(aligned(line, widths) for line in lines)]
        text += [weighed] if weighed else []
    return "\n".join(text)


def heading(content: Content, k: int) -> str:
    """Temperature and numbers of configurations."""
    counts = content.block(k)["configurations"]
    return (
        f"T = {content.temperatures[k]:g}: {counts['generated']} generated, {counts['simulated']} simulated "
        f"configurations"
    )


def _cells(row: Row) -> tuple[str, ...]:
    words, mark = row.verdict
    values = [row.text(c, interval=c == "generated") for c in COLUMNS]
    return (row.label, *values, words, SIGNS[mark])


def weight_words(content: Content, k: int) -> str:
    """The effective sample size in a sentence; empty without weights."""
    w = content.block(k)["weights"]
    if w is None:
        return ""
    share = f"{100 * w['fraction']:.2g} %"
    text = f"Effective sample size {number(Number(w['size']))} of {w['samples']} ({share})"
    if not w["enough"]:
        text += ", from fewer than 1,000 samples: indicative only"
    if w["largest"] is not None:
        text += (
            f"; the largest weight is {number(Number(w['largest']))} of the sum; "
            f"standard deviation of ln w {number(Number(w['log_std']))}"
        )
    return text + f"; weights not finite: {w['not_finite']}."


_HTML_HEADER = ("quantity", "simulation", "generated", "95 % interval", "reweighted", "halves", "verdict")


def to_html(content: Content, k: int, main: bool = False) -> str:
    """The table of one temperature; definitions show as tooltips."""
    head = "".join(
        f'<th scope="col"{_th(name)}>{html.escape(name)}</th>'
        for name in _HTML_HEADER
        if name != "reweighted" or content.block(k)["weights"] is not None
    )
    weighed = content.block(k)["weights"] is not None
    body = "\n".join(_html_row(row, weighed) for row in rows(content, k, main))
    return table_html(html.escape(heading(content, k)), head, body)


def _th(name: str) -> str:
    return ' class="words"' if name == "quantity" else ' class="control"' if name == "halves" else ""


def _html_row(row: Row, weighed: bool) -> str:
    words, mark = row.verdict
    meaning = html.escape(row.quantity.meaning, quote=True)
    reweighted = f'<td title="{row.bounds("reweighted")}">{row.text("reweighted")}</td>' if weighed else ""
    return (
        f'<tr><th scope="row" title="{meaning}">{html.escape(row.label)}</th>'
        f'<td title="{row.bounds("simulated")}">{row.text("simulated")}</td>'
        f'<td class="generated">{row.text("generated")}</td>'
        f'<td class="interval">{row.bounds("generated")}</td>'
        f'{reweighted}<td class="control" title="{row.bounds("halves")}">{row.text("halves")}</td>'
        f'<td class="verdict {mark}" title="{MARKS[mark]}">{html.escape(words)} {SIGNS[mark]}</td></tr>'
    )


def aim_words(quantity: Quantity) -> str:
    """The aim of a quantity, in words."""
    if quantity.aim is None:
        return ""
    if quantity.kind == "gap":
        return f"within {quantity.aim:g} sd of simulation"
    if quantity.kind == "floor":
        return f"at most {quantity.aim:g} × halves"
    return f"within {100 * quantity.aim:.0f} %"


def weight_table(content: Content, ks: Sequence[int]) -> str:
    """Diagnostics of the weights at every temperature that has them; empty where none has."""
    names = ("T", "samples", "effective size", "share", "largest weight", "sd of log w", "not finite", "")
    body = []
    for k in ks:
        w = content.block(k)["weights"]
        if w is not None:
            size, largest, spread = (
                number(Number(NAN if w[key] is None else w[key])) for key in ("size", "largest", "log_std")
            )
            note = "" if w["enough"] else "fewer than 1,000 samples: indicative only"
            cells = (
                f"{content.temperatures[k]:g}", str(w["samples"]), size, f"{100 * w['fraction']:.2g} %",
                largest, spread, str(w["not_finite"]), note,
            )  # fmt: skip
            body.append("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in cells) + "</tr>")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    label = SOURCES["reweighted"].label
    return table_html(f"Weights of the {label} columns", head, "\n".join(body)) if body else ""
