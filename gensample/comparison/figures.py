"""The figures of a comparison of displacements, drawn from what its quantities say of themselves.

Only the object interface of matplotlib is used: nothing here touches pyplot or its global state. In every
figure simulation is black, generated is blue and the controls keep their own muted colours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from textwrap import fill
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator

from gensample.comparison import maps, set_figures
from gensample.comparison.quantities import OfFields, all_quantities, in_sentence
from gensample.comparison.result import Comparison
from gensample.comparison.rows import group_words
from gensample.report.page import Plate
from gensample.report.style import (
    CEILING,
    SOURCES,
    canvas,
    chosen,
    draw_curve,
    lag_title,
    legend_above,
    look_of,
)

FIRST = "moves"
"""Name of the picture that a report opens with."""
JUDGED = ("simulated", "generated")
_WIDEST = 22  # characters of a title above a panel


class Words(NamedTuple):
    """Title and reading of a figure that quantities name, and the height of its rows in inches."""

    title: str
    reading: str
    height: float


NUMBERS = {
    "propensity_correlation": Words(
        "Propensity correlation and predictability against lag time",
        "Left: a perfect sampler with as many draws lies on the dashed line, so the distance to it, not to "
        "1, is what is missing (halves have fewer draws, and a lower ceiling). Right: the share of the "
        "variance of |u| that structure decides should agree with simulation.",
        2.3,
    ),
    "moments": Words(
        "Mean squared displacement, non-Gaussian parameter, overlap and bond breaking",
        "Blue should lie on black; bands are 95 % intervals over configurations.",
        1.9,
    ),
    "distribution_distance": Words(
        "Distance between the distributions of |u|",
        "On the dashed line the generated distribution is as near to simulation as two halves of the "
        "simulated replicas are to each other.",
        2.3,
    ),
    "chi4": Words(
        "Susceptibility χ₄ of the overlap, split",
        "Left: particles that move together because of the velocities; the independent control shows how "
        "little is left without joint motion. Right: whole configurations that are fast or slow because of "
        "their structure.",
        2.0,
    ),
    "skill": Words(
        "Skill over climatology and the classifier test",
        "Skill rises from 0 (knows only the species) to the dashed line (a perfect sampler); the classifier "
        "should stay at 0.5, where generated cannot be told from simulated.",
        2.1,
    ),
}
DENSITIES = {
    "propensity_histogram": Words(
        "Distribution of propensity",
        "The curves should agree in place and width; fewer draws than replicas widen the generated one.",
        1.8,
    ),
    "van_hove": Words(
        "Self van Hove function",
        "Probability density of a displacement of length r; the tail beyond the first few tenths is rare, "
        "large moves.",
        1.8,
    ),
    "log_displacement": Words(
        "Distribution of the logarithm of the displacement",
        "The main peak is rattling in the cage, a shoulder or second peak near r = 1 is hopping.",
        1.8,
    ),
}
FUNCTIONS = {
    "correlations": Words(
        "Displacement correlations",
        "Particles at distance r: do they move along together (top), sideways together (middle), and far "
        "in the same replica (bottom)? The independent control keeps only what the mean displacements of "
        "the particles share.",
        1.4,
    ),
}
_TITLES = {
    "displacements": "Further statistics of displacements",
    "future": "Futures x + u",
    "aftermath": "What happens after the futures",
    "inherent": "Inherent structures of the futures",
}


def all_plates(result: Comparison) -> Iterator[Plate]:
    """Every figure that the comparison allows, in order; what was not computed is left out."""
    if result.of_sets:
        yield from set_figures.set_plates(result)
        return
    yield from maps.moves_plate(result)
    yield from maps.field_plate(result)
    for source in ("future", "aftermath", "inherent"):
        yield from _others(result, source)
    yield _numbers(result, "propensity_correlation")
    yield from maps.propensity_plates(result)
    yield _numbers(result, "moments")
    for name, words in DENSITIES.items():
        yield Plate(name, words.title, words.reading, partial(densities, result, name))
    for name in ("distribution_distance", "chi4"):
        yield _numbers(result, name)
    yield from _named_functions(result)
    yield _numbers(result, "skill")
    yield from _others(result, "displacements")
    yield from _functions(result)


def _numbers(result: Comparison, name: str) -> Plate:
    words = NUMBERS[name]
    return Plate(name, words.title, words.reading, partial(numbers, result, name))


def _others(result: Comparison, source: str) -> Iterator[Plate]:
    """Numbers against lag time that name no figure, those of one source together."""
    for group in result.groups:
        found = [
            q
            for q in all_quantities(OfFields, source=source, axis=None, plot=None)
            if q.kind not in ("reference", "nominal") and known(result, group, q.name)
        ]
        if found:
            yield Plate(
                f"{source}_{group}",
                f"{_TITLES[source]}, {group_words(group)}",
                "Blue should lie on black, a correlation on the dashed line; bands are 95 % intervals.",
                partial(other_numbers, result, group, found),
            )


def _named_functions(result: Comparison) -> Iterator[Plate]:
    for name, words in FUNCTIONS.items():
        for group in result.species:
            found = [q for q in all_quantities(OfFields) if q.axis and q.plot and q.plot.figure == name]
            draw = partial(functions, result, group, found, words.height)
            yield Plate(f"{name}_{group}", f"{words.title}, species {group}", words.reading, draw)


def _functions(result: Comparison) -> Iterator[Plate]:
    """Functions that name no figure, those of one axis in one."""
    by_axis: dict[tuple[str, str], list[OfFields]] = {}
    for group in result.groups:
        for q in all_quantities(OfFields, plot=None):
            if q.axis is not None and known(result, group, q.name):
                by_axis.setdefault((group, q.axis.label), []).append(q)
    for number, ((group, _), found) in enumerate(by_axis.items(), start=1):
        names = [found[0].label, *(in_sentence(q.label) for q in found[1:])]
        yield Plate(
            f"functions_{number}_{group}",
            f"{'; '.join(names)} ({group_words(group)})",
            " ".join(dict.fromkeys(q.meaning for q in found)),
            partial(functions, result, group, found),
        )


def known(result: Comparison, group: str, name: str) -> bool:
    """Whether a quantity has a value at any lag."""
    points = (result.points(k, group, side, name) for k in range(len(result.levels)) for side in JUDGED)
    return any(np.isfinite(p[:, 0]).any() for p in points)


# Numbers against lag time


def numbers(result: Comparison, figure: str) -> Figure:
    """The quantities that name the figure, a row for each species; a single one has them side by side."""
    found = [q for q in all_quantities(OfFields) if q.plot and q.plot.figure == figure]
    panels = [[(q, group) for q in found] for group in result.species]
    panels = panels if len(found) > 1 else [[panel for line in panels for panel in line]]
    grid, axes = canvas(len(panels), len(panels[0]) if panels else 1, NUMBERS[figure].height)
    for line, of in zip(axes, panels, strict=False):
        for a, (q, group) in zip(line, of, strict=True):
            _panel(a, result, group, q)
            a.set_title(f"{q.plot.label if q.plot else q.label}, {group}")
    _finish_lags(grid, axes, result.levels)
    return grid


def other_numbers(result: Comparison, group: str, quantities: Sequence[OfFields]) -> Figure:
    """A panel for each quantity of one group."""
    count = len(quantities)
    columns = count if count < 5 else min((4, 3), key=lambda c: -count % c)
    figure, axes = canvas(-(-count // columns), columns, 1.75)
    for a, q in zip(axes.flat, quantities, strict=False):
        _panel(a, result, group, q)
        a.set_title(_wrapped(q), fontsize=8)
    _finish_lags(figure, axes, result.levels)
    for place in range(count, axes.size):
        axes.flat[place].set_visible(False)
        axes.flat[place - columns].set_xlabel(axes.flat[place].get_xlabel())
    return figure


def _wrapped(q: OfFields) -> str:
    return fill(q.label, _WIDEST, break_on_hyphens=False)


def _panel(axes: Axes, result: Comparison, group: str, q: OfFields) -> None:
    """A quantity of every source that it is drawn of, beside what it is measured by."""
    plot, times = q.plot, result.levels
    sources = [*(["simulated"] if q.kind == "pair" else []), "generated", *(plot.sources if plot else ())]
    shown = {name: result.series(group, name, q.name) for name in (*sources, *result.beside)}
    if plot and plot.bars:
        _bars(axes, times, shown)
        return
    for name, values in shown.items():
        draw_series(axes, times, values, name)
    labels = {other.name: other.label for other in all_quantities(OfFields, kind="reference")}
    for line, name in zip(("--", ":"), (str(q.reference), *q.beside), strict=False):
        if name in labels:
            shown[name] = result.series(group, "generated", name)
            draw_ceiling(axes, times, shown[name], labels[name], line)
    if plot and plot.level is not None:
        named = plot.level_label is not None
        axes.axhline(plot.level, color=CEILING if named else "black", lw=1.3 if named else 0.6,
                     ls=":" if named else "-", label=plot.level_label)  # fmt: skip
    if plot and plot.log:
        axes.set_yscale("log")
        _plain_log(axes.yaxis)
    else:
        limit(axes, list(shown.values()))


def draw_series(axes: Axes, times: Sequence[float], values: np.ndarray, name: str) -> None:
    """One quantity of one source against lag: (K, 3) value, low, high as markers, line and band."""
    if not np.isfinite(values[:, 0]).any():
        return
    look, judged = look_of(name), name in JUDGED
    if len(times) == 1:  # a little apart for each source, so that markers do not hide others
        place = list(SOURCES).index(name) if name in SOURCES else len(SOURCES)
        times = [times[0] * (1 + 0.07 * (place - 2))]
    axes.plot(
        times, values[:, 0], look.line, color=look.colour, marker=look.marker, ms=5.0 if judged else 3.5,
        label=look.label, zorder=3 if judged else 2, mfc="white" if name == "simulated" else look.colour,
        lw=1.6 if judged else 1.1,
    )  # fmt: skip
    if judged and len(times) > 1:
        axes.fill_between(times, values[:, 1], values[:, 2], color=look.colour, alpha=0.15, lw=0)
    elif judged:
        axes.vlines(times, values[:, 1], values[:, 2], color=look.colour, alpha=0.5, lw=4)


def draw_ceiling(axes: Axes, times: Sequence[float], values: np.ndarray, label: str, line: str) -> None:
    """What bounds a quantity, against lag: (K, 3) value, low, high as a grey line."""
    if len(times) == 1:
        axes.axhline(values[0, 0], ls=line, color=CEILING, lw=1.3, label=label, zorder=1)
    else:
        axes.plot(times, values[:, 0], line, color=CEILING, lw=1.3, label=label, marker="_", ms=9, zorder=1)


def _bars(axes: Axes, times: Sequence[float], shown: dict[str, np.ndarray]) -> None:
    width = 0.8 / len(shown)
    for i, (name, values) in enumerate(shown.items()):
        look, x = look_of(name), np.arange(len(times)) + (i - (len(shown) - 1) / 2) * width
        axes.bar(x, values[:, 0], width * 0.92, color=look.colour, label=look.label)
        error = np.abs(values[:, 1:] - values[:, :1]).T
        axes.errorbar(x, values[:, 0], yerr=error, fmt="none", ecolor="#606060", elinewidth=0.9, capsize=1.5)
    axes.set_xticks(range(len(times)), [f"{t:g}" for t in times])
    axes.grid(False, axis="x")
    axes.axhline(0, color="black", lw=0.8)


def _finish_lags(figure: Figure, grid: np.ndarray, times: Sequence[float]) -> None:
    """Lag axes below, and one legend above of everything drawn anywhere."""
    for axes in grid.flat:
        if not axes.patches:  # bars have a place for each lag
            _lag_axis(axes, times)
    for axes in grid[-1]:
        axes.set_xlabel(r"lag time $t/\tau$")
    legend_above(figure, grid, 4)


def _lag_axis(axes: Axes, times: Sequence[float]) -> None:
    if len(times) > 1:
        axes.set_xscale("log")
    else:
        axes.set_xlim(times[0] * 0.5, times[0] * 1.5)
    axes.set_xticks(list(times), [f"{t:g}" for t in times])
    axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)


def _plain_log(axis: Axis) -> None:
    """Ticks at 1, 2 and 5 of each decade, or at more within a single one, written as plain numbers."""
    low, high = axis.get_view_interval()
    subs = (1, 2, 5) if high > 8 * low else (1, 1.5, 2, 3, 4, 5, 6, 8)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def limit(axes: Axes, series: Sequence[np.ndarray]) -> None:
    """Energies of overlapping particles on a logarithmic scale; no interval reaches far beyond the values."""
    value, low, high = np.concatenate(series).T
    if not np.isfinite(value).any():
        return
    usual, largest = np.nanmax(np.abs(series[0][:, 0]), initial=1.0), np.nanmax(np.abs(value), initial=1e-12)
    if largest > 1e3 * usual:
        # Linear up to ten times what is usual, logarithmic beyond, with a few ticks.
        axes.set_yscale("symlog", linthresh=10 * usual)
        axes.set_ylim(-10 * usual, 10 * largest)
        powers = np.unique(np.linspace(np.log10(10 * usual) + 1, np.log10(largest), 4).round())
        axes.set_yticks([0.0, *10.0**powers])
        axes.yaxis.set_minor_locator(NullLocator())
        return
    bottom, top = np.nanmin(value), np.nanmax(value)
    reach = 1.5 * max(largest, top - bottom)
    bottom = np.nanmin(np.append(value, low.clip(min=bottom - reach)))
    top = np.nanmax(np.append(value, high.clip(max=top + reach)))
    pad = 0.06 * (top - bottom) or 0.05 * largest
    axes.set_ylim(bottom - pad, top + pad)


# Functions


def functions(result: Comparison, group: str, quantities: Sequence[OfFields], height: float = 1.7) -> Figure:
    """A row for each quantity, a column for each lag."""
    lags = chosen(result.levels)
    figure, grid = canvas(len(quantities), len(lags), height, sharex=bool(quantities[0].plot), sharey="row")
    for line, q in zip(grid, quantities, strict=True):
        for axes, k in zip(line, lags, strict=True):
            _function(axes, result, group, q, k)
        line[0].set_ylabel(q.plot.label if q.plot else _wrapped(q), fontsize=None if q.plot else 8)
        if q.at:
            line[0].set_ylim(*_typical([result.points(k, group, "simulated", q.name) for k in lags]))
    for axes, k in zip(grid[0], lags, strict=True):
        axes.set_title(lag_title(result.levels[k]))
    for axes in grid[-1]:
        axes.set_xlabel(quantities[0].axis.label if quantities[0].axis else "")
    legend_above(figure, grid)
    return figure


def _function(axes: Axes, result: Comparison, group: str, q: OfFields, k: int) -> None:
    shown = [*JUDGED, *(q.plot.sources if q.plot else ()), *result.beside]
    if q.kind == "nominal":
        axes.axhline(float(q.reference or 0), color=CEILING, lw=1.3, ls="--", label="calibrated")
        shown = shown[1:]
    if q.at:
        axes.axhline(0, color="black", lw=0.6)
    for name in shown:
        curve, look = result.curve(q.name, k, group, name), look_of(name)
        if len(curve):
            x, value, low, high = curve[np.isfinite(curve[:, 0])].T
            axes.plot(x, value, look.line, color=look.colour, label=look.label, lw=1.4)
            if name in JUDGED:
                axes.fill_between(x, low, high, color=look.colour, alpha=0.18, lw=0)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=bool(q.at)))


def _typical(profiles: Sequence[np.ndarray]) -> tuple[float, float]:
    """Limits that hold all but the noisiest bins: those of the closest pairs rest on a handful of them."""
    values = np.concatenate([p[:, 0] for p in profiles if len(p)] or [np.zeros(1)])
    low, high = np.percentile(np.append(values[np.isfinite(values)], 0.0), [2.5, 97.5])
    low = min(low, 0.0)
    pad = 0.35 * (high - low) + 1e-3
    return low - pad, high + pad


# Densities


def densities(result: Comparison, figure: str) -> Figure:
    """The curve that names the figure, for each species and lag."""
    (q,) = (q for q in all_quantities(OfFields, kind="curve") if q.plot and q.plot.figure == figure)
    log, ylabel = (q.plot.log, q.plot.label) if q.plot else (False, "")
    grid, panels = maps.species_by_lag(result, DENSITIES[figure].height, q.label, ylabel)
    for axes, group, k in panels:
        curves = [result.curve(q.name, k, group, source) for source in JUDGED]
        for source, curve in zip(JUDGED, curves, strict=True):
            draw_curve(axes, _positive(curve) if log else curve, source)
        _frame(axes, curves, log)
    legend_above(grid, np.array([axes for axes, _, _ in panels]))
    return grid


def _positive(curve: np.ndarray) -> np.ndarray:
    """The points above zero: empty bins of the tail are bridged, intervals end where the axis does."""
    kept = curve[curve[:, 1] > 0]
    return np.column_stack([kept[:, :2], np.fmax(kept[:, 2], np.finfo(float).tiny), kept[:, 3]])


def _frame(axes: Axes, curves: list[np.ndarray], log: bool) -> None:
    """Show the range where any curve is above a millionth of its peak, and nothing empty."""
    peak = max((np.nanmax(c[:, 1]) for c in curves if len(c)), default=0.0)
    drawn = np.concatenate([c[c[:, 1] > 1e-6 * peak] for c in curves])
    if not len(drawn):
        return
    low, high = drawn[:, 0].min(), drawn[:, 0].max()
    pad = 0.03 * (high - low)
    axes.set_xlim(low - pad, high + pad)
    if log:
        axes.set(yscale="log", ylim=(0.4 * drawn[:, 1].min(), 2.5 * drawn[:, 1].max()))
