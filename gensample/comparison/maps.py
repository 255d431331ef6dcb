"""Propensity seen particle by particle: maps of one configuration, and scatter."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.colors import Colormap, LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure

from gensample.comparison.content import Content, Propensities
from gensample.comparison.figures import WIDTH, canvas, chosen_lags, lag_title, species_by_lag
from gensample.report.style import SOURCES

SLAB = 2.0  # thickness in sigma of the slab shown of a three-dimensional configuration
COLOURS = "viridis"
# Blues without its palest third, so that single particles show on paper.
_BLUES = LinearSegmentedColormap.from_list("counts", ["#a9cbe8", "#0072b2", "#062a4d"])


def typical_configuration(p: Propensities) -> int:
    """Configuration whose generated propensities correlate with simulation as the median one does."""
    k = p.simulated.shape[1] - 1
    first = p.species == 0
    scores = [
        np.corrcoef(s[k, first], g[k, first])[0, 1] for s, g in zip(p.simulated, p.generated, strict=True)
    ]
    return median(np.nan_to_num(scores))


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


def propensity_maps(content: Content, c: int | None = None) -> Figure:
    """Particles of one configuration coloured by propensity: simulation left, generated right."""
    p = _present(content)
    c = typical_configuration(p) if c is None else c
    lags = chosen_lags(content.metrics.times, most=3)
    figure, axes = canvas(len(lags), 2, 0.46 * WIDTH, sharex=True, sharey=True)
    shown = visible(p, c)
    for line, k in zip(axes, lags, strict=True):
        scale = _scale(p.simulated[c, k, shown])
        for a, values, name in zip(line, (p.simulated, p.generated), ("simulated", "generated"), strict=True):
            drawn = discs(a, p, c, shown, values[c, k], scale)
            a.set_title(
                f"{SOURCES[name].label}, {lag_title(content.metrics.times, k)}", color=SOURCES[name].colour
            )
        bar = figure.colorbar(drawn, ax=list(line), shrink=0.85, pad=0.01, extend="both")
        bar.set_label(r"propensity $\mu/\sigma$")
    for a in axes[-1]:
        a.set_xlabel(r"$x/\sigma$")
    for a in axes[:, 0]:
        a.set_ylabel(r"$y/\sigma$")
    return figure


def _scale(values: np.ndarray) -> Normalize:
    low, high = np.percentile(values, [2, 97])
    return Normalize(low, max(high, low + 1e-9))


def discs(
    axes: Axes,
    p: Propensities,
    c: int,
    shown: np.ndarray,
    values: np.ndarray,
    scale: Normalize,
    colours: str | Colormap = COLOURS,
) -> EllipseCollection:
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


def propensity_scatter(content: Content) -> Figure:
    """Generated against simulated propensity of every particle, as densities, for each species and lag."""
    p = _present(content)
    labels = (r"simulated $\mu/\sigma$", r"generated $\mu/\sigma$")
    figure, panels = species_by_lag(content.metrics, 2.0, *labels)
    for axes, s, k in panels:
        of = p.species == s
        _density(axes, p.simulated[:, k, of].ravel(), p.generated[:, k, of].ravel())
    return figure


def _density(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    low, high = np.percentile(np.concatenate([x, y]), [0.1, 99.8])
    pad = 0.04 * (high - low) + 1e-9
    ends = (low - pad, high + pad)
    axes.hexbin(
        x, y, gridsize=32, extent=(*ends, *ends), cmap=_BLUES, norm=LogNorm(), mincnt=1, linewidths=0.1
    )
    axes.plot(ends, ends, color="black", lw=0.9)
    axes.set(xlim=ends, ylim=ends, aspect="equal")
    axes.locator_params(nbins=4)


def _present(content: Content) -> Propensities:
    assert content.propensities is not None, "maps need the propensities of the particles"
    return content.propensities
