"""Distributions of displacements and propensities over particles."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gensample.report.content import Content
from gensample.report.figures import legend_above, species_by_lag
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
    figure, panels = species_by_lag(m, 1.8, xlabel, ylabel, sharey="row" if log else False)
    for axes, s, k in panels:
        curves = [content.curve(name, m.times[k], m.species[s], source) for source in _DRAWN]
        for source, curve in zip(_DRAWN, curves, strict=True):
            _draw(axes, curve, source, log)
        _frame(axes, curves)
    legend_above(figure, panels[0][0])
    return figure


def _draw(axes: Axes, curve: np.ndarray, source: str, log: bool) -> None:
    """Line with its band; the simulated one wide and pale, so that the generated one shows on it."""
    x, value, low, high = np.where(curve > 0, curve, np.nan).T if log else curve.T
    x, look, wide = curve[:, 0], SOURCES[source], source == "simulated"
    axes.plot(
        x, value, color=look.colour, label=look.label, lw=2.6 if wide else 1.4, alpha=0.55 if wide else 1
    )
    axes.fill_between(x, low, high, color=look.colour, alpha=0.15, lw=0)
    if log:
        axes.set_yscale("log")


def _frame(axes: Axes, curves: list[np.ndarray]) -> None:
    """Show the range of x where any curve is above a millionth of its peak, and nothing empty."""
    seen = [c[c[:, 1] > 1e-6 * c[:, 1].max(), 0] for c in curves if len(c)]
    if seen and sum(map(len, seen)):
        x = np.concatenate(seen)
        pad = 0.03 * (x.max() - x.min())
        axes.set_xlim(x.min() - pad, x.max() + pad)
