"""The front of samplers: how near their fields are to simulation, against what a field costs.

A point is one sampler at one lag of a test set: what a field costs and how its fields compare (`judge`).
Molecular dynamics is the sampler "simulation": perfect, at the cost of a replica.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from gensample.benchmark.table import SHOWN, Entry, ScoreTable, select, unique
from gensample.report.page import Plate
from gensample.report.style import CEILING, SOURCES, canvas, lag_title, legend_above
from gensample.stats.dynamics import Floats, as_array, with_draws
from gensample.stats.intervals import NAN, Number

SCORED = {
    "pearson": "Pearson, of best",
    "crps_skill": "CRPS skill, of best",
    "c2st": "classifier",
    "mean_propensity": "mean",
    "alpha2": "alpha2",
    "predictability": "R",
    "W1": "W1, floors",
    "chi4_iso": "chi4",
    "hops": "hops",
    "hop_chi4_within": "hops, chi4",
    "hop_pearson": "hops, Pearson",
    "future_energy_median": "energy",
    "inherent_energy": "inherent energy",
    "future_overlapping": "overlaps",
}
"""Quantities of a comparison that a point has, and the heads of their columns."""


class Fidelity(NamedTuple):
    """A quantity that the front is drawn in: its label, and what a perfect sampler has."""

    label: str
    perfect: float


FIDELITY = {
    "pearson": Fidelity("Pearson, of the best", 1.0),
    "crps_skill": Fidelity("CRPS skill, of the best", 1.0),
    "c2st": Fidelity("classifier accuracy", 0.5),
    "inherent_energy": Fidelity("inherent energy, excess", 0.0),
}
EVERYONE = "all"
"""In place of a species: all particles."""
REPLICAS = (1, 2, 4, 8, 16)
"""Of molecular dynamics, whose propensities are in the table and the figure."""
EQUAL = 1.05
"""Rows whose costs are within this ratio cost the same."""
MOST_DRAWS = 64
FRONT_NOTES = (
    "Samplers: core-seconds of a field are all that was spent on drawing (inherent structures of the data "
    "set apart), divided by the fields. Pearson, CRPS skill and Pearson of hops are shares of the best that "
    "as many draws of simulation reach; W1 is a multiple of that between halves of simulation; energies and "
    "overlaps are differences from simulation, all others relative ones. Species A; energies and overlaps of "
    "all particles.",
    "A replica of molecular dynamics is timed beside the samplers. How well several of them know the "
    "propensity is seen in the halves of the simulation, by the formula of Spearman and Brown; that is what "
    "Pearson is a share of, for as many draws. In all else a replica is simulation.",
    "Gains by training: in which of Pearson, CRPS skill, classifier and inherent energy a trained sampler is "
    "nearer to perfect than every row without training that costs no more; † in none.",
)
COLOURS = ("#0072b2", "#009e73", "#cc79a7", "#7f3c8d", "#e69f00", "#a0522d")
MARKERS = "sD^v<>"


def score(point: Entry, quantity: str) -> dict[str, Any] | None:
    """A score of a point, of species A or of all particles; None where there is none."""
    found = (s for s in point["scores"] if s["quantity"] == quantity and s["species"] in (*SHOWN, EVERYONE))
    return next(found, None)


def fidelity(point: Entry, quantity: str) -> Number:
    """What a point has of one of FIDELITY."""
    found = (score(point, quantity) or {}).get("measured") or [None] * 3
    return Number(*(NAN if v is None else v for v in found))


def replicas(points: Sequence[Entry]) -> Entry | None:
    """The point of molecular dynamics itself, None where it is no row; points of one lag."""
    return next((p for p in points if p["simulation"]), None)


def pearson_of(point: Entry, count: Any) -> Floats:
    """Pearson correlation with the propensity of simulation, species A, that so many draws have.

    Mean over configurations, each from the draws that there are by the formula of Spearman and Brown.
    """
    known = zip(point["pearson"], point["alike"], strict=True)
    return as_array(np.mean([with_draws(r, share, point["draws"], count) for r, share in known], axis=0))


def relate(points: Sequence[dict[str, Any]]) -> Sequence[Entry]:
    """The points, Pearson of A measured by that of as many replicas, where molecular dynamics is a row.

    The halves of a simulation know better than the ceiling of a comparison, which takes the particles of a
    field to be independent of each other and is too low where many move together.
    """
    for point in points:
        best, own = replicas(select(points, test=point["test"], lag=point["lag"])), score(point, "pearson")
        if best is not None and own is not None:
            due = float(pearson_of(best, point["draws"]))
            of_best = [None if v is None else v / due for v in own["value"]]
            own.update(due=[due, None, None], measured=of_best, mark=None)
    return points


def gains(point: Entry, points: Sequence[Entry]) -> list[str]:
    """What of FIDELITY a trained sampler has nearer to perfect than every untrained one that costs no more.

    points: those of its lag.
    """
    rivals = [p for p in points if not p["trained"] and p["core_seconds"] <= EQUAL * point["core_seconds"]]
    if replicas(rivals) is not None:
        return []

    def missing(p: Entry, quantity: str) -> float:
        perfect, found = FIDELITY[quantity].perfect, fidelity(p, quantity).value
        return max(perfect - found, 0.0) if perfect == 1 else abs(found - perfect)

    better = (q for q in FIDELITY if all(missing(point, q) < missing(p, q) for p in rivals))
    return [q for q in better if fidelity(point, q).defined]


# Tables and files


def front_tables(points: Sequence[Entry]) -> list[ScoreTable]:
    """A table for each test set and lag; nothing without samplers."""
    places = unique(points, "test", "lag")
    return [_table(test, lag, select(points, test=test, lag=lag)) for test, lag in places]


def _table(test: str, lag: float, points: Sequence[Entry]) -> ScoreTable:
    dynamics, lines = replicas(points), []
    whole = NAN if dynamics is None else dynamics["core_seconds"]
    for p in sorted(points, key=lambda p: p["core_seconds"]):
        if p["simulation"]:
            continue
        pearson = _numbers((score(p, "pearson") or {}).get("value"), "{:.3f}", "{:.2f}")
        draws = whole / p["core_seconds"]
        budget = _numbers([float(pearson_of(p, draws))] if draws >= 1 else None, "{:.3f}")
        cells = [budget, *(_cell(score(p, quantity)) for quantity in SCORED)]
        gained = ", ".join(SCORED[q].split(",")[0] for q in gains(p, points)) or "none †"
        name = [p["row"], str(p["draws"]), *_cost(p["core_seconds"], whole)]
        lines.append([*name, pearson, *cells, gained if p["trained"] else ""])
    for count in REPLICAS:
        if dynamics is None:
            break
        name = [f"molecular dynamics, {count} replica{'s' * (count > 1)}", "", *_cost(count * whole, whole)]
        pearson = _numbers([float(pearson_of(dynamics, count))], "{:.3f}")
        lines.append([*name, pearson, *[""] * (len(SCORED) + 2)])
    known = ["Pearson", "Pearson for a replica's cost"]
    head = ["", "draws", "core-seconds", "of a replica", *known, *SCORED.values(), "gains by training"]
    return ScoreTable(f"Samplers: {test}, t = {lag:g}", head, lines)


def _cost(seconds: float, whole: float) -> list[str]:
    if not whole > 0:
        return [f"{seconds:.3g}", ""]
    share = 100 * seconds / whole
    return [f"{seconds:.3g}", f"{share:.3g} %" if share < 1000 else f"{share:,.0f} %"]


def _cell(found: Entry | None) -> str:
    """A score as its quantity is measured; those of FIDELITY with their intervals."""
    if found is None:
        return ""
    name, numbers = found["quantity"], found["measured"]
    values = numbers if name in FIDELITY else [numbers[0], None, None]
    if name in ("c2st", "W1"):
        return _numbers(values, "{:.3f}" if name == "c2st" else "{:.1f}")
    if name in ("future_energy_median", "inherent_energy", "future_overlapping"):
        return _numbers(values, "{:+.3f}")
    scaled = [None if v is None else 100 * v for v in values]
    return _numbers(scaled, "{:.0f} %" if name in _SHARES else "{:+.0f} %", "{:.0f}")


_SHARES = ("pearson", "crps_skill", "hop_pearson")


def _numbers(found: Sequence[float | None] | None, form: str, bounds: str = "") -> str:
    if not found or found[0] is None:
        return ""
    text, ends = form.format(found[0]), [v for v in found[1:] if v is not None]
    return f"{text} [{', '.join((bounds or form).format(v) for v in ends)}]" if ends else text


def front_lines(points: Sequence[Entry]) -> list[dict[str, Any]]:
    """Every score of every point, one line each; costs are lines, too."""
    found = []
    for p in points:
        own = {name: value for name, value in p.items() if name not in _OWN}
        cost = {"quantity": "core_seconds", "species": EVERYONE, "value": [p["core_seconds"], None, None]}
        for s in (cost, *p["scores"]):
            line = {**own, "quantity": s["quantity"], "species": s["species"], "mark": s.get("mark")}
            for name in ("value", "simulated", "due", "measured"):
                line |= zip((name, f"{name}_low", f"{name}_high"), s.get(name) or [None] * 3, strict=True)
            found.append(line)
    return found


_OWN = ("scores", "core_seconds", "pearson", "alike", "simulation")

# Figures


def front_plates(points: Sequence[Entry]) -> Iterator[Plate]:
    """The front of each test set: in brief, and all that it is drawn in."""
    for test in unique(points, "test"):
        mine, name = select(points, test=test), test.replace(" ", "-").replace("=", "-")
        dotted = " Dotted: a replica of molecular dynamics." if replicas(mine) else ""
        yield Plate(
            f"front-{name}",
            f"What core-seconds buy: {test}",
            "Left: Pearson correlation of the propensity, species A, with that of simulation, against the "
            "core-seconds of all draws from a configuration (Spearman-Brown from one number of draws to "
            "others; of the rows of a line the best at each budget). Right: "
            f"CRPS skill of |u| against the core-seconds of a field.{dotted}{_told_open(mine)}",
            partial(brief, mine),
        )
        yield Plate(
            f"fidelity-{name}",
            f"Fidelity against cost: {test}",
            "Species A, inherent energies of all particles. Dashed: a perfect sampler."
            f"{dotted}{_told_open(mine)}",
            partial(full, mine),
        )


def _told_open(points: Sequence[Entry]) -> str:
    """What open markers mean, where there may be any."""
    words = (
        " Open: a trained sampler that is in nothing nearer to simulation than an untrained one of its price."
    )
    return words if any(p["trained"] for p in points) else ""


def brief(points: Sequence[Entry]) -> Figure:
    """One row of panels for each lag: propensity at a budget, and skill of single fields."""
    lags = unique(points, "lag")
    figure, axes = canvas(len(lags), 2, 2.35)
    looks = _looks(points)
    for (left, right), lag in zip(axes, lags, strict=True):
        mine = select(points, lag=lag)
        _budget(left, mine, looks)
        _fields(right, mine, "crps_skill", looks)
        left.set_title(f"propensity, {lag_title(lag)}")
        right.set_title(f"single fields, {lag_title(lag)}")
        left.set_ylabel("Pearson correlation")
        right.set_ylabel(FIDELITY["crps_skill"].label)
    axes[-1, 0].set_xlabel("core-seconds of all draws from a configuration")
    axes[-1, 1].set_xlabel("core-seconds of a field")
    legend_above(figure, axes, 3)
    return figure


def full(points: Sequence[Entry]) -> Figure:
    """One row of panels for each lag, one column for each of FIDELITY."""
    lags = unique(points, "lag")
    figure, axes = canvas(len(lags), len(FIDELITY), 2.2)
    figure.set_figwidth(11)
    looks = _looks(points)
    for line, lag in zip(axes, lags, strict=True):
        for axis, quantity in zip(line, FIDELITY, strict=True):
            _fields(axis, select(points, lag=lag), quantity, looks)
        line[0].set_ylabel(lag_title(lag))
    for axis, of in zip(axes[0], FIDELITY.values(), strict=True):
        axis.set_title(of.label)
    for axis in axes[-1]:
        axis.set_xlabel("core-seconds of a field")
    legend_above(figure, axes, 4)
    return figure


def _looks(points: Sequence[Entry]) -> dict[str, Mapping[str, Any]]:
    """Colour and marker of each line, those of molecular dynamics first."""
    found: dict[str, Mapping[str, Any]] = {}
    lines = unique([p for p in points if not p["simulation"]], "line")
    for line in sorted(lines, key=lambda line: not line.startswith("molecular dynamics")):
        known, k = SOURCES.get(line), sum(name not in SOURCES for name in found)
        if line.startswith("molecular dynamics"):
            found[line] = {"color": "#000000", "marker": "o", "markersize": 3.5, "linestyle": "--"}
        elif known is not None:
            found[line] = {"color": known.colour, "marker": known.marker}
        else:
            found[line] = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)]}
    return found


def _budget(axis: Axes, points: Sequence[Entry], looks: Mapping[str, Mapping[str, Any]]) -> None:
    """Pearson against the core-seconds of all draws."""
    dynamics, counts = replicas(points), np.array(REPLICAS)
    for line, look in looks.items():
        if mine := select(points, line=line):
            costs = np.array([p["core_seconds"] for p in mine])
            most = MOST_DRAWS * costs.max()
            if dynamics is not None:
                most = min(most, counts[-1] * dynamics["core_seconds"])
            budget = np.geomspace(costs.min(), max(most, costs.max()), 200)
            draws = budget / costs[:, None]
            each = np.array([pearson_of(p, np.maximum(n, 1)) for p, n in zip(mine, draws, strict=True)])
            inside = (draws >= 1) & (draws <= MOST_DRAWS)
            dash = "--" if line.startswith("molecular dynamics") else "-"
            axis.plot(budget, np.where(inside, each, -np.inf).max(0), dash, color=look["color"])
    if dynamics is not None:
        costs, label = counts * dynamics["core_seconds"], ", ".join(map(str, REPLICAS))
        label = f"molecular dynamics, {label} replicas"
        axis.plot(costs, pearson_of(dynamics, counts), "k*-", ms=6, label=label)
        axis.axvline(costs[0], color=CEILING, ls=":", lw=1)
    _log_seconds(axis)


def _fields(
    axis: Axes, points: Sequence[Entry], quantity: str, looks: Mapping[str, Mapping[str, Any]]
) -> None:
    """One of FIDELITY against the core-seconds of a field; plain dynamics end in a perfect replica."""
    perfect, dynamics = FIDELITY[quantity].perfect, replicas(points)
    lowest, whole = perfect, 0.0 if dynamics is None else dynamics["core_seconds"]
    for line, look in looks.items():
        mine = [p for p in select(points, line=line) if fidelity(p, quantity).defined]
        mine.sort(key=lambda p: p["core_seconds"])
        found = [(p["core_seconds"], *fidelity(p, quantity)) for p in mine]
        if line.startswith("molecular dynamics") and whole > 0:
            found.append((whole, perfect, perfect, perfect))
        if not found:
            continue
        cost, value, low, high = np.array(found, float).T
        lowest = min(lowest, float(value.min()))
        beaten = all(p["trained"] and not gains(p, points) for p in mine) and bool(mine)
        error = np.nan_to_num(np.clip([value - low, high - value], 0, None))
        fill: dict[str, Any] = {"fillstyle": "none" if beaten else "full"}
        axis.errorbar(cost, value, error, label=line, capsize=0, elinewidth=0.9, lw=1.2, **look, **fill)
    if whole > 0:
        axis.axvline(whole, color=CEILING, ls=":", lw=1)
    axis.axhline(perfect, color=CEILING, ls="--", lw=1)
    _log_seconds(axis)
    if perfect == 1 and lowest < 0:
        axis.set_ylim(bottom=max(lowest, -0.5) - 0.05)


def _log_seconds(axis: Axes) -> None:
    """Core-seconds across, on a logarithmic scale with plain numbers."""
    axis.set_xscale("log")
    low, high = axis.get_xlim()
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 300 * low else (1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
