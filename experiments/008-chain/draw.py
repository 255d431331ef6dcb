"""The figure: propensity distributions of A, a row a source, a column a lag, a line a set."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from files import SETS, SOURCES
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gensample.report.style import SOURCES as STYLES
from gensample.report.style import look

LOOK = {"test": STYLES["simulated"], "generated": STYLES["generated"], "control": STYLES["independent"]}
BINS = 30
# Axes end at this quantile of the widest distribution.
TAIL = 0.998


def draw(found: dict, species: np.ndarray, lags: Sequence[float], path: Path) -> None:
    """Densities over all particles of a species and all configurations; ``found`` holds (C, N, K)."""
    a = np.flatnonzero(species == 0)
    with look():
        figure = Figure(figsize=(2.6 * len(lags) + 0.8, 6.2), layout="constrained")
        axes = figure.subplots(len(SOURCES), len(lags), sharex="col", squeeze=False)
        for k, lag in enumerate(lags):
            values = {key: mu[:, a, k].ravel() for key, mu in found.items()}
            for axis, source in zip(axes[:, k], SOURCES, strict=True):
                _panel(axis, {name: values[name, source] for name in SETS if (name, source) in values})
            axes[0, k].set_xlim(0, max(float(np.quantile(v, TAIL)) for v in values.values()))
            axes[0, k].set_title(f"t = {lag:g}")
            axes[-1, k].set_xlabel("propensity of A")
        for axis, source in zip(axes[:, 0], SOURCES, strict=True):
            axis.set_ylabel(f"{source}: density")
        axes[0, 0].legend()
        figure.savefig(path)


def _panel(axis: Axes, values: dict[str, np.ndarray]) -> None:
    """Histograms of one source and lag in bins of their own, as lines through the centres."""
    if not values:
        return
    edges = np.linspace(
        min(v.min() for v in values.values()), max(np.quantile(v, TAIL) for v in values.values()), BINS + 1
    )
    for name, v in values.items():
        density = np.histogram(v, edges)[0] / (len(v) * np.diff(edges))
        style = LOOK[name]
        axis.plot(
            (edges[1:] + edges[:-1]) / 2, density, color=style.colour, ls=style.line, lw=1.3, label=name
        )
    axis.set_ylim(bottom=0)
