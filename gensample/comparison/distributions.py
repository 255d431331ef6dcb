"""Distributions of displacements and propensities over particles."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gensample.comparison.content import Content
from gensample.comparison.figures import legend_above, species_by_lag
from gensample.report.style import SOURCES

_DRAWN = ("simulated", "generated")


def van_hove(content: Content) -> Figure:
    """Self van Hove function against distance, logarithmic, for each species and lag."""
    return _panels(content, "van_hove", r"distance $r/\sigma$", r"$G_s(r,t)\,\sigma^d$", log=True)


def log_displacement(content: Content) -> Figure:
    """P(log10 r) against log10 r: hops show as a second peak near the distance of neighbours."""
    return _panels(content, "log_displacement", r"$\log_{10}(r/\sigma)$", r"$P(\log_{10} r)$")


def propensity_distribution(content: Content) -> Figure:
    """Distribution over particles of the propensity, for each species and lag."""
    return _panels(content, "propensity", r"propensity $\mu/\sigma$", r"$P(\mu)\,\sigma$")


def _panels(content: Content, name: str, xlabel: str, ylabel: str, *, log: bool = False) -> Figure:
    m = content.metrics
    figure, panels = species_by_lag(m, 1.8, xlabel, ylabel)
    for axes, s, k in panels:
        curves = [content.curve(name, m.times[k], m.species[s], source) for source in _DRAWN]
        for source, curve in zip(_DRAWN, curves, strict=True):
            _draw(axes, curve, source, log)
        _frame(axes, curves, log)
    legend_above(figure, panels[0][0])
    return figure


def _draw(axes: Axes, curve: np.ndarray, source: str, log: bool) -> None:
    """Line with its band; the simulated one wide and pale, so that the generated one shows on it."""
    x, value, low, high = _positive(curve).T if log else curve.T
    look, wide = SOURCES[source], source == "simulated"
    axes.plot(
        x, value, color=look.colour, label=look.label, lw=2.6 if wide else 1.4, alpha=0.55 if wide else 1
    )
    axes.fill_between(x, low, high, color=look.colour, alpha=0.15, lw=0)
    if log:
        axes.set_yscale("log")


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
        axes.set_ylim(0.4 * drawn[:, 1].min(), 2.5 * drawn[:, 1].max())
