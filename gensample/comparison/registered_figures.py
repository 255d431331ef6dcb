"""Figures of the registered quantities, whatever they are: functions by their axis, numbers against lag."""

from collections.abc import Iterator, Sequence
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from gensample.comparison.content import Content
from gensample.comparison.figures import (
    canvas,
    chosen_lags,
    draw_ceiling,
    draw_series,
    finish_lags,
    lag_title,
    legend_above,
)
from gensample.comparison.glossary import group_words
from gensample.comparison.metrics import Metrics
from gensample.comparison.quantities import Quantity, all_quantities
from gensample.report.style import CEILING, look_of

_WIDEST = 22  # characters of a title above a panel
_TITLES = {
    "displacements": "Further statistics of displacements",
    "future": "Futures x + u",
    "aftermath": "What happens after the futures",
    "inherent": "Inherent structures of the futures",
}


def functions(content: Content) -> Iterator[tuple[str, list[Quantity]]]:
    """(group, quantities) of every figure of functions: those of one axis, of one species or of all."""
    for group in content.metrics.groups:
        by_axis: dict[str, list[Quantity]] = {}
        for q in all_quantities():
            if q.axis is not None and _there(content.metrics, group, q.name):
                by_axis.setdefault(q.axis.label, []).append(q)
        yield from ((group, found) for found in by_axis.values())


def numbers(content: Content, sources: Sequence[str]) -> Iterator[tuple[str, str, list[Quantity]]]:
    """(source, group, quantities) of every figure of numbers against lag time."""
    for of in sources:
        for group in content.metrics.groups:
            found = [
                q
                for q in all_quantities(source=of, axis=None)
                if q.kind not in ("reference", "nominal") and _there(content.metrics, group, q.name)
            ]
            if found:
                yield of, group, found


def title_of(of: str, group: str) -> str:
    """Title of a figure of numbers."""
    return f"{_TITLES[of]}, {group_words(group)}"


def _there(m: Metrics, group: str, name: str) -> bool:
    """Whether the quantity has a value at any lag."""
    entries = (m.entry(k, group, "generated", name) for k in range(len(m.times)))
    return any(np.isfinite(np.array(e["value"], dtype=float)).any() for e in entries if e is not None)


def draw_functions(content: Content, group: str, quantities: Sequence[Quantity]) -> Figure:
    """A row for each quantity, a column for each lag."""
    m = content.metrics
    lags = chosen_lags(m.times)
    figure, axes = canvas(len(quantities), len(lags), 1.7, sharey="row")
    for line, q in zip(axes, quantities, strict=True):
        for a, k in zip(line, lags, strict=True):
            _function(a, content, group, q, m.times[k])
        line[0].set_ylabel(_wrapped(q), fontsize=8)
    for a, k in zip(axes[0], lags, strict=True):
        a.set_title(lag_title(m.times, k))
    for a in axes[-1]:
        a.set_xlabel(quantities[0].axis.label if quantities[0].axis else "")
    legend_above(figure, axes[0, 0])
    return figure


def _function(axes: Axes, content: Content, group: str, q: Quantity, time: float) -> None:
    if q.kind == "nominal":
        axes.axhline(float(q.reference or 0), color=CEILING, lw=1.3, ls="--", label="calibrated")
        shown = ["generated", *content.metrics.beside]
    else:
        shown = ["simulated", "generated", *content.metrics.beside]
    for name in shown:
        curve = content.curve(q.name, time, group, name)
        look = look_of(name)
        if len(curve):
            x, value, low, high = curve[np.isfinite(curve[:, 0])].T
            axes.plot(x, value, look.line, color=look.colour, label=look.label, lw=1.4)
            if name in ("simulated", "generated"):
                axes.fill_between(x, low, high, color=look.colour, alpha=0.18, lw=0)
    axes.xaxis.set_major_locator(MaxNLocator(4))


def draw_numbers(content: Content, group: str, quantities: Sequence[Quantity]) -> Figure:
    """A panel for each quantity against lag time, beside what it is measured by."""
    m, count = content.metrics, len(quantities)
    columns = count if count < 5 else min((4, 3), key=lambda c: -count % c)
    figure, axes = canvas(-(-count // columns), columns, 1.75)
    for a, q in zip(axes.flat, quantities, strict=False):
        shown = {name: m.series(group, name, q.name) for name in ("simulated", "generated", *m.beside)}
        for name, series in shown.items():
            draw_series(a, m.times, series, name)
        if isinstance(q.reference, str):
            shown["best"] = m.series(group, "generated", q.reference)
            draw_ceiling(a, m.times, shown["best"], "best, as many draws", "--")
        a.set_title(_wrapped(q), fontsize=8)
        _limit(a, list(shown.values()))
    finish_lags(figure, axes, m)
    for place in range(count, axes.size):
        axes.flat[place].set_visible(False)
        axes.flat[place - columns].set_xlabel(axes.flat[place].get_xlabel())
    return figure


def _wrapped(q: Quantity) -> str:
    return fill(q.label, _WIDEST, break_on_hyphens=False)


def _limit(axes: Axes, series: Sequence[np.ndarray]) -> None:
    """Energies of overlapping particles on a logarithmic scale; no interval reaches far beyond the values."""
    value, low, high = np.concatenate(series).T
    usual, largest = np.nanmax(np.abs(series[0][:, 0]), initial=1.0), np.nanmax(np.abs(value), initial=1e-12)
    if largest > 1e3 * usual:
        _logarithmic(axes, 10 * usual, largest)
        return
    bottom, top = np.nanmin(value), np.nanmax(value)
    reach = 1.5 * max(largest, top - bottom)
    bottom = np.nanmin(np.append(value, low.clip(min=bottom - reach)))
    top = np.nanmax(np.append(value, high.clip(max=top + reach)))
    pad = 0.06 * (top - bottom) or 0.05 * largest
    axes.set_ylim(bottom - pad, top + pad)


def _logarithmic(axes: Axes, linear: float, largest: float) -> None:
    """Linear up to ``linear``, logarithmic beyond, with a few ticks."""
    axes.set_yscale("symlog", linthresh=linear)
    axes.set_ylim(-linear, 10 * largest)
    powers = np.unique(np.linspace(np.log10(linear) + 1, np.log10(largest), 4).round())
    axes.set_yticks([0.0, *10.0**powers])
    axes.yaxis.set_minor_locator(NullLocator())
