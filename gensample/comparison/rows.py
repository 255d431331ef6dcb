"""Rows of tables and their verdicts: what values and their intervals allow to be said."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gensample.comparison.quantities import (
    CONTROLS,
    EVERYONE,
    OfFields,
    OfSets,
    Quantity,
    all_quantities,
)
from gensample.comparison.result import Comparison
from gensample.stats.intervals import NAN, Number, difference

Mark = Literal["good", "near", "off", "beyond", "few", "none"]
SIGNS: dict[Mark, str] = {"good": "✓", "near": "≈", "off": "✗", "beyond": "!", "few": "?", "none": ""}
MARKS: dict[Mark, str] = {
    "good": "within the aim, and so is the whole interval",
    "near": "the interval reaches across the aim: these data cannot tell",
    "off": "outside the aim, and so is the whole interval",
    "beyond": "better than a perfect sampler, by more than the interval",
    "few": "too few draws or configurations to judge this",
    "none": "not judged",
}
BEYOND = (
    "better than a perfect sampler with as many draws can be, by more than the interval. Likely reasons: "
    "generated and simulated fields share replicas or their random numbers, or the generator has seen these "
    "data. Such numbers say nothing about the generator."
)
MISSING = "–"
HUGE = 1e6  # written with an exponent from here on: energies of overlapping particles


@dataclass(frozen=True, repr=False)
class Row:
    """One quantity of one group at one level: its numbers by source, and the verdict.

    ``target`` is what generated is judged by: simulation, a ceiling or a floor; ``correlation`` that of the
    errors of the two; ``draws`` the least number of replicas of either source; ``at`` where a function is
    read; ``sd`` the standard deviation of simulated energies, in which a gap is measured; ``infinite``: some
    generated energies are, and with them their mean.
    """

    quantity: Quantity
    group: str
    values: Mapping[str, Number]
    target: Number
    correlation: float = 0.0
    draws: float = NAN
    at: float | None = None
    sd: float = NAN
    infinite: bool = False

    def __repr__(self) -> str:
        words = {"ceiling": "the best possible", "floor": "the least possible", "nominal": "due"}
        due = f"; {self.shown(self.target)} {words.get(self.quantity.kind, 'simulated')}"
        return f"{self.label}: {self.text('generated', True)}{due if self.target.defined else ''}"

    @property
    def generated(self) -> Number:
        """The generated value."""
        return self.values["generated"]

    @property
    def simulated(self) -> Number:
        """That of simulation."""
        return self.values.get("simulated", Number(NAN))

    @property
    def key(self) -> str:
        """Name of the quantity, with where it is read beyond the first place."""
        first = not self.quantity.at or self.at == self.quantity.at[0]
        return self.quantity.name if first else f"{self.quantity.name}({self.at:g})"

    @property
    def label(self) -> str:
        """Name for a terminal."""
        if isinstance(self.quantity, OfSets):
            return self.quantity.label if self.group == EVERYONE else f"{self.quantity.label}, {self.group}"
        return self.quantity.label if self.at is None else f"{self.quantity.label}, r={self.at:g}"

    @property
    def symbol(self) -> str:
        """Symbol, with where it is read."""
        return self.quantity.symbol if self.at is None else f"{self.quantity.symbol}({self.at:g})"

    @property
    def decimals(self) -> int:
        """Decimals that show a deviation as small as an aim that is not relative; 0 for all others."""
        q = self.quantity
        exact = q.aim is not None and (q.absolute or q.kind == "nominal")
        return 1 + math.floor(-math.log10(q.aim)) if exact and q.aim else 0

    def text(self, source: str, interval: bool = False) -> str:
        """A value with the decimals that its quantity or its aim asks for, and its interval."""
        if self.infinite and source == "generated" and not self.generated.defined:
            return "∞"
        return self.shown(self.values.get(source, Number(NAN)), interval)

    def shown(self, x: Number, interval: bool = False) -> str:
        """Any number as those of the row."""
        text, bounds = digits(x, self.quantity.places, self.decimals)
        return f"{text} [{bounds[0]}, {bounds[1]}]" if interval and bounds and abs(x.value) < HUGE else text

    def bounds(self, source: str) -> str:
        """The bounds of an interval, to the digits of its value."""
        _, bounds = digits(self.values.get(source, Number(NAN)), self.quantity.places, self.decimals)
        return " … ".join(bounds) if bounds else MISSING

    @property
    def verdict(self) -> tuple[str, Mark]:
        """Words and mark that say how near generated is to what it should be."""
        q = self.quantity
        if q.kind == "shown" or not (self.generated.defined or self.infinite):
            return "", "none"
        if not self.generated.defined:
            return ("infinite", "off") if q.aim is not None else ("", "none")
        if not self.target.defined:
            return "", "none"
        words, mark = _judge(self)
        if q.aim is None or (not words and mark == "none"):
            return words, "none"
        if self.draws < q.draws:
            return "too few draws", "few"
        if not math.isfinite(self.generated.low):
            return "no interval", "few"
        return words, mark

    def excess(self, share: float) -> tuple[float, float]:
        """Interval of generated - share * target; NaN without intervals."""
        low, high = difference(self.generated, self.target, share, self.correlation)
        return float(low), float(high)


def _judge(row: Row) -> tuple[str, Mark]:
    """Words and mark of a row whose numbers are there, whatever is too few."""
    q, gen, target = row.quantity, row.generated, row.target
    aim = q.aim or 0.0
    if q.kind == "gap":
        if not row.sd > 0:
            return "", "none"
        return _signed(f"{gen.value / row.sd:+.2g} sd"), _inside(gen.low / row.sd, gen.high / row.sd, aim)
    if q.absolute or q.kind == "nominal":
        change = gen.value - target.value
        return _signed(f"{change:+.3f}" if abs(change) < 100 else f"{change:+.0e}"), _inside(
            *row.excess(1), aim
        )
    if q.kind == "pair":
        return _relative(row, aim)
    if isinstance(q.reference, float):
        # The target is a number, not a measurement.
        return "", below(*row.excess(aim / q.reference))
    if target.value <= 0:
        return "", "none"
    ratio = gen.value / target.value
    if q.kind == "ceiling":
        mark: Mark = "beyond" if row.excess(1.0)[0] > 0 else above(*row.excess(aim))
        return _signed(f"{100 * ratio:.0f} % of best"), mark
    words = f"{ratio:.1f} × {_floor(q)}" if ratio < HUGE else f"{ratio:.2g} × {_floor(q)}"
    if isinstance(q, OfSets):
        # The intervals of distances are ranges over splits: the mean of the halves has no error of its own.
        mark = (
            "beyond"
            if gen.high < target.low
            else below(gen.low - aim * target.value, gen.high - aim * target.value)
        )
    else:
        mark = "beyond" if row.excess(1.0)[1] < 0 else below(*row.excess(aim))
    return words, mark


def _relative(row: Row, aim: float) -> tuple[str, Mark]:
    sim, gen = row.target, row.generated
    if abs(sim.value) < max(row.quantity.needs, 1e-12):
        return "", "none"
    change = gen.value / sim.value - 1
    words = f"{100 * change:+.1f} %" if abs(change) < 0.095 else f"{100 * change:+.0f} %"
    if abs(change) > 99:
        words = f"× {digits(Number(gen.value / sim.value))[0]}"
    lower, upper = row.excess(1 - aim), row.excess(1 + aim)
    if sim.value < 0:
        lower, upper = upper, lower
    return _signed(words), _worse(above(*lower), below(*upper))


def _inside(low: float, high: float, aim: float) -> Mark:
    """Whether an interval lies between -aim and aim."""
    return "good" if low >= -aim and high <= aim else "off" if low > aim or high < -aim else "near"


def above(low: float, high: float) -> Mark:
    """Whether an interval lies above zero."""
    return "good" if low >= 0 else "off" if high < 0 else "near"


def below(low: float, high: float) -> Mark:
    """Whether an interval lies below zero."""
    return above(-high, -low)


def _worse(*marks: Mark) -> Mark:
    return next(mark for mark in ("off", "near", "good") if mark in marks)


def _signed(words: str) -> str:
    return words.replace("-", "−")


def _floor(q: Quantity) -> str:
    return "halves" if isinstance(q, OfSets) else "floor"


def aim_words(q: Quantity) -> str:
    """The aim of a quantity, in words."""
    if q.aim is None:
        return ""
    if q.kind == "gap":
        return f"within {q.aim:g} sd of simulation"
    if q.kind == "nominal":
        return f"{q.reference:g} ± {q.aim:g}"
    if q.absolute:
        return f"within {q.aim:g}"
    if q.kind == "floor":
        return f"at most {q.aim:g}" + ("" if isinstance(q.reference, float) else f" × {_floor(q)}")
    return f"at least {100 * q.aim:.0f} % of best" if q.kind == "ceiling" else f"within {100 * q.aim:.0f} %"


def digits(x: Number, places: int | None = None, least: int = 0) -> tuple[str, tuple[str, str] | None]:
    """A number and the bounds of its interval, None without, all to the decimals of the value.

    ``places`` decimals, else those that show two or three significant digits and at least ``least``; huge
    numbers with an exponent.
    """
    if not x.defined:
        return MISSING, None
    size = abs(x.value)
    if places is None or size >= 100:
        # Three significant digits, two below 0.1, and no more than five decimals.
        few = 0 if size < 5e-6 else max(0, min(5, (2 if size >= 0.1 else 1) - math.floor(math.log10(size))))
        places = 0 if size >= HUGE else max(few, least) if 0 < size < 1000 else few

    def text(v: float) -> str:
        if abs(v) >= HUGE or ((size >= HUGE or not size) and v):
            return _signed(f"{v:.2g}")
        return _signed(f"{v:.{places}f}" if places or abs(v) >= 1 else "0")

    known = math.isfinite(x.low) and math.isfinite(x.high)
    return text(x.value), (text(x.low), text(x.high)) if known else None


def number(value: Any) -> str:
    """A bare number to two or three significant digits; a dash for None."""
    return digits(Number(NAN if value is None else float(value)))[0]


def rows(result: Comparison, k: int, group: str | None = None, main: bool = False) -> list[Row]:
    """Rows of level number ``k``, of one group or of all in order of quantities; ``main`` ones alone.

    Of displacements those that have a generated value; of configurations all that were computed.
    """
    if result.of_sets:
        return [row for row in _of_sets(result, k, main) if group is None or row.group == group]
    groups = result.groups if group is None else [group]
    wanted = [q for q in all_quantities(OfFields) if q.is_row and (q.main or not main)]
    found = [r for g in groups for q in wanted for r in row_of(result, k, g, q)]
    return [r for r in found if r.generated.defined]


def row_of(result: Comparison, k: int, group: str, q: Quantity) -> Iterator[Row]:
    """The row of a quantity of displacements, one for each place where a function is read."""
    for at in q.at or (None,):
        names = ("simulated", "generated", *CONTROLS, *result.beside)
        values = {name: result.get(k, group, name, q.name, at) for name in names}
        together = (result.entry(k, group, "generated", q.name) or {}).get("correlation")
        if isinstance(together, list):
            together = together[result.nearest(at, len(together))]
        target = values["simulated"]
        if isinstance(q.reference, float):
            target = Number(q.reference, q.reference, q.reference)
        elif q.kind != "pair":
            target = result.get(k, group, "generated", str(q.reference))
        yield Row(q, group, values, target, float(together or 0.0), result.draws(q.source), at)


def _of_sets(result: Comparison, k: int, main: bool) -> Iterator[Row]:
    for q in all_quantities(OfSets):
        family = q.name if q.name.endswith("energy") else q.name.rpartition("_")[0]
        sd = result.get(k, EVERYONE, "simulated", f"{family}_sd").value
        infinite = result.get(k, EVERYONE, "generated", f"{family}_not_finite").value > 0
        for of in result.blocks[k]["quantities"].get(q.name, {}):
            sources = ("simulated", "generated", "reweighted", "halves")
            values = {source: result.get(k, of, source, q.name) for source in sources}
            target = values["halves" if q.kind == "floor" else "simulated"]
            target = Number(0.0, 0.0, 0.0) if q.kind == "gap" else target
            wanted = q.main or not main or (infinite and q.name.endswith("_median"))
            if q.name.endswith("_not_finite"):
                wanted = any(x.value > 0 for x in values.values())
            if wanted:
                yield Row(q, of, values, target, sd=sd, infinite=infinite)


def judged(result: Comparison) -> list[tuple[float, Row]]:
    """(level, row) of every row that has an aim."""
    found = [(level, row) for k, level in enumerate(result.levels) for row in rows(result, k)]
    return [(level, row) for level, row in found if row.quantity.aim is not None]


def finding(result: Comparison) -> str:
    """A sentence that names what is too good to be true, and why; empty where nothing is."""
    places = [
        f"{row.label} ({row.group}, t = {level:g})"
        for level, row in judged(result)
        if row.verdict[1] == "beyond" and not result.of_sets
    ]
    return f"! {', '.join(places)}: {BEYOND}" if places else ""


def verdicts(result: Comparison) -> dict[str, Any]:
    """The verdict of every judged row of displacements, and what was found, for metrics.json."""
    found = []
    for level, row in judged(result):
        words, mark = row.verdict
        entry = {"time": level, "species": row.group, "quantity": row.quantity.name, "at": row.at}
        found.append({**entry, "verdict": mark, "words": words, "meaning": MARKS[mark]})
    return {"verdicts": found, "finding": finding(result)}


def main_marks(result: Comparison, groups: Sequence[str]) -> Iterator[tuple[float, Row, Mark]]:
    """(level, row, mark) of the main rows of some groups."""
    for group in groups:
        for k, level in enumerate(result.levels):
            yield from ((level, row, row.verdict[1]) for row in rows(result, k, group, main=True))


def group_words(group: str) -> str:
    """A species, or all particles together."""
    return "all particles" if group == EVERYONE else f"species {group}"
