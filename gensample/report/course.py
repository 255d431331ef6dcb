"""The course of a training: what `gensample fit` logged in ``metrics.csv``, as words and as a picture."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from gensample.report.style import canvas, look
from gensample.work import atomic

LOG, PICTURE = "metrics.csv", "curve.png"
LOSSES = {"loss": "#0072b2", "node_loss": "#d55e00", "edge_loss": "#009e73"}
LOSSES |= {"flow": "#0072b2", "regression": "#d55e00", "mobility": "#009e73"}
"""Names of losses, the one that decides first in each kind of training, and their colours."""
SCORE = "val/pearson_A"
SHADES = ("#56b4e9", "#0072b2", "#e69f00", "#d55e00", "#009e73", "#cc79a7")


class Logged(NamedTuple):
    """The values of one column and when they were logged; arrays of equal length."""

    epoch: np.ndarray
    step: np.ndarray
    value: np.ndarray


def read_course(folder: Path) -> dict[str, Logged]:
    """Columns of the log of a run, earlier sittings first; empty where nothing was logged."""
    found = defaultdict(list)
    for row in _rows(folder):
        for name, value in row.items():
            if name not in ("epoch", "step") and value:
                found[name].append((float(row["epoch"]), float(row["step"]), float(value)))
    return {name: Logged(*np.array(values).T) for name, values in found.items()}


def _rows(folder: Path) -> Iterator[dict[str, str]]:
    earlier = sorted(folder.glob("metrics-*.csv"), key=lambda path: (len(path.name), path.name))
    for file in (*earlier, *folder.glob(LOG)):
        yield from csv.DictReader(file.read_text(encoding="utf-8").splitlines())


def reached(course: dict[str, Logged]) -> str:
    """Last and best value of the loss that decides, of validation where there was one, and of the score."""
    kinds = [f"{stage}/{name}" for stage in ("val", "train") for name in LOSSES]
    loss = next((name for name in kinds if name in course), None)
    told = [] if loss is None else [_last_and_best(loss, course[loss], course[loss].value.argmin())]
    scores = [name for name in course if name.startswith(f"{SCORE}_")]
    if scores:
        told.append(_last_and_best(scores[-1], course[scores[-1]], course[scores[-1]].value.argmax()))
    return "; ".join(told)


def _last_and_best(name: str, logged: Logged, best: np.intp) -> str:
    last = f"{name} {logged.value[-1]:.3g}"
    return f"{last} (best {logged.value[best]:.3g}, epoch {logged.epoch[best]:.0f} of {logged.epoch[-1]:.0f})"


def draw_course(folder: Path, course: dict[str, Logged]) -> Path | None:
    """Draw the losses, and correlations if any, against steps; None where nothing is known."""
    losses = {f"{stage}/{name}": colour for name, colour in LOSSES.items() for stage in ("train", "val")}
    losses = {name: colour for name, colour in losses.items() if name in course}
    lags = [name for name in course if name.startswith(f"{SCORE}_")]
    scores = dict(zip(lags, SHADES, strict=False))
    if not losses:
        return None
    with look():
        figure, grid = canvas(1, 2 if scores else 1, 2.9)
        _draw(grid[0, 0], course, losses, "loss (pale: training)")
        every = np.concatenate([course[name].value for name in losses])
        if every.min() > 0 and every.max() > 10 * every.min():
            grid[0, 0].set_yscale("log")
        if scores:
            _draw(grid[0, 1], course, scores, "Pearson, species A, validation")
        out = folder / PICTURE
        with atomic(out, replace=True) as temporary:
            figure.savefig(temporary, format="png")
    return out


def _draw(axes: Axes, course: dict[str, Logged], chosen: dict[str, str], title: str) -> None:
    """Lines of some columns: pale those of training, with points those of validation."""
    for name, colour in chosen.items():
        _, step, value = course[name]
        if name.startswith("train/"):
            axes.plot(step, value, "-" if len(step) > 1 else "o", color=colour, alpha=0.4, lw=1)
            axes.plot([], color=colour, label=_words(name))
        else:
            label = None if f"train/{name.partition('/')[2]}" in chosen else _words(name)
            axes.plot(step, value, "o-", color=colour, ms=3, label=label)
    axes.set_xlabel("step")
    axes.set_ylabel(title)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, columnspacing=1.0, handlelength=1.5)


def _words(name: str) -> str:
    """What a legend calls a column: "node loss", "A, t = 10"."""
    if name.startswith(SCORE):
        return f"A, t = {name.rpartition('_')[2].removeprefix('t')}"
    return name.partition("/")[2].replace("_", " ")
