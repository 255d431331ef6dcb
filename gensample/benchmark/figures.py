"""The figures of the field: correlation against lag and data, transfer, heterogeneity, ranking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gensample.benchmark.published import PublishedNumbers, at_lag
from gensample.benchmark.table import (
    SHOWN,
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
from gensample.report.page import Plate
from gensample.report.style import CEILING

# Okabe-Ito and three more; dashes tell a second turn through them apart.
COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#7f3c8d",
    "#666666",
    "#a0522d",
)
DASHES = ("-", "--", "-.", ":")
MARKERS = "osD^vP*X<>"
CHI4 = {"chi4_block": "between blocks of a box", "chi4": "between configurations"}


def benchmark_plates(
    entries: Sequence[Entry], correlations: Sequence[Entry], published: PublishedNumbers
) -> Iterator[Plate]:
    """Every figure that the entries have data for."""
    style = Style(unique(entries, "row"))
    home = [e for e in at_home(entries) if e["species"] in SHOWN]
    for test in unique(home, "test"):
        for target in unique(home, "target"):
            mine = select(home, test=test, target=target)
            if mine:
                yield from _of_set(mine, test, target, style, published)
    for target in unique(entries, "target"):
        mine, what = select(entries, target=target), target.replace("_", " ")
        if learning_curves(mine):
            yield Plate(
                f"learning-{target}",
                f"Correlation against the number of training configurations: {what}",
                "Mean over test configurations of Pearson, species A (elongation: A-A bonds). "
                "Open: thermal positions.",
                partial(learning, mine, style),
            )
        if any(is_transfer(e) and e["species"] in SHOWN for e in mine):
            theirs = published.transfer if target == "propensity" else {}
            yield Plate(
                f"transfer-{target}",
                f"Transfer between data sets: {what}",
                "Pearson, species A, longest lag: trained on (down), judged on (across).",
                partial(matrices, transfers(mine, target), theirs),
            )
    if correlations:
        yield Plate(
            "correlations",
            "Spatial correlation of predictions",
            "Of propensity fields about their mean, species A, longest lag; predictions against simulation.",
            partial(spatial, correlations, style),
        )


def _of_set(
    entries: Sequence[Entry], test: str, target: str, style: Style, published: PublishedNumbers
) -> Iterator[Plate]:
    name = f"{target}-{test}".replace(" ", "-").replace("=", "-")
    what, of = f"{target.replace('_', ' ')}, {test}", entries[0]["species"]
    temperature = entries[0].get("temperature")
    theirs, chi4 = published.pearson_at(target, temperature), published.chi4_at(temperature)
    if len(unique(entries, "lag")) > 1 or theirs:
        yield Plate(
            f"lags-{name}",
            f"Pearson against lag time: {what}",
            f"{of}.{_told_ceiling(entries)}{' Black: published, pooled over A.' if theirs else ''}",
            partial(against_lag, entries, style, theirs),
        )
    yield Plate(
        f"ranking-{name}",
        f"Ranking: {what}",
        f"{of}, longest lag; bars are Pearson within configurations, with 95 % intervals."
        f"{_told_ceiling(entries)}{' Open bars: published, pooled.' if theirs else ''}",
        partial(ranking, entries, style, theirs),
    )
    if any(value(e, name) is not None for e in entries for name in CHI4):
        yield Plate(
            f"chi4-{name}",
            f"Dynamic heterogeneity: {what}",
            "Propensity fields, A; on the dashed line predictions are as heterogeneous as simulation. "
            "chi4 is N times the variance, between configurations or between the 2^d blocks of a box, of the "
            "share of particles whose propensity is below 0.3, predictions mapped to the mean and standard "
            "deviation of the labels. Open markers: from thermal positions."
            + (" Black: published, by the estimator of their authors." if chi4 else ""),
            partial(heterogeneity, entries, style, chi4),
        )


def _told_ceiling(entries: Sequence[Entry]) -> str:
    known = any(value(e, "ceiling") is not None for e in entries)
    return " Grey: best possible with as many replicas." if known else ""


class Style:
    """One colour, line and marker for each row, the same in all figures."""

    def __init__(self, rows: Sequence[str]) -> None:
        self._number = {row: k for k, row in enumerate(rows)}

    def of(self, row: str) -> dict[str, Any]:
        """Arguments of a line."""
        k = self._number[row]
        dashes = DASHES[k // len(COLOURS) % len(DASHES)]
        return {"color": self.colour(row), "linestyle": dashes, "marker": MARKERS[k % len(MARKERS)]}

    def colour(self, row: str) -> str:
        """Colour of a row."""
        return COLOURS[self._number[row] % len(COLOURS)]


def _panels(count: int, width: float = 3.6, height: float = 3.0) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width * count, height), layout="constrained")
    return figure, list(figure.subplots(1, count, sharey=True, squeeze=False)[0])


def _legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend below all panels: a curve is named once."""
    named: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    columns = min(3 if figure.get_figwidth() > 8 else 2, max(1, len(named)))
    figure.legend(
        list(named.values()),
        list(named),
        loc="outside lower center",
        ncols=columns,
        fontsize=7.5,
        handlelength=3,
    )


def against_lag(entries: Sequence[Entry], style: Style, published: Mapping[str, Any]) -> Figure:
    """Pearson against lag time, one panel for each kind of input."""
    inputs = unique(entries, "input")
    figure, axes = _panels(len(inputs))
    for axis, source in zip(axes, inputs, strict=True):
        mine = select(entries, input=source)
        for row, train in unique(mine, "row", "train"):
            some = select(mine, row=row, train=list(train) if train else None)
            # Lines go through what is there only: None would stop them.
            points = sorted((e["lag"], e["pearson"][0]) for e in some if value(e, "pearson") is not None)
            if points:
                axis.plot(*zip(*points, strict=True), label=full_name(some[0]), **style.of(row))
        ceiling = {e["lag"]: e["ceiling"][0] for e in entries if value(e, "ceiling")}
        if ceiling:
            axis.plot(*zip(*ceiling.items(), strict=True), color=CEILING, lw=2.5, alpha=0.5, label="ceiling")
        for number, (model, curve) in enumerate(published.items()):
            dash = ("--", "-.", ":", (0, (1, 1)), (0, (5, 1)))[number % 5]
            axis.plot(*curve, color="k", lw=0.8, ls=dash, label=f"{model}, published")
        axis.set(xscale="log", xlabel=r"lag time $t/\tau$", title=f"{source} positions")
    axes[0].set_ylabel(f"Pearson correlation, {entries[0]['species']}")
    _legend(figure, axes)
    return figure


def learning(entries: Sequence[Entry], style: Style) -> Figure:
    """Pearson against the number of training configurations, one panel for each test set and lag."""
    curves = learning_curves(entries)
    panels = list(dict.fromkeys(key[3:] for key in curves))
    figure, axes = _panels(len(panels))
    for axis, panel in zip(axes, panels, strict=True):
        found = {key: points for key, points in curves.items() if key[3:] == panel}
        sizes = sorted({n for points in found.values() for n in points if n})
        everything = 2 * sizes[-1]  # the whole training split, right of what is known by number
        for (row, source, *_), points in found.items():
            label = f"{full_name(next(iter(points.values())))}, {source}"
            look = style.of(row) | {"fillstyle": "none" if source == "thermal" else "full"}
            _errors(axis, {n or everything: e for n, e in points.items()}, label, look)
        axis.set(xscale="log", xlabel="training configurations", title=f"{panel[0]}, t = {panel[1]:g}")
        axis.set_xticks([*sizes, everything], [*map(str, sizes), "all"])
        axis.minorticks_off()
    axes[0].set_ylabel("Pearson correlation, A")
    _legend(figure, axes)
    return figure


def _errors(axis: Axes, found: Mapping[int, Entry], label: str, look: Mapping[str, Any]) -> None:
    """A line with intervals through the entries that have a score, by what is across."""
    points = sorted((n, *e["pearson"]) for n, e in found.items() if value(e, "pearson") is not None)
    if points:
        size, mean, low, high = (np.array(v, float) for v in zip(*points, strict=True))
        error = np.clip([mean - low, high - mean], 0, None)
        axis.errorbar(size, mean, error, capsize=2, label=label, **look)


def ranking(entries: Sequence[Entry], style: Style, published: Mapping[str, Any]) -> Figure:
    """Rows by Pearson at the longest lag, with what training took, among published ones."""
    last = max(unique(entries, "lag"))
    mine = [e for e in select(entries, lag=last) if value(e, "pearson") is not None]
    bars = [(f"{full_name(e)}, {e['input']}", e["pearson"], style.colour(e["row"]), _cost(e)) for e in mine]
    theirs = {model: at_lag(curve, last) for model, curve in published.items()}
    bars += [(f"{m}, published", [v, v, v], "none", "") for m, v in theirs.items() if v is not None]
    bars.sort(key=lambda bar: bar[1][0])
    figure = Figure(figsize=(7.2, 0.26 * len(bars) + 1.0), layout="constrained")
    axis = figure.subplots()
    for y, (_, (mean, low, high), colour, cost) in enumerate(bars):
        axis.barh(y, mean, color=colour, edgecolor="k" if colour == "none" else colour, alpha=0.8, height=0.7)
        axis.plot([low, high], [y, y], color="k", lw=1)
        axis.text(1.02, y, cost, va="center", fontsize=7, transform=axis.get_yaxis_transform())
    ceilings = [float(e["ceiling"][0]) for e in mine if value(e, "ceiling")]
    if ceilings:
        axis.axvline(ceilings[0], color=CEILING, lw=2.5, alpha=0.6)
    axis.set_yticks(range(len(bars)), [bar[0] for bar in bars], fontsize=7.5)
    label = f"Pearson correlation, {entries[0]['species']}, t = {last:g}"
    axis.set(xlabel=label, ylim=(-0.7, len(bars) - 0.3))
    axis.grid(visible=False, axis="y")
    return figure


def _cost(entry: Entry) -> str:
    parameters = entry["parameters"]
    parts = [training_cost(entry), "" if parameters is None else f"{parameters:,} parameters"]
    return ", ".join(filter(None, parts)) or "not trained"


def heterogeneity(entries: Sequence[Entry], style: Style, published: Mapping[str, Any]) -> Figure:
    """chi4 of predictions against that of simulation, between blocks and between configurations."""
    lags = unique(entries, "lag")
    names = {k: title for k, title in CHI4.items() if any(value(e, k) is not None for e in entries)}
    figure = Figure(figsize=(9.6, 4.8), layout="constrained")
    axes = list(figure.subplots(1, len(names), squeeze=False)[0])
    for axis, (name, title) in zip(axes, names.items(), strict=True):
        for e in entries:
            x, y = value(e, f"{name}_simulated"), value(e, name)
            if x is not None and y is not None:
                look = style.of(e["row"]) | {"linestyle": "none"}
                filled = "full" if e["input"] != "thermal" else "none"
                axis.plot(x, y, label=e["row"], fillstyle=filled, **look)
        for number, (model, (times, simulated, theirs)) in enumerate(published.items()):
            pairs = [(at_lag((times, simulated), lag), at_lag((times, theirs), lag)) for lag in lags]
            shown = np.array([pair for pair in pairs if None not in pair], float).reshape(-1, 2)
            look = {"color": "k", "linestyle": "none", "marker": "1234+x"[number % 6]}
            if len(shown):
                axis.plot(*shown.T, label=f"{model}, published", **look)
        top = max(axis.get_xlim()[1], axis.get_ylim()[1])
        axis.plot([0, top], [0, top], color=CEILING, ls="--", lw=1)
        axis.set(xlabel=r"$\chi_4$, simulation", ylabel=r"$\chi_4$, predictions", title=title)
    _legend(figure, axes)
    return figure


def matrices(
    ours: Mapping[tuple[str, str], Mapping[Any, float]], theirs: Mapping[str, Mapping[Any, float]]
) -> Figure:
    """A matrix for each row and input that was judged on other data, published ones behind."""
    shown = {f"{row}, {source}": matrix for (row, source), matrix in ours.items()}
    shown |= {f"{model}, published": matrix for model, matrix in theirs.items()}
    columns = min(4, len(shown))
    lines = -(-len(shown) // columns)
    figure = Figure(figsize=(2.7 * columns, 2.5 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False)
    for axis in axes.flat[len(shown) :]:
        axis.set_visible(False)
    for axis, (title, matrix) in zip(axes.flat, shown.items(), strict=False):
        _matrix(axis, title, matrix)
    return figure


def _matrix(axis: Axes, title: str, matrix: Mapping[Any, float]) -> None:
    # PublishedNumbers matrices come with the hottest test first; names of data sets stay as they were given.
    trains, tests = (list(dict.fromkeys(key[k] for key in sorted(matrix, key=_order))) for k in (0, 1))
    table = np.array([[matrix.get((a, b), np.nan) for b in tests] for a in trains])
    axis.imshow(table, vmin=0.0, vmax=0.9, cmap="viridis", aspect="auto")
    for i, j in np.ndindex(*table.shape):
        colour = "w" if table[i, j] < 0.55 else "k"
        axis.text(j, i, f"{table[i, j]:.2f}", ha="center", va="center", fontsize=7.5, color=colour)
    axis.set_xticks(range(len(tests)), [_short(t) for t in tests], fontsize=7)
    axis.set_yticks(range(len(trains)), [_short(t) for t in trains], fontsize=7)
    axis.set_title(title, fontsize=8)
    axis.set_xlabel("judged on", fontsize=7)
    axis.set_ylabel("trained on", fontsize=7)
    axis.grid(visible=False)


def _order(key: tuple[Any, Any]) -> tuple[float, float]:
    return (key[0], key[1]) if isinstance(key[0], float) else (0.0, 0.0)


def _short(name: Any) -> str:
    if isinstance(name, tuple):
        return "all" if len(name) > 1 else str(name[0])
    return f"T={name:.2f}" if isinstance(name, float) else str(name)


def spatial(correlations: Sequence[Entry], style: Style) -> Figure:
    """C(r) of predictions beside simulation, one panel for each test set."""
    home = [c for c in correlations if not is_transfer(c)]
    home = select(home, target="propensity") or home
    tests = unique(home, "test")
    figure, axes = _panels(max(1, len(tests)), width=4.4)
    for axis, test in zip(axes, tests, strict=False):
        mine = select(home, test=test)
        last = max(c["lag"] for c in mine)
        for c in select(mine, lag=last):
            y = np.array([np.nan if v is None else v for v in c["c"]])
            if c["source"] == "simulated":
                axis.plot(c["r"], y, color="k", lw=2, label="simulation", zorder=5)
            else:
                look = style.of(c["row"]) | {"marker": ""}
                axis.plot(c["r"], y, lw=1, label=f"{c['row']}, {c['input']}", **look)
        axis.set(xlabel=r"$r/\sigma_{AA}$", title=f"{test}, t = {last:g}")
    axes[0].set_ylabel(r"$C(r)$ of the propensity")
    _legend(figure, axes)
    return figure
