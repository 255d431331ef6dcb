"""One look for every figure and table: colours, markers, names and plain words."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import matplotlib


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
CONTROLS = ("halves", "independent", "climatology")
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
