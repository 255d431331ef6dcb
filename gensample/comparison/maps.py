"""Particles seen one by one: what moves in one field, maps and scatter of the propensity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.colors import Colormap, LinearSegmentedColormap, ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure

from gensample.comparison.result import Comparison, Moves, Propensities
from gensample.report.fields import LONGER, arrows
from gensample.report.page import Plate
from gensample.report.style import WIDTH, canvas, chosen, lag_title, look_of
from gensample.stats.dynamics import Ensemble

SLAB = 2.0  # thickness in sigma of the slab shown of a three-dimensional configuration
MOVED = 0.3
"""Lengths from here on are drawn as arrows: a hop, for inherent displacements."""
MOST = 4
"""Sources whose moves are shown."""
FAR = 1.2
"""The length at which the colours of moves end."""
_RESTING = ListedColormap(["#e2e2e2", "#cccccc", "#d7d7d7"])
# Blues without its palest third, so that single particles show on paper.
_BLUES = LinearSegmentedColormap.from_list("counts", ["#a9cbe8", "#0072b2", "#062a4d"])


def median(values: np.ndarray | list[float]) -> int:
    """Place of the median value (the lower one of two)."""
    return int(np.argsort(values, kind="stable")[(len(values) - 1) // 2])


def visible(p: Propensities, c: int) -> np.ndarray:
    """Particles shown: all in two dimensions, a slab through the middle of the box in three."""
    if p.positions.shape[-1] == 2:
        return np.ones(len(p.species), bool)
    height = np.mod(p.positions[c, :, 2], p.box[c, 2])
    inside: np.ndarray = np.abs(height - p.box[c, 2] / 2) < SLAB / 2
    return inside


def _where(p: Propensities) -> str:
    return "" if p.positions.shape[-1] == 2 else f", a slab {SLAB:g} σ thick through the middle of the box"


def discs(
    axes: Axes, p: Propensities, c: int, shown: np.ndarray, values: np.ndarray, scale: Normalize,
    colours: str | Colormap = "viridis",
) -> EllipseCollection:  # fmt: skip
    """Particles ``shown`` of configuration ``c`` as discs of their size, coloured by ``values`` (N,)."""
    at, which = with_images(p, c, shown)
    sizes = p.diameters[p.species[which]]
    drawn = EllipseCollection(
        sizes, sizes, np.zeros_like(sizes), units="xy", offsets=at, offset_transform=axes.transData,
        cmap=colours, norm=scale, edgecolors="none", rasterized=True,
    )  # fmt: skip
    drawn.set_array(values[which])
    axes.add_collection(drawn)
    box = p.box[c]
    axes.set(xlim=(0, box[0]), ylim=(0, box[1]), aspect="equal")
    axes.grid(False)
    axes.spines[:].set_visible(True)
    return drawn


def with_images(p: Propensities, c: int, shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions in the plane with the periodic images whose discs reach into the box, and whose they are."""
    box, particles = p.box[c, :2], np.flatnonzero(shown)
    at = np.mod(p.positions[c, particles, :2], box)
    shifts = np.array([(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)]) * box
    images = (at[None] + shifts[:, None]).reshape(-1, 2)
    reach = p.diameters.max() / 2
    inside = np.flatnonzero(((images > -reach) & (images < box + reach)).all(axis=1))
    return images[inside], particles[inside % max(len(at), 1)]


def _plane(axes: np.ndarray) -> None:
    for a in axes[-1]:
        a.set_xlabel(r"$x/\sigma$")
    for a in axes[:, 0]:
        a.set_ylabel(r"$y/\sigma$")


# What moves


def choose_moves(sources: Mapping[str, Sequence[Ensemble]], propensities: Propensities) -> Moves:
    """One field of each source at the longest lag, from the median configuration by simulated propensity.

    Of each source the replica in which as many particles move as in the median one. Inherent displacements
    where all sources have them, else displacements.
    """
    c = median(propensities.simulated[:, -1].mean(axis=1))
    found = {name: source[c] for name, source in list(sources.items())[:MOST]}
    inherent = all(e.inherent_displacements is not None for e in found.values())
    displacements = {name: _typical_field(e.displacements) for name, e in found.items()}
    fields = displacements
    if inherent:
        fields = {name: _typical_field(e.inherent_displacements) for name, e in found.items()}
    return Moves(c, inherent, fields, displacements)


def _typical_field(fields: Any) -> np.ndarray:
    """Of fields (R, K, N, d), at the longest lag, the one in which the median number of particles moved."""
    each = np.asarray(fields)[:, -1]
    counts = (np.linalg.norm(each, axis=-1) > MOVED).sum(axis=1)
    return np.asarray(each[median(counts)], dtype=np.float64)


def moves_plate(result: Comparison) -> Iterator[Plate]:
    """The first picture of a report, where it is known what moves."""
    p, found = result.propensities, result.moves
    if p is None or found is None:
        return
    what = (
        "hop, which is that their place in the inherent structure moved"
        if found.inherent
        else "moved (hops are not known here: no quench was made)"
    )
    yield Plate(
        "moves",
        f"What moves in one field, configuration {p.names[found.configuration]}{_where(p)}",
        f"One replica of simulation and one draw: particles that {what} by more than {MOVED:g} σ are "
        "coloured by how far, with the displacement as an arrow; the others are grey. Replicas "
        "differ, so the places need not agree one by one: their number, their clusters and the way "
        "neighbours follow each other should. Shown is the median configuration by simulated mean "
        "propensity, and of each source the field with the median number.",
        partial(moves_map, result, p, found),
    )


def field_plate(result: Comparison) -> Iterator[Plate]:
    """Displacements of all particles as arrows, in two dimensions."""
    p, found = result.propensities, result.moves
    if p is None or found is None or not found.displacements or p.positions.shape[-1] != 2:
        return
    yield Plate(
        "field",
        f"One displacement field, configuration {p.names[found.configuration]}",
        f"Every particle has an arrow from where it was, {LONGER:g} times as long as it moved and coloured "
        "by how far. Replicas differ: the size of the regions that move, and how well neighbours agree in "
        "direction, are to be compared, not the places. Of each source the field in which the median number "
        f"of particles moved by more than {MOVED:g} σ.",
        partial(field_map, result, p, found),
    )


def field_map(result: Comparison, p: Propensities, moves: Moves) -> Figure:
    """A panel of arrows for each source."""
    count, c = len(moves.displacements), moves.configuration
    columns = 3 if count == 3 else 2
    height = (0.9 if columns == 3 else 0.82) * WIDTH / columns
    figure, axes = canvas(-(-count // columns), columns, height, sharex=True, sharey=True)
    for a, (name, u) in zip(axes.flat, moves.displacements.items(), strict=True):
        drawn = arrows(a, p.positions[c], u, p.box[c])
        a.set_title(f"{look_of(name).label}, {lag_title(result.levels[-1])}", color=look_of(name).colour)
    _plane(axes)
    figure.colorbar(drawn, ax=list(axes.flat), shrink=0.8, pad=0.01, extend="max", label=r"$|u|/\sigma$")
    return figure


def moves_map(result: Comparison, p: Propensities, moves: Moves) -> Figure:
    """Particles that move as coloured discs with their displacement as an arrow, a panel for each source."""
    count = len(moves.fields)
    columns = 3 if count == 3 else 2
    height = (0.9 if columns == 3 else 0.82) * WIDTH / columns
    figure, axes = canvas(-(-count // columns), columns, height, sharex=True, sharey=True)
    for a, (name, field) in zip(axes.flat, moves.fields.items(), strict=True):
        length = np.linalg.norm(field, axis=-1)
        shown, moved = visible(p, moves.configuration), length > MOVED
        discs(a, p, moves.configuration, shown & ~moved, p.species, Normalize(0, 2), _RESTING)
        _arrows(a, p, moves.configuration, shown & moved, field)
        drawn = discs(a, p, moves.configuration, shown & moved, length, Normalize(MOVED, FAR), "viridis_r")
        verb, lag = "hop" if moves.inherent else "moved", lag_title(result.levels[-1])
        title = f"{look_of(name).label}, {lag}, {100 * moved.mean():.0f} % {verb}"
        a.set_title(title, color=look_of(name).colour, fontsize=8.5)
    _plane(axes)
    bar = figure.colorbar(drawn, ax=list(axes.flat), shrink=0.8, pad=0.01, extend="max")
    bar.set_label(r"$|h|/\sigma$" if moves.inherent else r"$|u|/\sigma$")
    return figure


def _arrows(axes: Axes, p: Propensities, c: int, shown: np.ndarray, field: np.ndarray) -> None:
    """Displacements in their true lengths, from where the particles are."""
    at, which = with_images(p, c, shown)
    if len(at):
        axes.quiver(
            at[:, 0], at[:, 1], field[which, 0], field[which, 1], angles="xy", scale_units="xy", scale=1,
            width=0.004, headwidth=3.5, headlength=4, headaxislength=3.6, color="#101010", zorder=3,
        )  # fmt: skip


# Propensities


def propensity_plates(result: Comparison) -> Iterator[Plate]:
    """Maps and scatter, where the propensities are known."""
    p = result.propensities
    if p is None:
        return
    c = typical_configuration(p)
    yield Plate(
        "propensity_maps",
        f"Propensity maps, configuration {p.names[c]}{_where(p)}",
        "The same particles in the same places, coloured on the same scale for each lag: fast and slow "
        "regions should coincide. The configuration shown is the median one by correlation at the longest "
        "lag, not the best.",
        partial(propensity_maps, result, p, c),
    )
    yield Plate(
        "propensity_scatter",
        "Generated against simulated propensity",
        "Number of particles on a logarithmic scale, all configurations; part of the scatter about the "
        "diagonal is the finite number of replicas on both axes.",
        partial(propensity_scatter, result, p),
    )


def typical_configuration(p: Propensities) -> int:
    """Configuration whose generated propensities correlate with simulation as the median one does."""
    first = p.species == 0
    scores = [
        np.corrcoef(s[-1, first], g[-1, first])[0, 1] for s, g in zip(p.simulated, p.generated, strict=True)
    ]
    return median(np.nan_to_num(scores))


def propensity_maps(result: Comparison, p: Propensities, c: int) -> Figure:
    """Particles of one configuration coloured by propensity: simulation left, generated right."""
    lags = chosen(result.levels, most=3)
    figure, axes = canvas(len(lags), 2, 0.46 * WIDTH, sharex=True, sharey=True)
    shown = visible(p, c)
    for line, k in zip(axes, lags, strict=True):
        low, high = np.percentile(p.simulated[c, k, shown], [2, 97])
        scale = Normalize(low, max(high, low + 1e-9))
        for a, values, name in zip(line, (p.simulated, p.generated), ("simulated", "generated"), strict=True):
            drawn, look = discs(a, p, c, shown, values[c, k], scale), look_of(name)
            a.set_title(f"{look.label}, {lag_title(result.levels[k])}", color=look.colour)
        bar = figure.colorbar(drawn, ax=list(line), shrink=0.85, pad=0.01, extend="both")
        bar.set_label(r"propensity $\mu/\sigma$")
    _plane(axes)
    return figure


def propensity_scatter(result: Comparison, p: Propensities) -> Figure:
    """Generated against simulated propensity of every particle, as densities, for each species and lag."""
    labels = (r"simulated $\mu/\sigma$", r"generated $\mu/\sigma$")
    figure, panels = species_by_lag(result, 2.0, *labels)
    for axes, group, k in panels:
        of = p.species == result.species.index(group)
        x, y = p.simulated[:, k, of].ravel(), p.generated[:, k, of].ravel()
        low, high = np.percentile(np.concatenate([x, y]), [0.1, 99.8])
        pad = 0.04 * (high - low) + 1e-9
        ends = (low - pad, high + pad)
        axes.hexbin(
            x, y, gridsize=32, extent=(*ends, *ends), cmap=_BLUES, norm=LogNorm(), mincnt=1, linewidths=0.1
        )
        axes.plot(ends, ends, color="black", lw=0.9)
        axes.set(xlim=ends, ylim=ends, aspect="equal")
        axes.locator_params(nbins=4)
    return figure


def species_by_lag(
    result: Comparison, height: float, xlabel: str, ylabel: str, **kwargs: Any
) -> tuple[Figure, list[tuple[Axes, str, int]]]:
    """A panel for each species (rows) and lag (columns), with which they are; one lag makes one row."""
    lags, species = chosen(result.levels), result.species
    single = len(lags) == 1
    figure, axes = canvas(*((1, len(species)) if single else (len(species), len(lags))), height, **kwargs)
    for a in axes[-1]:
        a.set_xlabel(xlabel)
    for a in axes[:, 0]:
        a.set_ylabel(ylabel)
    panels = []
    for group, line in zip(species, axes.T if single else axes, strict=True):
        for a, k in zip(line, lags, strict=True):
            a.set_title(f"{group}, {lag_title(result.levels[k])}")
            panels.append((a, group, k))
    return figure, panels
