"""What a comparison opens with: what agrees with simulation, what does not, and by how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import NamedTuple

from gensample.comparison.quantities import EVERYONE, in_sentence
from gensample.comparison.result import Comparison
from gensample.comparison.rows import SIGNS, Mark, Row, main_marks

MOST = 8
"""Quantities that a part of the sentence names."""
_WORDS: dict[Mark, str] = {"good": "right", "off": "wrong", "beyond": "too good to be true"}
_HEADINGS: dict[Mark, str] = {
    "beyond": "Too good to be true",
    "off": "Does not agree",
    "good": "Agrees",
    "near": "Cannot be told with these data",
}
_WORST: tuple[Mark, ...] = ("beyond", "off", "near", "good")
_FIRST = ("future", "aftermath", "inherent", "displacements", "configurations")


class Finding(NamedTuple):
    """A main quantity: its worst mark, its row at the last level with that mark, and those levels."""

    mark: Mark
    row: Row
    levels: Sequence[float]

    def name(self, letter: str) -> str:
        """Its label; what follows the first comma, and the levels if there is a ``letter``, in brackets."""
        head, *notes = self.row.quantity.label.split(", ", 1)
        notes += [f"{letter} = {', '.join(f'{level:g}' for level in self.levels)}"] if letter else []
        return in_sentence(head) + (f" ({'; '.join(notes)})" if notes else "")

    @property
    def amount(self) -> str:
        """The generated value beside what it is measured by, and what the verdict says of the two."""
        row = self.row
        beside = {"ceiling": "at best", "floor": "at least", "nominal": "due"}.get(
            row.quantity.kind, "simulation"
        )
        words = row.verdict[0]
        target = f", {beside} {row.shown(row.target)}" if row.target.defined else ""
        text = f"{row.text('generated')}{target}" + (f" ({words})" if words else "")
        return text.replace(" %", "\u00a0%")


class Part(NamedTuple):
    """A part of the verdict: its mark, sign and heading, and (name, by how much) of each quantity."""

    mark: Mark
    sign: str
    heading: str
    lines: Sequence[tuple[str, str]]


def verdict(result: Comparison) -> list[Part]:
    """What the main rows say, of displacements those of the first species and of all particles together."""
    found = findings(result)
    return [
        Part(
            mark,
            SIGNS[mark],
            heading,
            [(_name(result, f), f"{_where(result, f)}{f.amount}") for f in found[mark]],
        )
        for mark, heading in _HEADINGS.items()
        if mark in found
    ]


def _where(result: Comparison, finding: Finding) -> str:
    """The level of the numbers, where the name leaves it open."""
    told = len(finding.levels) == 1 and len(result.levels) > 1
    return "" if told or len(result.levels) == 1 else f"{_letter(result)} = {finding.levels[-1]:g}: "


def _name(result: Comparison, finding: Finding) -> str:
    everywhere = len(finding.levels) == len(result.levels)
    return finding.name("" if everywhere else _letter(result))


def _letter(result: Comparison) -> str:
    return "T" if result.of_sets else "t"


def count_words(result: Comparison) -> str:
    """How many of the main quantities agree, in a sentence."""
    found = {mark: len(each) for mark, each in findings(result).items()}
    if not found:
        return NOTHING
    parts = [
        f"{found.get('good', 0)} of {sum(found.values())} main quantities agree with simulation",
        *([f"{found['off']} do{'es' * (found['off'] == 1)} not"] if "off" in found else []),
        *([f"{found['near']} cannot be told with these data"] if "near" in found else []),
        *([f"too good to be true: {found['beyond']}"] if "beyond" in found else []),
    ]
    of = "" if result.of_sets else f" (species {result.species[0]}, and all particles together)"
    return f"{'; '.join(parts)}{of}."


NOTHING = "Nothing here can be judged: too few configurations or draws."


def sentence(result: Comparison) -> str:
    """What the verdicts of the main rows say of the first species and of all particles together."""
    found = {mark: [_name(result, f) for f in each] for mark, each in findings(result).items()}
    parts = [
        f"{words}: {', '.join(found[mark][:MOST])}"
        + (f", {len(found[mark]) - MOST} more" if len(found[mark]) > MOST else "")
        for mark, words in _WORDS.items()
        if mark in found
    ]
    if "near" in found:
        parts.append(f"{len(found['near'])} {'more ' if parts else ''}cannot be decided with these data")
    if not parts:
        return NOTHING
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]} (species {result.species[0]})."


def findings(result: Comparison) -> dict[Mark, list[Finding]]:
    """Main quantities by the worst of their marks; a function counts once wherever it is read."""
    if not result.levels:
        return {}
    rows: dict[str, dict[float, tuple[Mark, Row]]] = {}
    told = main_marks(result, result.groups if result.of_sets else [EVERYONE, *result.species[:1]])
    # Whether futures are configurations comes before how far particles moved.
    for level, row, mark in sorted(told, key=lambda entry: _FIRST.index(entry[1].quantity.source)):
        if mark in _WORST:
            by_level = rows.setdefault(row.label if result.of_sets else row.quantity.label, {})
            before = by_level.get(level, (mark, row))
            by_level[level] = min(before, (mark, row), key=lambda each: _WORST.index(each[0]))
    found: dict[Mark, list[Finding]] = {}
    for by_level in rows.values():
        worst = next(mark for mark in _WORST if any(m == mark for m, _ in by_level.values()))
        levels = [level for level, (mark, _) in by_level.items() if mark == worst]
        found.setdefault(worst, []).append(Finding(worst, by_level[levels[-1]][1], levels))
    return found


def in_text(result: Comparison) -> str:
    """The sentence and the cost, for a terminal."""
    costs: Mapping[str, float | None] = result.meta.get("core_seconds", {})
    told = (f"{name} {seconds(cost)}" for name, cost in costs.items())
    cost = f"Core-seconds of a replica, to its longest lag: {', '.join(told)}."
    return "\n".join(fill(line, 110) for line in (sentence(result), *([cost] if costs else [])))


def seconds(cost: float | None) -> str:
    """Core-seconds to three digits."""
    if cost is None:
        return "not recorded"
    return f"{cost:.3g}" if cost < 1000 else f"{cost:.0f}"
