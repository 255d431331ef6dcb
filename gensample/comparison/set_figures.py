"""Figures of the comparison of configurations: simulation black, generated blue, reweighted orange.

Energies come first, since nothing else shows failure so soon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, SymmetricalLogLocator

from gensample.comparison.quantities import EVERYONE
from gensample.comparison.result import Comparison
from gensample.comparison.rows import digits, number
from gensample.report.page import Plate
from gensample.report.style import canvas, chosen, draw_curve, legend_above, look_of
from gensample.stats.intervals import Number

DRAWN = ("simulated", "generated", "reweighted")
LEAST_SIZE = 20
"""Effective size from which reweighted curves are drawn: below, they are noise that hides the others."""


class Panels(NamedTuple):
    """A curve with a column for each kind of pair or species and a row for each temperature.

    ``label`` (format of the title of a panel), names of the axes, height of a row; ``finish`` sees to the
    axes.
    """

    title: str
    reading: str
    label: str
    xlabel: str
    ylabel: str
    height: float
    finish: Callable[[Axes, list[np.ndarray]], Any]
    fill: bool = False
    step: bool = False


def _closest_axes(axes: Axes, curves: list[np.ndarray]) -> None:
    axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(4))


def _coordination_axes(axes: Axes, curves: list[np.ndarray]) -> None:
    seen = np.concatenate([c[c[:, 1] > 1e-3, 0] for c in curves])
    axes.set(xlim=(seen.min() - 0.7, seen.max() + 0.7), ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


BY_LABEL = {
    "structure_factor": Panels(
        "Partial structure factors",
        "Only wave vectors that the box allows: with few particles the points at small q are far apart.",
        r"$S_\mathrm{{{0}}}(q)$",
        r"wave number $q\,\sigma$",
        "$S(q)$",
        2.0,
        lambda axes, curves: None,
    ),
    "closest": Panels(
        "Closest pairs",
        "For each kind of pair, the smallest distance in each configuration over the diameter: a blue "
        "curve to the left of the black one has overlaps.",
        "{0}",
        r"smallest $r_{ab}/\sigma_{ab}$",
        "share of configurations",
        2.0,
        _closest_axes,
        step=True,
    ),
    "coordination": Panels(
        "Numbers of neighbours",
        "Neighbours nearer than 1.4 diameters, by species.",
        "{0[1]} around {0[0]}",
        "neighbours $n$",
        "$P(n)$",
        1.9,
        _coordination_axes,
        fill=True,
        step=True,
    ),
    "angles": Panels(
        "Bond angles",
        "Angle between any two neighbours of a particle, by its species. Near 60 degrees: triangles of "
        "touching particles.",
        "seen from {0}",
        "angle (degrees)",
        "probability per degree",
        2.1,
        lambda axes, curves: axes.set(xlim=(0, 180), xticks=range(0, 181, 30), ylim=(0, None)),
    ),
}


def set_plates(result: Comparison) -> Iterator[Plate]:
    """Every figure that the comparison allows; what was not computed is left out."""
    inherent = bool(result.curves.get("inherent_energy"))
    packed = (
        ", or badly packed if the inherent energy is too high."
        if inherent
        else ". Inherent structures of both sets (gensample quench) would tell how well it is packed."
    )
    if result.curves.get("energy"):
        yield Plate(
            "energy",
            "Energy" + (" and inherent-structure energy" if inherent else "") + " per particle",
            "Histograms over configurations; they should coincide. A generated one too far to the right has "
            f"particles too close together{packed} Tails beyond three interquartile ranges are cut off.",
            partial(energies, result),
        )
    yield Plate(
        "pair_distribution",
        "Pair distribution functions",
        "Blue should lie on black. Below: generated minus simulated, grey the 95 % interval of simulation. "
        "Close agreement here does not mean a right energy: that is decided by the steep left side of the "
        "first peak.",
        partial(pair_distribution, result),
    )
    for name, panels in BY_LABEL.items():
        yield Plate(name, panels.title, panels.reading, partial(by_label, result, name))
    if result.curves.get("log_weights"):
        yield Plate(
            "weights",
            "Importance weights",
            "Left: the narrower, the better; each unit is a factor of 2.7 in weight. Right: on the dotted "
            "line all configurations count alike; a curve that starts high is ruled by a few of them, and "
            "no reweighted number can then be trusted. Reweighted curves are drawn above from an effective "
            "size of 20 on.",
            partial(weights, result),
        )
    for k in chosen(result.levels) if result.curves.get("propensity") else ():
        yield Plate(
            f"propensity_{result.levels[k]:g}",
            "Predicted propensity",
            "What a predictor of the dynamics reads off both sets of structures, a histogram over "
            "particles: do the generated structures move as far, and differ as much among themselves?",
            partial(propensity_panels, result, k),
        )


def _sources(result: Comparison, k: int) -> tuple[str, ...]:
    """What is drawn at one temperature."""
    w = result.blocks[k]["weights"]
    return DRAWN if w is not None and w["size"] >= LEAST_SIZE else DRAWN[:2]


def _title(result: Comparison, k: int, words: str = "") -> str:
    several = len(result.levels) > 1
    parts = [words] * bool(words) + [f"$T = {result.levels[k]:g}$"] * (several or not words)
    return ", ".join(parts)


def _lines(result: Comparison, axes: Axes, name: str, k: int, label: str, **look: bool) -> list[np.ndarray]:
    """Draw a curve of all sources; those that there are."""
    curves = [result.curve(name, k, label, source) for source in _sources(result, k)]
    for source, curve in zip(_sources(result, k), curves, strict=True):
        draw_curve(axes, curve, source, **look)
    return [c for c in curves if len(c)]


# Energies

_ENERGIES = (
    ("energy", r"energy per particle $U/N$", r"$P(U/N)$"),
    ("inherent_energy", r"inherent energy $U_\mathrm{IS}/N$", r"$P(U_\mathrm{IS}/N)$"),
)


def energies(result: Comparison) -> Figure:
    """Histograms of energy and inherent energy per particle, a row for each temperature."""
    there = [entry for entry in _ENERGIES if result.curves.get(entry[0])]
    ks = chosen(result.levels)
    figure, grid = canvas(len(ks), len(there), 2.5 if len(ks) == 1 else 2.0)
    for line, k in zip(grid, ks, strict=True):
        for axes, (name, xlabel, ylabel) in zip(line, there, strict=True):
            _energy_axes(axes, _lines(result, axes, name, k, EVERYONE, fill=True, step=True))
            gap = _gap_words(result.get(k, EVERYONE, "generated", f"{name}_gap"))
            axes.set_title(_title(result, k, gap), fontsize="medium")
            axes.set(xlabel=xlabel if k == ks[-1] else "", ylabel=ylabel)
    legend_above(figure, grid)
    return figure


def _gap_words(gap: Number) -> str:
    if not gap.defined:
        return "gap infinite"
    value, bounds = digits(gap, places=4)
    return f"gap {'+' if gap.value > 0 else ''}{value}" + (f" [{', '.join(bounds)}]" if bounds else "")


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


# Arrangement


def pair_distribution(result: Comparison) -> Figure:
    """Partial g(r) and, below each, generated minus simulated."""
    labels, ks = result.labels("pair_distribution"), chosen(result.levels)
    ratios = {"height_ratios": [2.2, 1] * len(ks)}
    figure, grid = canvas(2 * len(ks), len(labels), 1.5, sharex=True, gridspec_kw=ratios)
    for n, k in enumerate(ks):
        for above, below, label in zip(grid[2 * n], grid[2 * n + 1], labels, strict=True):
            curves = _lines(result, above, "pair_distribution", k, label)
            above.set_title(_title(result, k, f"$g_\\mathrm{{{label}}}(r)$"))
            # From the smallest distance with pairs in any curve.
            above.set_xlim(left=0.9 * min(c[c[:, 1] > 0.01, 0].min(initial=np.inf) for c in curves))
            _differences(result, below, k, label)
        grid[2 * n, 0].set_ylabel("$g(r)$")
        grid[2 * n + 1, 0].set_ylabel("difference")
    for axes in grid[-1]:
        axes.set_xlabel(r"distance $r/\sigma$")
    legend_above(figure, grid)
    return figure


def _differences(result: Comparison, axes: Axes, k: int, label: str) -> None:
    simulated = result.curve("pair_distribution", k, label, "simulated")
    axes.axhline(0, color="black", lw=0.7)
    noise = np.fmax(simulated[:, 3] - simulated[:, 1], simulated[:, 1] - simulated[:, 2])
    axes.fill_between(simulated[:, 0], -noise, noise, color="black", alpha=0.18, lw=0)
    for source in _sources(result, k)[1:]:
        curve, look = result.curve("pair_distribution", k, label, source), look_of(source)
        if len(curve):
            axes.plot(curve[:, 0], curve[:, 1] - simulated[:, 1], look.line, color=look.colour, lw=1.1)


def by_label(result: Comparison, name: str) -> Figure:
    """One of `BY_LABEL`."""
    panels, labels, ks = BY_LABEL[name], result.labels(name), chosen(result.levels)
    figure, grid = canvas(len(ks), len(labels), panels.height)
    for line, k in zip(grid, ks, strict=True):
        for axes, label in zip(line, labels, strict=True):
            curves = _lines(result, axes, name, k, label, fill=panels.fill, step=panels.step)
            axes.set_title(_title(result, k, panels.label.format(label)))
            panels.finish(axes, curves)
        line[0].set_ylabel(panels.ylabel)
    for axes in grid[-1]:
        axes.set_xlabel(panels.xlabel)
    legend_above(figure, grid)
    return figure


# Weights and propensities


def weights(result: Comparison) -> Figure:
    """Histogram of the log weights, and the share of the sum that the largest weights have."""
    ks = [k for k in chosen(result.levels) if result.blocks[k]["weights"] is not None]
    figure, grid = canvas(len(ks), 2, 2.2)
    for (left, right), k in zip(grid, ks, strict=True):
        curves = {
            name: result.curve(name, k, EVERYONE, "generated") for name in ("log_weights", "weight_share")
        }
        draw_curve(left, curves["log_weights"], "generated", fill=True, step=True)
        left.set(xlabel=r"$\ln w$ − median", ylabel=r"$P(\ln w)$", ylim=(0, None), title=_title(result, k))
        draw_curve(right, curves["weight_share"], "generated")
        size = result.blocks[k]["weights"]
        equal = np.geomspace(1 / size["samples"], 1, 100)
        right.plot(equal, equal, ":", color="#808080", lw=1.2)
        right.set(xlabel="share of configurations, largest weights first", ylabel="share of the sum")
        right.set(
            ylim=(0, 1.02), xscale="log", title=f"effective size {number(size['size'])} of {size['samples']}"
        )
        right.set_xlim(right=1)
    return figure


def propensity_panels(result: Comparison, k: int) -> Figure:
    """Distribution over particles of the predicted propensity, species by lag time, at one temperature."""
    labels = result.labels("propensity")
    species = list(dict.fromkeys(label.partition(",")[0] for label in labels))
    kept = chosen(range(len(labels) // len(species)))
    figure, grid = canvas(len(species), len(kept), 1.8)
    for s, line in enumerate(grid):
        for axes, lag in zip(line, kept, strict=True):
            label = labels[lag * len(species) + s]
            _energy_axes(axes, _lines(result, axes, "propensity", k, label, fill=True, step=True))
            words = label.replace("t = ", "$t = ") + "$"
            axes.set_title(_title(result, k, words) if len(result.levels) > 1 else words)
        line[0].set_ylabel(r"$P(\mu)$")
    for axes in grid[-1]:
        axes.set_xlabel(r"propensity $\mu/\sigma$")
    legend_above(figure, grid)
    return figure
