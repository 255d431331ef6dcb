"""One look for every figure and table: colours, markers, names and plain words."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Look:
    """How one ensemble (simulation, generated, or a control) is named and drawn."""

    label: str
    colour: str
    marker: str
    line: str


# Okabe-Ito blue for what is judged, muted and mutually distinct hues for the controls; markers and
# line styles differ too, so that the figures survive grey printing.
SOURCES: dict[str, Look] = {
    "simulated": Look("simulation", "#000000", "o", "-"),
    "generated": Look("generated", "#0072b2", "s", "-"),
    "halves": Look("halves", "#5f9e6e", "D", "--"),
    "independent": Look("independent", "#c77c2e", "^", "-."),
    "climatology": Look("climatology", "#a2799a", "v", ":"),
    "reweighted": Look("reweighted", "#d55e00", "v", "--"),
    "harmonic": Look("harmonic", "#56b4e9", "P", "--"),
    "heated": Look("heated", "#d55e00", "X", "-."),
}
CEILING = "#808080"

_FURTHER = ("#cc79a7", "#009e73", "#e69f00", "#7a5195", "#8c6d31", "#3f7f93")


def look_of(name: str) -> Look:
    """How the source ``name`` looks; a file beside the others has a colour by its name."""
    number, label = crc32(name.encode()), name.replace("$", r"\$")
    return SOURCES.get(name) or Look(label, _FURTHER[number % len(_FURTHER)], "<>*"[number % 3], "--")


_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
    "xtick.direction": "out",
    "savefig.dpi": 160,
    # Text as outlines: the page looks the same on a machine without our fonts.
    "svg.fonttype": "path",
    # Same data, same bytes.
    "svg.hashsalt": "gensample",
}


@contextmanager
def look() -> Iterator[None]:
    """Matplotlib settings of the report, for the time of one figure."""
    with matplotlib.rc_context(_RC):
        yield


WIDTH = 7.4  # inches: the text width of an A4 page
MOST_COLUMNS = 4  # that remain readable


def canvas(rows: int, columns: int, height: float, **kwargs: Any) -> tuple[Figure, np.ndarray]:
    """A figure of text width with a grid of axes, ``height`` inches per row."""
    figure = Figure(figsize=(WIDTH, height * rows + 0.35), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **kwargs)
    return figure, axes


def chosen(values: Sequence[Any], most: int = MOST_COLUMNS) -> list[int]:
    """Numbers of all values, or of ``most`` of them evenly from the first to the last."""
    return sorted({round(i) for i in np.linspace(0, len(values) - 1, min(most, len(values)))})


def lag_title(time: float) -> str:
    """Title of a panel that belongs to one lag."""
    return rf"$t = {time:g}\,\tau$"


def legend_above(figure: Figure, grid: np.ndarray, columns: int = 5) -> None:
    """One legend above the whole figure, of everything drawn anywhere, simulation first."""
    entries: dict[str, Any] = {}
    for axes in grid.flat:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    order = sorted(entries, key=lambda label: label != SOURCES["simulated"].label)
    handles = [entries[label] for label in order]
    figure.legend(handles, order, loc="outside upper center", ncols=min(columns, max(len(order), 1)))


def draw_curve(axes: Axes, curve: np.ndarray, source: str, **kwargs: Any) -> None:
    """A line (points, 4) of x, value, low, high with its band.

    That of simulation is wide and pale, so that the generated one shows on it; ``fill``: down to zero in
    place of the band; ``step``: in steps.
    """
    fill, step = kwargs.get("fill", False), kwargs.get("step", False)
    if not len(curve):
        return
    x, value, low, high = curve.T
    look, wide = look_of(source), source == "simulated"
    axes.plot(
        x, value, look.line, color=look.colour, label=look.label, lw=2.6 if wide else 1.4,
        alpha=0.55 if wide else 1, drawstyle="steps-mid" if step else "default",
    )  # fmt: skip
    if fill:
        axes.fill_between(x, 0, value, color=look.colour, alpha=0.12, lw=0, step="mid" if step else None)
    elif np.isfinite(low).any():
        axes.fill_between(x, low, high, color=look.colour, alpha=0.16, lw=0)
