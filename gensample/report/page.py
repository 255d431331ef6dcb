"""The folder of a report and its one self-contained page: no script, no font, no picture from elsewhere."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jinja2 import ChainableUndefined, Environment, PackageLoader
from matplotlib.figure import Figure

from gensample.errors import ConfigError
from gensample.report.style import look
from gensample.work import atomic_folder, check_folder

COLUMNS = ("time", "species", "source", "x", "value", "lo", "hi")
BESIDE = "beside"
"""Folder of samples that were drawn for the report; it outlives a report that takes the place of another."""
OURS = {"metrics.json", "index.html", "curves", "figures", "table.md", "table.csv", BESIDE}

Curves = Mapping[str, Sequence[Mapping[str, Any]]]
Section = tuple[str, str, str]
"""Anchor, heading and HTML."""


class Plate(NamedTuple):
    """One figure: file name, title, how to read it, and the function that draws it."""

    name: str
    title: str
    reading: str
    draw: Callable[[], Figure]


class Picture(NamedTuple):
    """A figure ready for the page: name of its files, title, one sentence on how to read it, SVG."""

    name: str
    title: str
    reading: str
    svg: bytes

    @property
    def data(self) -> str:
        """The SVG as it is embedded."""
        return base64.b64encode(self.svg).decode()


@cache
def templates() -> Environment:
    """The templates of all pages; text is escaped."""
    found = Environment(
        loader=PackageLoader("gensample.report"),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"words": fact}
    return found


def sections_page(title: str, lead: str, sections: Iterable[Section], meta: Mapping[str, Any]) -> str:
    """The page of ``sections``; title, headings and lead are plain text."""
    parts = list(sections)
    headings, bodies = ({part[0]: part[k] for part in parts} for k in (1, 2))
    return fill_template("page.html", title=title, lead=lead, sections=headings, bodies=bodies, meta=meta)


def fill_template(template: str, **content: Any) -> str:
    """The page that a template makes of its content; text is escaped."""
    return templates().get_template(template).render(**content)


def figure_html(picture: Picture) -> str:
    """The picture with its caption, embedded."""
    return str(_macros().figure(picture))


def file_links(curves: Iterable[str]) -> str:
    """Links to metrics.json and the CSV files."""
    return str(_macros().files(list(curves)))


def _macros() -> Any:
    return templates().get_template("macros.html").module


def fact(value: Any) -> str:
    """A fact in plain text."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {fact(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(fact(v) for v in value)
    return str(value)


def write_folder(
    folder: str | Path,
    data: Mapping[str, Any],
    curves: Curves,
    drawn: Iterable[Plate],
    page: Callable[[Sequence[Picture], Sequence[str]], str],
    texts: Mapping[str, str] | None = None,
) -> Path:
    """Write metrics.json, curves/*.csv, figures/*.png and *.svg and index.html; the path of the page.

    ``data`` becomes metrics.json; ``page`` makes the page of the pictures and of the relative paths of the
    CSV files; ``texts`` are further files by name.

    Raises:
        ConfigError: ``folder`` exists and is not an earlier report.
    """
    folder = Path(folder)
    check_target(folder)
    with atomic_folder(folder) as temporary:
        (temporary / "metrics.json").write_text(to_json(data), encoding="utf-8")
        for name, text in (texts or {}).items():
            (temporary / name).write_text(text, encoding="utf-8")
        tables = _write_curves(temporary / "curves", curves)
        pictures = _write_figures(temporary / "figures", drawn)
        (temporary / "index.html").write_text(page(pictures, tables), encoding="utf-8")
        if (folder / BESIDE).is_dir():
            shutil.copytree(folder / BESIDE, temporary / BESIDE)
    return folder / "index.html"


def check_target(folder: str | Path, inputs: Iterable[str | Path] = ()) -> None:
    """ConfigError when ``folder`` holds an input, or more than an earlier report, which may be replaced."""
    check_folder(folder, inputs)
    folder = Path(folder)
    if not folder.exists():
        return
    found = {path.name for path in folder.iterdir()}
    is_report = found == {BESIDE} or ({"metrics.json", "index.html"} <= found and found <= OURS)
    if found and not is_report:
        raise ConfigError(f"{folder} exists and is not a report alone; choose another --out or empty it")


def to_json(data: Mapping[str, Any]) -> str:
    """JSON with null for what is not finite, as the standard demands."""
    return json.dumps(json_ready(data), indent=1, allow_nan=False) + "\n"


def json_ready(value: Any) -> Any:
    """Numpy scalars and arrays as Python values, NaN and infinities as None, recursively."""
    if isinstance(value, Mapping):
        return {str(k): json_ready(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return json_ready(value.tolist())
    if isinstance(value, list | tuple):
        return [json_ready(v) for v in value]
    if isinstance(value, np.generic):
        return json_ready(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _write_curves(folder: Path, curves: Curves) -> list[str]:
    folder.mkdir()
    for name, rows in curves.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(rows[0] if rows else COLUMNS)
            writer.writerows([[_cell(value) for value in row.values()] for row in rows])
    return [f"curves/{name}.csv" for name in curves]


def _cell(value: Any) -> Any:
    value = json_ready(value)
    return f"{value:.7g}" if isinstance(value, float) else "" if value is None else value


def _write_figures(folder: Path, drawn: Iterable[Plate]) -> list[Picture]:
    folder.mkdir()
    pictures = []
    for plate in drawn:
        with look():
            figure = plate.draw()
            figure.savefig(folder / f"{plate.name}.png", format="png", metadata={"Software": None})
            # The layout is solved by now; solving it again for the SVG would take most of the time.
            figure.set_layout_engine("none")
            svg = to_svg(figure)
        (folder / f"{plate.name}.svg").write_bytes(svg)
        pictures.append(Picture(plate.name, plate.title, plate.reading, svg))
    return pictures


def to_svg(figure: Figure) -> bytes:
    """The figure as SVG: the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
