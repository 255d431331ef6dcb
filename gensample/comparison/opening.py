"""How a report opens: one sentence that says what is right and what is wrong, and what a field costs."""

from collections.abc import Iterable, Mapping
from html import escape
from textwrap import fill
from typing import Any

from gensample.comparison.glossary import MAIN, in_sentence
from gensample.comparison.metrics import Metrics
from gensample.comparison.tables import rows
from gensample.comparison.verdicts import Mark

MOST = 8
"""Quantities that a part of the sentence names."""
_WORDS: dict[Mark, str] = {"good": "right", "off": "wrong", "beyond": "too good to be true"}
_WORST: tuple[Mark, ...] = ("beyond", "off", "near", "good")
_FIRST = ("future", "aftermath", "inherent", "displacements")


def sentence(metrics: Metrics) -> str:
    """What the verdicts of the main rows say of the first species and of all particles together."""
    found = _worst(metrics)
    parts = [f"{words}: {_listed(found[mark])}" for mark, words in _WORDS.items() if mark in found]
    if "near" in found:
        more = "more " if parts else ""
        parts.append(f"{len(found['near'])} {more}cannot be decided with these data")
    if not parts:
        return "Nothing here can be judged: too few configurations or draws."
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]} (species {metrics.species[0]})."


def _worst(metrics: Metrics) -> dict[Mark, list[str]]:
    """Main quantities by the worst of their marks, each with the lags where it is so, unless all.

    A function that is read at several distances counts once.
    """
    marks: dict[str, dict[float, Mark]] = {}
    found_rows = [
        (time, r)
        for group in ("all", *metrics.species[:1])
        for k, time in enumerate(metrics.times)
        for r in rows(metrics, k, group, MAIN)
    ]
    # Whether futures are configurations comes before how far particles moved.
    for time, r in sorted(found_rows, key=lambda entry: _FIRST.index(entry[1].quantity.source)):
        if r.verdict[1] in _WORST:
            by_time = marks.setdefault(r.quantity.label, {})
            by_time[time] = min(r.verdict[1], by_time.get(time, "good"), key=_WORST.index)
    found: dict[Mark, list[str]] = {}
    for label, by_time in marks.items():
        mark = next(m for m in _WORST if m in by_time.values())
        times = [time for time, m in by_time.items() if m == mark]
        found.setdefault(mark, []).append(_name(label, [] if len(times) == len(metrics.times) else times))
    return found


def _name(label: str, times: list[float]) -> str:
    """A label in the middle of a sentence; what follows its first comma, and the lags, in brackets."""
    head, *rest = label.split(", ", 1)
    notes = [*rest, *([f"t = {', '.join(f'{t:g}' for t in times)}"] if times else [])]
    return f"{in_sentence(head)} ({'; '.join(notes)})" if notes else in_sentence(head)


def _listed(names: list[str]) -> str:
    more = f", {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more


def in_text(metrics: Metrics) -> str:
    """The sentence and the cost, for a terminal."""
    costs: Mapping[str, float | None] = metrics.meta.get("core_seconds", {})
    told = (f"{name} {'not recorded' if c is None else seconds(c)}" for name, c in costs.items())
    cost = f"Core-seconds of a replica, to its longest lag: {', '.join(told)}."
    return "\n".join(fill(line, 110) for line in (sentence(metrics), *([cost] if costs else [])))


def cost_html(meta: Mapping[str, Any]) -> str:
    """Core-seconds of a simulated replica and of a generated one, beside each other."""
    costs: Mapping[str, float | None] = meta.get("core_seconds", {})
    if not costs:
        return ""
    simulated = costs.get("simulated")
    lines = (f"<tr>{''.join(_cells(name, cost, simulated))}</tr>" for name, cost in costs.items())
    head = "<th></th><th>core-seconds of a replica, to its longest lag</th><th>of a simulated one</th>"
    return f'<table class="cost"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'


def _cells(name: str, cost: float | None, simulated: float | None) -> Iterable[str]:
    yield f'<th scope="row">{escape(name)}</th>'
    yield f"<td>{'not recorded' if cost is None else seconds(cost)}</td>"
    yield f"<td>{share(cost / simulated) if cost and simulated and name != 'simulated' else ''}</td>"


def seconds(cost: float) -> str:
    """Core-seconds to three digits."""
    return f"{cost:.3g}" if cost < 1000 else f"{cost:.0f}"


def share(of: float) -> str:
    """A ratio of costs as a percentage, or as so many times where it is above one."""
    return f"{100 * of:.2g} %" if of <= 1 else f"{of:.2g} ×"
