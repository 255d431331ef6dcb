"""Figures of the comparison, each a function from the report's numbers to a matplotlib ``Figure``.

Only the object interface is used: nothing here touches pyplot or its global state. In every figure
simulation is black, generated is blue and the controls keep their own muted colours.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from gensample.comparison.content import Content
from gensample.comparison.metrics import Metrics
from gensample.report.style import CEILING, CONTROLS, SOURCES, look_of

WIDTH = 7.4  # inches: the text width of an A4 page
MOST_LAGS = 4  # columns that remain readable
EVERYONE = ("simulated", "generated", *CONTROLS)


def canvas(rows: int, columns: int, height: float, **kwargs: Any) -> tuple[Figure, np.ndarray]:
    """A figure of text width with a grid of axes, ``height`` inches per row."""
    figure = Figure(figsize=(WIDTH, height * rows + 0.35), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **kwargs)
    return figure, axes


def species_by_lag(
    m: Metrics, height: float, xlabel: str, ylabel: str, **kwargs: Any
) -> tuple[Figure, list[tuple[Axes, int, int]]]:
    """A panel for each species (rows) and lag (columns), with its two indices; one lag makes one row."""
    lags = chosen_lags(m.times)
    single = len(lags) == 1
    shape = (1, len(m.species)) if single else (len(m.species), len(lags))
    figure, axes = canvas(*shape, height, **kwargs)
    for a in axes[-1]:
        a.set_xlabel(xlabel)
    for a in axes[:, 0]:
        a.set_ylabel(ylabel)
    panels = []
    for s, line in enumerate(axes.T if single else axes):
        for a, k in zip(line, lags, strict=True):
            a.set_title(f"{m.species[s]}, {lag_title(m.times, k)}")
            panels.append((a, s, k))
    return figure, panels


def legend_above(figure: Figure, axes: Axes, columns: int = 5) -> None:
    """One legend for the whole figure, above it."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(columns, len(labels)))


def chosen_lags(times: Sequence[float], most: int = MOST_LAGS) -> list[int]:
    """All lags, or ``most`` of them evenly from the first to the last."""
    return sorted({round(i) for i in np.linspace(0, len(times) - 1, min(most, len(times)))})


def lag_title(times: Sequence[float], k: int) -> str:
    """Title of a panel that belongs to one lag."""
    return rf"$t = {times[k]:g}\,\tau$"


def _lag_axis(axes: Axes, times: Sequence[float]) -> None:
    if len(times) > 1:
        axes.set_xscale("log")
    else:
        axes.set_xlim(times[0] * 0.5, times[0] * 1.5)
    axes.set_xticks(list(times), [f"{t:g}" for t in times])
    axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    axes.set_xlabel(r"lag time $t/\tau$")


def draw_series(axes: Axes, times: Sequence[float], values: np.ndarray, name: str) -> None:
    """One metric of one source against lag: (K, 3) value, low, high as markers, line and band."""
    if not np.isfinite(values[:, 0]).any():
        return
    look = look_of(name)
    judged = name in ("simulated", "generated")
    times = _beside(times, name)
    size = 5.0 if judged else 3.5
    axes.plot(
        times, values[:, 0], look.line, color=look.colour, marker=look.marker, ms=size, label=look.label,
        zorder=3 if judged else 2, mfc="white" if name == "simulated" else look.colour,
        lw=1.6 if judged else 1.1,
    )  # fmt: skip
    if judged:
        _band(axes, times, values, look.colour)


def _beside(times: Sequence[float], name: str) -> Sequence[float]:
    """The lag times; a single one is moved a little for each source, so that markers do not hide others."""
    if len(times) > 1:
        return times
    place = list(SOURCES).index(name) if name in SOURCES else len(SOURCES)
    return [times[0] * (1 + 0.07 * (place - 2))]


def plain_log(axis: Axis) -> None:
    """Ticks at 1, 2 and 5 of each decade, or at more within a single one, written as plain numbers."""
    low, high = axis.get_view_interval()
    subs = (1, 2, 5) if high > 8 * low else (1, 1.5, 2, 3, 4, 5, 6, 8)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _band(axes: Axes, x: Sequence[float] | np.ndarray, values: np.ndarray, colour: str) -> None:
    if len(x) > 1:
        axes.fill_between(x, values[:, 1], values[:, 2], color=colour, alpha=0.15, lw=0)
    else:
        axes.vlines(x, values[:, 1], values[:, 2], color=colour, alpha=0.5, lw=4)


def draw_ceiling(axes: Axes, times: Sequence[float], values: np.ndarray, label: str, line: str) -> None:
    """What bounds a metric, against lag: (K, 3) value, low, high as a grey line."""
    if len(times) == 1:
        axes.axhline(values[0, 0], ls=line, color=CEILING, lw=1.3, label=label, zorder=1)
        return
    axes.plot(times, values[:, 0], line, color=CEILING, lw=1.3, label=label, marker="_", ms=9, zorder=1)


def propensity_against_lag(content: Content) -> Figure:
    """Pearson correlation with its ceilings, and predictability, for each species."""
    m = content.metrics
    figure, axes = canvas(len(m.species), 2, 2.3, sharex=True)
    for (left, right), s in zip(axes, m.species, strict=True):
        # The independent control has the propensities of simulation itself: 1 by construction.
        for source in ("generated", "halves", "climatology", *m.beside):
            draw_series(left, m.times, m.series(s, source, "pearson"), source)
        ceiling = m.series(s, "generated", "pearson_ceiling_sampler")
        draw_ceiling(left, m.times, ceiling, "best, as many draws", "--")
        exact = m.series(s, "generated", "pearson_ceiling_exact")
        draw_ceiling(left, m.times, exact, "best, exact propensity", ":")
        left.set(ylabel=f"Pearson correlation, {s}", ylim=(min(-0.05, left.get_ylim()[0]), 1.02))
        for source in ("simulated", "generated", "halves", "climatology", *m.beside):
            draw_series(right, m.times, m.series(s, source, "predictability"), source)
        right.set(ylabel=f"predictability $R$, {s}", ylim=(min(0, right.get_ylim()[0]), None))
    finish_lags(figure, axes, m)
    return figure


def finish_lags(figure: Figure, axes: np.ndarray, m: Metrics) -> None:
    """Lag axes below, and one legend above of everything drawn anywhere."""
    for a in axes.flat:
        _lag_axis(a, m.times)
    for a in axes[:-1].flat:
        a.set_xlabel("")
    entries: dict[str, Any] = {}
    for a in axes.flat:
        for handle, label in zip(*a.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    order = sorted(entries, key=lambda label: label != SOURCES["simulated"].label)
    figure.legend([entries[x] for x in order], order, loc="outside upper center", ncols=4)


_MOMENTS = (
    ("msd", r"$\langle u^2\rangle/\sigma^2$", True),
    ("alpha2", r"$\alpha_2$", False),
    ("overlap", r"overlap $Q$", False),
    ("bond_breaking", r"bonds broken $C_B$", False),
)


def moments_against_lag(content: Content) -> Figure:
    """Mean squared displacement, non-Gaussian parameter, overlap and bond breaking."""
    m = content.metrics
    figure, axes = canvas(len(m.species), len(_MOMENTS), 1.9, sharex=True)
    for line, s in zip(axes, m.species, strict=True):
        for a, (name, label, logarithmic) in zip(line, _MOMENTS, strict=True):
            for source in ("simulated", "generated", *m.beside):
                draw_series(a, m.times, m.series(s, source, name), source)
            a.set_title(f"{label}, {s}")
            if logarithmic and len(m.times) > 1:
                a.set_yscale("log")
                plain_log(a.yaxis)
    finish_lags(figure, axes, m)
    return figure


def chi4_split(content: Content) -> Figure:
    """Susceptibility of the overlap within and between configurations, beside the controls."""
    m = content.metrics
    figure, axes = canvas(len(m.species), 2, 2.0, sharex=True)
    names = (("chi4_iso", "within a configuration"), ("chi4_between", "between configurations"))
    for line, s in zip(axes, m.species, strict=True):
        for a, (name, title) in zip(line, names, strict=True):
            _bars(a, m, s, name)
            a.set_title(f"{title}, {s}")
            a.set_ylabel(r"$\chi_4$")
    for a in axes[-1]:
        a.set_xlabel(r"lag time $t/\tau$")
    legend_above(figure, axes[0, 0])
    return figure


def _bars(axes: Axes, m: Metrics, species: str, name: str) -> None:
    sources = (*EVERYONE, *m.beside)
    width = 0.8 / len(sources)
    for i, source in enumerate(sources):
        values, look = m.series(species, source, name), look_of(source)
        x = np.arange(len(m.times)) + (i - (len(sources) - 1) / 2) * width
        axes.bar(x, values[:, 0], width * 0.92, color=look.colour, label=look.label)
        error = np.abs(values[:, 1:] - values[:, :1]).T
        axes.errorbar(x, values[:, 0], yerr=error, fmt="none", ecolor="#606060", elinewidth=0.9, capsize=1.5)
    axes.set_xticks(range(len(m.times)), [f"{t:g}" for t in m.times])
    axes.grid(False, axis="x")
    axes.axhline(0, color="black", lw=0.8)


_PROFILES = (
    ("corr_longitudinal", r"along $\hat r$: $C_L(r)$"),
    ("corr_transverse", r"across $\hat r$: $C_T(r)$"),
    ("corr_mobility", r"mobility: $C_\mu(r)$"),
)


def displacement_correlations(content: Content, species: str) -> Figure:
    """Longitudinal, transverse and mobility correlations against distance, a column for each lag."""
    m = content.metrics
    lags = chosen_lags(m.times)
    figure, axes = canvas(len(_PROFILES), len(lags), 1.4, sharex=True, sharey="row")
    for line, (name, label) in zip(axes, _PROFILES, strict=True):
        for a, k in zip(line, lags, strict=True):
            for source in ("simulated", "generated", "independent"):
                _profile(a, m, k, species, source, name)
            a.axhline(0, color="black", lw=0.6)
            a.xaxis.set_major_locator(MaxNLocator(integer=True))
        line[0].set_ylabel(label)
        line[0].set_ylim(*_typical_range([m.profile(k, species, "simulated", name) for k in lags]))
    for a, k in zip(axes[0], lags, strict=True):
        a.set_title(lag_title(m.times, k))
    for a in axes[-1]:
        a.set_xlabel(r"distance $r/\sigma$")
    legend_above(figure, axes[0, 0])
    return figure


def _typical_range(profiles: Sequence[np.ndarray]) -> tuple[float, float]:
    """Limits that hold all but the noisiest bins: those of the closest pairs rest on a handful of them."""
    values = np.concatenate([p[:, 0] for p in profiles if len(p)] or [np.zeros(1)])
    low, high = np.percentile(np.append(values[np.isfinite(values)], 0.0), [2.5, 97.5])
    low = min(low, 0.0)
    pad = 0.35 * (high - low) + 1e-3
    return low - pad, high + pad


def _profile(axes: Axes, m: Metrics, k: int, species: str, source: str, name: str) -> None:
    values, look = m.profile(k, species, source, name), SOURCES[source]
    if not len(values):
        return
    r = m.distances[: len(values)]
    axes.plot(r, values[:, 0], look.line, color=look.colour, label=look.label, lw=1.4)
    if source != "independent":
        axes.fill_between(r, values[:, 1], values[:, 2], color=look.colour, alpha=0.18, lw=0)


def distribution_distance(content: Content) -> Figure:
    """Wasserstein distance of |u| against lag beside the floor between halves of the replicas."""
    m = content.metrics
    figure, axes = canvas(1, len(m.species), 2.3)
    for a, s in zip(axes[0], m.species, strict=True):
        for source in ("generated", "halves", *m.beside):
            draw_series(a, m.times, m.series(s, source, "W1"), source)
        floor = m.series(s, "generated", "W1_floor")
        draw_ceiling(a, m.times, floor, "floor (halves)", "--")
        a.set(ylabel=rf"$W_1(|u|)/\sigma$, {s}", yscale="log")
        plain_log(a.yaxis)
    finish_lags(figure, axes, m)
    return figure


_SKILLS = (
    ("crps_skill", "crps_skill_best", "skill, CRPS of $|u|$"),
    ("energy_score_skill", "energy_score_skill_best", "skill, energy score of $u$"),
    ("c2st", None, "classifier accuracy"),
)


def skill_against_lag(content: Content) -> Figure:
    """Skill over climatology beside the best possible, and the classifier two-sample test."""
    m = content.metrics
    figure, axes = canvas(len(m.species), len(_SKILLS), 2.1, sharex=True)
    for line, s in zip(axes, m.species, strict=True):
        for a, (name, best, label) in zip(line, _SKILLS, strict=True):
            for source in ("generated", *CONTROLS, *m.beside):
                draw_series(a, m.times, m.series(s, source, name), source)
            if best:
                draw_ceiling(a, m.times, m.series(s, "generated", best), "best possible", "--")
                a.axhline(0, color="black", lw=0.6)
            else:
                a.axhline(0.5, color=CEILING, lw=1.3, ls=":", label="indistinguishable")
            a.set_title(f"{label}, {s}")
    finish_lags(figure, axes, m)
    return figure
