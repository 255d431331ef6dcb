"""Figures of the comparison of configurations: simulation black, generated blue, reweighted orange."""

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, SymmetricalLogLocator

from gensample.comparison.configurations.content import WHOLE, Content
from gensample.comparison.configurations.tables import decimal
from gensample.comparison.figures import MOST_LAGS, canvas, chosen_lags, legend_above
from gensample.comparison.metrics import Number
from gensample.comparison.tables import number
from gensample.report.style import SOURCES

DRAWN = ("simulated", "generated", "reweighted")
LEAST_SIZE = 20
"""Effective size from which reweighted curves are drawn: below, they are noise that hides the others."""


def shown_temperatures(content: Content) -> list[int]:
    """Temperatures that a figure has room for: all, or some from the lowest to the highest."""
    return chosen_lags(content.temperatures, MOST_LAGS)


def _sources(content: Content, k: int) -> tuple[str, ...]:
    """What is drawn at one temperature."""
    w = content.block(k)["weights"]
    return DRAWN if w is not None and w["size"] >= LEAST_SIZE else DRAWN[:2]


def _title(content: Content, k: int, words: str = "") -> str:
    several = len(content.temperatures) > 1
    parts = [words] * bool(words) + [f"$T = {content.temperatures[k]:g}$"] * (several or not words)
    return ", ".join(parts)


def _line(axes: Axes, curve: np.ndarray, source: str, *, fill: bool = False, step: bool = False) -> None:
    """Line with its band; the simulated one wide and pale, so that the generated one shows on it."""
    if not len(curve):
        return
    x, value, low, high = curve.T
    look, wide = SOURCES[source], source == "simulated"
    axes.plot(
        x, value, look.line, color=look.colour, label=look.label, lw=2.6 if wide else 1.4,
        alpha=0.55 if wide else 1, drawstyle="steps-mid" if step else "default",
    )  # fmt: skip
    if fill:
        axes.fill_between(x, 0, value, color=look.colour, alpha=0.12, lw=0, step="mid" if step else None)
    elif np.isfinite(low).any():
        axes.fill_between(x, low, high, color=look.colour, alpha=0.18, lw=0)


def _all_lines(
    content: Content, axes: Axes, name: str, k: int, label: str, *, fill: bool = False, step: bool = False
) -> list[np.ndarray]:
    sources = _sources(content, k)
    curves = [content.curve(name, k, label, source) for source in sources]
    for source, curve in zip(sources, curves, strict=True):
        _line(axes, curve, source, fill=fill, step=step)
    return [c for c in curves if len(c)]


# Energies

_ENERGIES = (
    ("energy", r"energy per particle $U/N$", r"$P(U/N)$"),
    ("inherent_energy", r"inherent energy $U_\mathrm{IS}/N$", r"$P(U_\mathrm{IS}/N)$"),
)


def energies(content: Content) -> Figure:
    """Histograms of energy and inherent energy per particle, a row for each temperature."""
    there = [entry for entry in _ENERGIES if content.curves.get(entry[0])]
    ks = shown_temperatures(content)
    figure, grid = canvas(len(ks), len(there), 2.5 if len(ks) == 1 else 2.0)
    for line, k in zip(grid, ks, strict=True):
        for axes, (name, xlabel, ylabel) in zip(line, there, strict=True):
            curves = _all_lines(content, axes, name, k, WHOLE, fill=True, step=True)
            _energy_axes(axes, curves)
            gap = content.get(k, f"{name}_gap", WHOLE, "generated")
            axes.set_title(_title(content, k, _gap_words(gap)), fontsize="medium")
            axes.set(xlabel=xlabel if k == ks[-1] else "", ylabel=ylabel)
    _legend(figure, grid)
    return figure


def _gap_words(gap: Number) -> str:
    sign = "+" if gap.value > 0 else ""
    return f"gap {sign}{decimal(gap, 4, interval=True)}" if gap.defined else "gap infinite"


def _energy_axes(axes: Axes, curves: list[np.ndarray]) -> None:
    """From zero; logarithmic where one histogram is so narrow, or so far away, that it would vanish."""
    reach = [np.abs(c[:, 0]).max() for c in curves]
    if max(reach) > 100 * reach[0] > 0:
        axes.set_xscale("symlog", linthresh=10 ** np.ceil(np.log10(2 * reach[0])))
        locator = SymmetricalLogLocator(axes.xaxis.get_transform())
        locator.set_params(numticks=7)
        axes.xaxis.set_major_locator(locator)
    peaks = [np.nanmax(c[:, 1]) for c in curves]
    if max(peaks) > 8 * min(peaks) > 0:
        least = min(c[:, 1][c[:, 1] > 0].min() for c in curves)
        axes.set(yscale="log", ylim=(0.5 * least, 2 * max(peaks)))
    else:
        axes.set_ylim(bottom=0)


def _legend(figure: Figure, grid: np.ndarray) -> None:
    """One legend of everything drawn anywhere, above."""
    most = max(grid.flat, key=lambda axes: len(axes.get_legend_handles_labels()[1]))
    legend_above(figure, most)


# Arrangement


def pair_distribution(content: Content) -> Figure:
    """Partial g(r) and, below each, generated minus simulated."""
    labels, ks = content.labels("pair_distribution"), shown_temperatures(content)
    figure, grid = canvas(
        2 * len(ks), len(labels), 1.5, sharex=True, gridspec_kw={"height_ratios": [2.2, 1] * len(ks)}
    )
    for n, k in enumerate(ks):
        for c, label in enumerate(labels):
            above, below = grid[2 * n, c], grid[2 * n + 1, c]
            curves = _all_lines(content, above, "pair_distribution", k, label)
            above.set_title(_title(content, k, f"$g_\\mathrm{{{label}}}(r)$"))
            above.set_xlim(left=0.9 * _first_rise(curves))
            _differences(content, below, k, label)
        grid[2 * n, 0].set_ylabel("$g(r)$")
        grid[2 * n + 1, 0].set_ylabel("difference")
    for axes in grid[-1]:
        axes.set_xlabel(r"distance $r/\sigma$")
    _legend(figure, grid)
    return figure


def _first_rise(curves: Iterable[np.ndarray]) -> float:
    """Smallest distance with pairs in any curve."""
    return float(min(c[c[:, 1] > 0.01, 0].min(initial=np.inf) for c in curves if len(c)))


def _differences(content: Content, axes: Axes, k: int, label: str) -> None:
    simulated = content.curve("pair_distribution", k, label, "simulated")
    axes.axhline(0, color="black", lw=0.7)
    noise = np.fmax(simulated[:, 3] - simulated[:, 1], simulated[:, 1] - simulated[:, 2])
    axes.fill_between(simulated[:, 0], -noise, noise, color="black", alpha=0.18, lw=0)
    for source in _sources(content, k)[1:]:
        curve = content.curve("pair_distribution", k, label, source)
        if len(curve):
            look = SOURCES[source]
            axes.plot(curve[:, 0], curve[:, 1] - simulated[:, 1], look.line, color=look.colour, lw=1.1)


def _by_label(
    content: Content, name: str, height: float, xlabel: str, ylabel: str, title: str, **look: bool
) -> tuple[Figure, np.ndarray]:
    """A column for each label and a row for each temperature; ``title`` is formatted with the label."""
    labels, ks = content.labels(name), shown_temperatures(content)
    figure, grid = canvas(len(ks), len(labels), height)
    for line, k in zip(grid, ks, strict=True):
        for axes, label in zip(line, labels, strict=True):
            _all_lines(content, axes, name, k, label, **look)
            axes.set_title(_title(content, k, title.format(label)))
        line[0].set_ylabel(ylabel)
    for axes in grid[-1]:
        axes.set_xlabel(xlabel)
    _legend(figure, grid)
    return figure, grid


def structure_factor(content: Content) -> Figure:
    """Partial structure factors on the wave vectors that the box allows."""
    return _by_label(
        content, "structure_factor", 2.0, r"wave number $q\,\sigma$", "$S(q)$", r"$S_\mathrm{{{}}}(q)$"
    )[0]


def closest(content: Content) -> Figure:
    """Cumulative distribution over configurations of the smallest distance of each kind of pair."""
    figure, grid = _by_label(
        content, "closest", 2.0, r"smallest $r_{ab}/\sigma_{ab}$", "share of configurations", "{}", step=True
    )
    for axes in grid.flat:
        axes.set_ylim(0, 1.02)
        axes.xaxis.set_major_locator(MaxNLocator(4))
    return figure


def coordination(content: Content) -> Figure:
    """Distribution over particles of the number of neighbours of each species."""
    figure, grid = _by_label(
        content, "coordination", 1.9, "neighbours $n$", "$P(n)$", "{0[1]} around {0[0]}", fill=True, step=True
    )
    labels, ks = content.labels("coordination"), shown_temperatures(content)
    for line, k in zip(grid, ks, strict=True):
        for axes, label in zip(line, labels, strict=True):
            curves = [content.curve("coordination", k, label, source) for source in DRAWN[:2]]
            seen = np.concatenate([c[c[:, 1] > 1e-3, 0] for c in curves if len(c)])
            axes.set(xlim=(seen.min() - 0.7, seen.max() + 0.7), ylim=(0, None))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def angles(content: Content) -> Figure:
    """Distribution of the angle between two neighbours of a particle."""
    figure, grid = _by_label(
        content, "angles", 2.1, "angle (degrees)", "probability per degree", "seen from {}"
    )
    for axes in grid.flat:
        axes.set(xlim=(0, 180), xticks=range(0, 181, 30), ylim=(0, None))
    return figure


# Weights and propensities


def weights(content: Content) -> Figure:
    """Histogram of the log weights, and the share of the sum that the largest weights have."""
    ks = [k for k in shown_temperatures(content) if content.block(k)["weights"] is not None]
    figure, grid = canvas(len(ks), 2, 2.2)
    for (left, right), k in zip(grid, ks, strict=True):
        _line(left, content.curve("log_weights", k, WHOLE, "generated"), "generated", fill=True, step=True)
        left.set(xlabel=r"$\ln w$ − median", ylabel=r"$P(\ln w)$", ylim=(0, None))
        left.set_title(_title(content, k))
        _line(right, content.curve("weight_share", k, WHOLE, "generated"), "generated")
        size = content.block(k)["weights"]
        right.plot([0, 1], [0, 1], ":", color="#808080", lw=1.2)
        right.set(
            xlabel="share of configurations, largest weights first", ylabel="share of the sum", ylim=(0, 1.02)
        )
        right.set_xscale("log")
        right.set_xlim(right=1)
        right.lines[-1].set_data(*(np.geomspace(1 / size["samples"], 1, 100),) * 2)
        right.set_title(f"effective size {number(Number(size['size']))} of {size['samples']}")
    return figure


def propensity(content: Content, k: int) -> Figure:
    """Distribution over particles of the predicted propensity, species by lag time, at one temperature."""
    labels = content.labels("propensity")
    species = list(dict.fromkeys(label.partition(",")[0] for label in labels))
    lags = len(labels) // len(species)
    kept = chosen_lags(range(lags))
    figure, grid = canvas(len(species), len(kept), 1.8)
    for s, line in enumerate(grid):
        for axes, lag in zip(line, kept, strict=True):
            label = labels[lag * len(species) + s]
            curves = _all_lines(content, axes, "propensity", k, label, fill=True, step=True)
            _energy_axes(axes, curves)
            words = label.replace("t = ", "$t = ") + "$"
            axes.set_title(_title(content, k, words) if len(content.temperatures) > 1 else words)
        line[0].set_ylabel(r"$P(\mu)$")
    for axes in grid[-1]:
        axes.set_xlabel(r"propensity $\mu/\sigma$")
    _legend(figure, grid)
    return figure
