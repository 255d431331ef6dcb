"""The first picture of a report: which particles of one configuration move, in one field of each source."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure

from gensample.comparison.content import Content, Moves, Propensities
from gensample.comparison.figures import WIDTH, canvas, lag_title
from gensample.comparison.maps import discs, median, visible, with_images
from gensample.report.style import look_of
from gensample.stats.ensemble import Ensemble

MOVED = 0.3
"""Lengths from here on are drawn as arrows: a hop, for inherent displacements."""
MOST = 4
"""Sources that are shown."""
FAR = 1.2
"""The length at which the colours end."""
_RESTING = ListedColormap(["#e2e2e2", "#cccccc", "#d7d7d7"])


def choose_moves(sources: Mapping[str, Sequence[Ensemble]], propensities: Propensities) -> Moves:
    """One field of each source at the longest lag, from the median configuration by simulated propensity.

    Of each source the replica in which as many particles move as in the median one. Inherent displacements
    where all sources have them, else displacements.
    """
    c = median(propensities.simulated[:, -1].mean(axis=1))
    found = {name: source[c] for name, source in list(sources.items())[:MOST]}
    inherent = all(e.inherent_displacements is not None for e in found.values())
    fields = {name: (e.inherent_displacements if inherent else e.displacements) for name, e in found.items()}
    return Moves(c, inherent, {name: _median(np.asarray(f)[:, -1]) for name, f in fields.items()})


def _median(fields: np.ndarray) -> np.ndarray:
    """The field (N, d) of (R, N, d) in which the median number of particles move."""
    counts = (np.linalg.norm(fields, axis=-1) > MOVED).sum(axis=1)
    return np.asarray(fields[median(counts)], dtype=np.float64)


def moves_map(content: Content) -> Figure:
    """Particles that move as coloured discs with their displacement as an arrow, a panel for each source."""
    moves, p = content.moves, content.propensities
    assert moves is not None, "the map of moves needs one field of each source"
    assert p is not None, "the map of moves needs the configurations"
    verb = "hop" if moves.inherent else "moved"
    count = len(moves.fields)
    columns = 3 if count == 3 else 2
    height = (0.9 if columns == 3 else 0.82) * WIDTH / columns
    figure, axes = canvas(-(-count // columns), columns, height, sharex=True, sharey=True)
    for a, (name, field) in zip(axes.flat, moves.fields.items(), strict=True):
        drawn = _panel(a, p, moves.configuration, field)
        share = (np.linalg.norm(field, axis=-1) > MOVED).mean()
        lag = lag_title(content.metrics.times, -1)
        title = f"{look_of(name).label}, {lag}, {100 * share:.0f} % {verb}"
        a.set_title(title, color=look_of(name).colour, fontsize=8.5)
    for a in axes[-1]:
        a.set_xlabel(r"$x/\sigma$")
    for a in axes[:, 0]:
        a.set_ylabel(r"$y/\sigma$")
    bar = figure.colorbar(drawn, ax=list(axes.flat), shrink=0.8, pad=0.01, extend="max")
    bar.set_label(r"$|h|/\sigma$" if moves.inherent else r"$|u|/\sigma$")
    return figure


def _panel(axes: Axes, p: Propensities, c: int, field: np.ndarray) -> EllipseCollection:
    length = np.linalg.norm(field, axis=-1)
    shown, moved = visible(p, c), length > MOVED
    discs(axes, p, c, shown & ~moved, p.species, Normalize(0, 2), _RESTING)
    _arrows(axes, p, c, shown & moved, field)
    return discs(axes, p, c, shown & moved, length, Normalize(MOVED, FAR), "viridis_r")


def _arrows(axes: Axes, p: Propensities, c: int, shown: np.ndarray, field: np.ndarray) -> None:
    """Displacements in their true lengths, from where the particles are."""
    at, which = with_images(p, c, shown)
    if len(at):
        axes.quiver(
            at[:, 0], at[:, 1], field[which, 0], field[which, 1], angles="xy", scale_units="xy", scale=1,
            width=0.004, headwidth=3.5, headlength=4, headaxislength=3.6, color="#101010", zorder=3,
        )  # fmt: skip
