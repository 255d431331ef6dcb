"""One picture of each statistic that `gensample compare` judges by, drawn from the embedded dataset.

    python scripts/statistics_pictures.py docs/images/statistics

Simulation alone: what would be drawn is a half of its replicas, or a control that is wrong in one known way.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import gensample as gs
from gensample.comparison.sources import independent
from gensample.physics.mixtures import get_mixture
from gensample.report.style import CEILING, SOURCES, look
from gensample.stats import c2st, dynamics, scores
from gensample.stats.futures import futures
from gensample.stats.pairs import BOND_FORMED, initial_neighbors

DATA = "ka2d-mini"
A, LATEST = 0, 2  # the species shown, and the number of the lag time t = 100
SIMULATED, INDEPENDENT = SOURCES["simulated"].colour, SOURCES["independent"].colour
DRAWN, CLIMATOLOGY = SOURCES["generated"].colour, SOURCES["climatology"].colour
QUENCHED = 12

PICTURES: dict[str, Callable[[], Figure]] = {}


def picture(draw: Callable[[], Figure]) -> Callable[[], Figure]:
    """Enter a picture by the name of its function."""
    PICTURES[draw.__name__] = draw
    return draw


@cache
def test() -> gs.Dataset:
    """The configurations shown."""
    return gs.open_dataset(DATA)["test"]


def of_a() -> np.ndarray:
    """Particles of species A."""
    return np.flatnonzero(test().species == A)


def fields(c: int, lag: int = LATEST) -> np.ndarray:
    """Displacements (R, N, d) of a configuration."""
    return test().fields(c)[:, lag]


def lengths(c: int, lag: int = LATEST) -> np.ndarray:
    """|u| of species A, (R, n)."""
    return dynamics.magnitudes(fields(c, lag)[:, of_a()])


@cache
def controls(c: int) -> np.ndarray:
    """Fields of particles that do not know of each other: replicas permuted for each by itself."""
    return independent(test().fields(c), np.random.default_rng(c))[:, LATEST]


def panels(columns: int = 2, width: float = 8.0, **kwargs: object) -> tuple[Figure, np.ndarray]:
    """A figure with panels side by side."""
    return plt.subplots(1, columns, figsize=(width, 3.2), layout="constrained", **kwargs)


@picture
def pearson() -> Figure:
    """Two means over few replicas do not correlate perfectly, even of the same ensemble."""
    figure, (left, right) = panels()
    u = lengths(0)
    x, y = u[:16].mean(0), u[16:20].mean(0)
    left.scatter(x, y, s=9, color=DRAWN, alpha=0.7, linewidths=0)
    left.plot([0.1, 0.7], [0.1, 0.7], color=CEILING, lw=1)
    left.set(xlabel="mean of |u| over 16 replicas", ylabel="mean over 4 others of the same simulation")
    left.set_title(f"one particle, one dot: Pearson {dynamics.pearson(x, y):.2f}")
    numbers = np.array([1, 2, 4, 8, 16])
    every = [lengths(c) for c in range(len(test()))]
    found = [
        np.mean([dynamics.pearson(u[:16].mean(0), u[16 : 16 + n].mean(0)) for u in every]) for n in numbers
    ]
    split = [dynamics.split_variance(u) for u in every]
    delta, iso = (np.mean([getattr(s, name) for s in split]) for name in ("delta", "iso"))
    fine = np.geomspace(1, 40)
    best = [float(dynamics.ceiling_sampler(delta, iso / 16, iso / n)) for n in fine]
    right.semilogx(fine, best, color=CEILING, label="ceiling, from the noise of one replica")
    right.semilogx(numbers, found, "s", color=DRAWN, label="simulation against itself")
    right.axhline(
        float(dynamics.ceiling_exact(delta, iso / 16)), color=CEILING, ls=":", label="of exact means"
    )
    right.set(xlabel="draws of each configuration", ylabel="Pearson with 16 replicas", ylim=(0, 1))
    right.set_xticks(numbers, [str(n) for n in numbers])
    right.legend(loc="lower right")
    return figure


@picture
def crps() -> Figure:
    """How far the drawn distribution of a particle is from what happened."""
    figure, (left, right) = panels()
    u = lengths(0)
    one = int(np.argsort(u.mean(0))[-30])
    observed, drawn = u[0, one], np.sort(u[16:, one])
    grid = np.linspace(0, 1.4, 700)
    below = np.searchsorted(drawn, grid, side="right") / len(drawn)
    happened = (grid >= observed).astype(float)
    left.plot(grid, below, color=DRAWN, label="16 draws")
    left.plot(grid, happened, color=SIMULATED, label="one replica")
    left.fill_between(grid, below, happened, color=DRAWN, alpha=0.2, lw=0)
    left.set(xlabel="|u| of one particle", ylabel="share at or below", xlim=(0, 1.4))
    left.set_title("CRPS: integral of the squared gap")
    left.legend(loc="lower right")

    def mean(of: Callable[[np.ndarray], np.ndarray | float]) -> float:
        return float(np.mean([np.mean(of(lengths(c))) for c in range(len(test()))]))

    bars = {
        "climatology:\nany particle": mean(lambda u: scores.climatology_score(u, np.random.default_rng(0))),
        "the mean alone,\nno spread": mean(lambda u: np.abs(u[:16] - u[16:].mean(0))),
        "the other half\nof simulation": mean(lambda u: scores.crps(u[:16], u[16:])),
    }
    colours = (CLIMATOLOGY, INDEPENDENT, DRAWN)
    right.bar(list(bars), list(bars.values()), color=colours, width=0.6)
    right.axhline(mean(scores.best_score), color=CEILING, ls=":", label="best possible")
    right.set(ylabel="CRPS, lower is better", ylim=(0, 1.25 * max(bars.values())))
    skill = 1 - bars["the other half\nof simulation"] / bars["climatology:\nany particle"]
    right.set_title(f"skill = 1 - CRPS / climatology = {skill:.2f}")
    right.legend(loc="upper right")
    return figure


@picture
def classifier() -> Figure:
    """Neighbours move together; a classifier sees whether they do in what was drawn."""
    figure, axes = panels(3, 10.0)
    x, box = test().positions[0], test().box[0]
    shown = np.flatnonzero((x < 0.55 * box).all(1))
    sources = {"a replica": fields(0)[1], "each particle from another replica": controls(0)[1]}
    for ax, (title, u), colour in zip(axes[:2], sources.items(), (SIMULATED, INDEPENDENT), strict=True):
        ax.quiver(
            *x[shown].T, *u[shown].T, color=colour, angles="xy", scale_units="xy", scale=0.5, width=0.006
        )
        ax.set(title=title, aspect="equal", xticks=[], yticks=[])
        ax.grid(False)
    values = {
        "the other half": _accuracy(lambda c: fields(c)[16:]),
        "independent\nparticles": _accuracy(lambda c: controls(c)[16:]),
    }
    axes[2].bar(list(values), list(values.values()), color=(DRAWN, INDEPENDENT), width=0.5)
    axes[2].axhline(0.5, color=CEILING, ls=":")
    axes[2].annotate("indistinguishable", (0.5, 0.505), color=CEILING, fontsize=7.5, ha="center")
    axes[2].set(ylim=(0.4, 1), title="accuracy on configurations not seen")
    return figure


def _accuracy(other: Callable[[int], np.ndarray]) -> float:
    """With which fields are told from the first half of simulation, mean over configurations."""
    sigma = get_mixture(test().mixture).sigma

    def features(u: np.ndarray, c: int) -> np.ndarray:
        place = (test().positions[c], test().box[c], test().species)
        near = initial_neighbors(*place, sigma, BOND_FORMED)
        samples = c2st.draw_samples(len(u), of_a(), 700, np.random.default_rng(c))
        return c2st.local_features(u, *samples, near)

    numbers = range(len(test()))
    ours, theirs = (
        [features(u, c) for c, u in each]
        for each in (
            ((c, fields(c)[:16]) for c in numbers),
            ((c, other(c)) for c in numbers),
        )
    )
    return float(np.mean(c2st.classifier_accuracy(ours, theirs)))


@picture
def chi4() -> Figure:
    """Fluctuations of the overlap: between the replicas of a configuration, and between configurations."""
    figure, (left, right) = panels(width=9.0, sharey=True)
    for ax, title, of, colour in (
        (left, "simulation", fields, SIMULATED),
        (right, "particles that ignore each other", controls, INDEPENDENT),
    ):
        q = np.array([dynamics.overlap(of(c)[:, of_a()]) for c in range(len(test()))])  # (C, R)
        size, replicas = len(of_a()), q.shape[1]
        within = size * q.var(axis=1, ddof=1).mean()
        between = size * q.mean(1).var(ddof=1) - within / replicas
        c = np.repeat(np.arange(len(q)), replicas)
        ax.scatter(c, q.ravel(), s=7, color=colour, alpha=0.4, linewidths=0, label="a replica")
        ax.hlines(
            q.mean(1), np.arange(len(q)) - 0.35, np.arange(len(q)) + 0.35, color=DRAWN, label="their mean"
        )
        ax.set(
            title=f"{title}\nwithin {within:.2f}, between {between:.2f}", xlabel="configuration", xticks=[]
        )
    left.set(ylabel="overlap Q at t = 100", ylim=(0.1, 1))
    left.legend(loc="lower left")
    return figure


@picture
def alpha2() -> Figure:
    """Tails: more particles that hardly move, and more that move far, than a Gaussian has."""
    figure, axes = panels(sharey=True)
    edges = np.linspace(-1.2, 1.2, 61)
    middle = (edges[1:] + edges[:-1]) / 2
    for ax, lag in zip(axes, (0, LATEST), strict=True):
        u = np.concatenate([fields(c, lag)[:, of_a()] for c in range(len(test()))])
        variance = dynamics.msd(u) / 2
        density = np.histogram(u.ravel(), edges, density=True)[0]
        ax.semilogy(middle, density, color=SIMULATED, label="simulation")
        gaussian = np.exp(-(middle**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
        ax.semilogy(middle, gaussian, color=CEILING, ls="--", label="Gaussian, same MSD")
        ax.set(xlabel="one component of u", ylim=(1e-4, 6))
        ax.set_title(f"t = {test().lag_time[lag]:g}: alpha2 = {dynamics.alpha2(u):.2f}")
    axes[0].set_ylabel("density")
    axes[0].legend(loc="lower center", fontsize=7.5)
    return figure


@picture
def predictability() -> Figure:
    """The part of the variance of |u| that is the same in all replicas: what structure decides."""
    figure, axes = panels(width=9.0, sharey=True)
    for ax, lag in zip(axes, (0, LATEST), strict=True):
        u = lengths(0, lag)
        order = np.argsort(u.mean(0))
        low, mean, high = np.quantile(u, 0.1, axis=0), u.mean(0), np.quantile(u, 0.9, axis=0)
        x = np.arange(len(order))
        ax.fill_between(
            x, low[order], high[order], color=DRAWN, alpha=0.25, lw=0, label="80 % of its replicas"
        )
        ax.plot(x, mean[order], color=SIMULATED, label="mean of a particle")
        split = [dynamics.split_variance(lengths(c, lag)) for c in range(len(test()))]
        share = dynamics.predictability(
            *(np.mean([getattr(s, of) for s in split]) for of in ("delta", "iso"))
        )
        ax.set(xlabel="particles, by their mean", title=f"t = {test().lag_time[lag]:g}: R = {share:.2f}")
    axes[0].set_ylabel("|u|")
    axes[0].legend(loc="upper left")
    return figure


@cache
def quenched(c: int, control: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Positions (K, N, d) and inherent structures of futures of a configuration, K of them."""
    one, u = test()[c], (controls(c) if control else fields(c))[:QUENCHED]
    found = [_minimum(one, one.positions + field) for field in u]
    return one.positions + u, np.stack(found)


def _minimum(one: gs.Configuration, positions: np.ndarray) -> np.ndarray:
    known = {"mixture": one.mixture, "temperature": one.temperature}
    return gs.Configuration(positions, one.species, one.box, **known).quench().positions


@picture
def hops() -> Figure:
    """Between inherent structures nothing vibrates: most particles stay, some hop."""
    figure, (left, right) = panels()
    start, box = _minimum(test()[0], test().positions[0]), test().box[0]
    h = quenched(0)[1] - start
    h -= box * np.round(h / box)
    h -= h.mean(axis=1, keepdims=True)
    u, h = (dynamics.magnitudes(each[:, of_a()]) for each in (fields(0)[:QUENCHED], h))
    edges = np.linspace(-3, 0.5, 45)
    for values, colour, label in ((u, SIMULATED, "|u|, thermal"), (h, DRAWN, "|h|, inherent")):
        left.hist(np.log10(values.ravel()), edges, color=colour, histtype="step", lw=1.5, label=label)
    left.axvline(np.log10(dynamics.HOP_LENGTH), color=CEILING, ls=":", label="hop: |h| > 0.3")
    left.set(xlabel="log10 of the length", ylabel="particles", yticks=[])
    left.legend(loc="upper left")
    right.scatter(u.ravel(), h.ravel(), s=4, color=DRAWN, alpha=0.4, linewidths=0)
    right.axhline(dynamics.HOP_LENGTH, color=CEILING, ls=":")
    right.set(xlabel="|u|", ylabel="|h|", xlim=(0, 1.6), ylim=(0, 1.6))
    right.set_title(f"share of hops {(h > dynamics.HOP_LENGTH).mean():.2f}")
    return figure


@picture
def energies() -> Figure:
    """A future is a configuration: with the energy of the liquid, and of its inherent structures."""
    figure, (left, right) = panels(width=9.0)
    mixture, species, box = get_mixture(test().mixture), test().species, test().box[0]
    names = ("simulation", "particles that\nignore each other")
    for name, control, colour in zip(names, (False, True), (SIMULATED, INDEPENDENT), strict=True):
        thermal, inherent = quenched(0, control)
        ups = futures(thermal, species, box, mixture).energy
        downs = futures(inherent, species, box, mixture).energy
        at = names.index(name) + np.linspace(-0.2, 0.2, len(ups))
        left.scatter(at, ups + 3.5, s=14, color=colour)
        right.scatter(at, downs, s=14, color=colour)
    for ax in (left, right):
        ax.set(xlim=(-0.5, 1.5))
        ax.set_xticks([0, 1], names)
    left.set_yscale("log")
    left.set(ylabel="energy per particle, + 3.5", title="futures x + u, one dot each")
    right.set(ylabel="energy per particle", title="their inherent structures")
    return figure


def main(folder: Path) -> Iterator[Path]:
    """Draw all of them into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in PICTURES.items():
        with look():
            figure = draw()
            path = folder / f"{name}.png"
            figure.savefig(path, dpi=90, metadata={"Software": None})
            plt.close(figure)
        yield path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    for written in main(parser.parse_args().folder):
        print(written)
