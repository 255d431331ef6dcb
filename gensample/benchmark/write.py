"""From entries to the folder of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from gensample.benchmark.entries import Entry
from gensample.benchmark.figures import plates
from gensample.benchmark.tables import as_csv, markdown
from gensample.report.page import Picture, assemble, figure_html, file_links, write_folder

NOTES = (
    "Pearson is taken within each configuration and averaged; pooled means over all particles of all "
    "configurations at once. Intervals are 95 % bootstrap intervals over configurations; with two "
    "configurations they only say how far the two are apart.",
    "The ceiling is the best Pearson correlation that the exact propensity would have with labels averaged "
    "over as many replicas.",
    "chi4 is that of propensity fields: N times the variance between configurations of the share of "
    "particles whose propensity is below 0.3, after the predictions were given the mean and the standard "
    "deviation of the labels; it needs four configurations. Block chi4: the same between the blocks of each "
    "box cut into 2^d.",
    "Structural indicators are not trained; of each the coarse-graining length and the sign are chosen on "
    "the validation split.",
)


def write_report(
    folder: str | Path,
    entries: Sequence[Entry],
    correlations: Sequence[Entry],
    *,
    published: Mapping[str, Any] | None,
    title: str,
    notes: Iterable[str] = (),
) -> str:
    """Write FOLDER/report: table.md, table.csv, metrics.json, figures, index.html; returns the table.

    entries: one dict for each row, input, training set, test set, target, species and lag; correlations:
    curves C(r) with ``r``, ``c`` and ``source``; published: ``pearson`` {target: {temperature: {model:
    (times, values)}}}, ``chi4`` {temperature: {model or "MD": (times, values)}} and ``transfer`` {model:
    {(train T, test T): value}}. Raises ConfigError when the folder holds something else.
    """
    table = markdown(entries, published)
    said = [*NOTES, *notes]
    data = {"title": title, "notes": said, "entries": list(entries), "correlations": list(correlations)}
    page = partial(_page, title, table, said)
    path = write_folder(
        Path(folder) / "report",
        data,
        {},
        plates(entries, correlations, published),
        page,
        {"table.md": f"# {title}\n\n{table}", "table.csv": as_csv(entries)},
    )
    return f"{table}\nreport: {path}"


def _page(
    title: str, table: str, notes: Sequence[str], pictures: Sequence[Picture], curves: Sequence[str]
) -> str:
    sections = (
        ("tables", "Tables", table_html(table)),
        ("figures", "Figures", "\n".join(figure_html(picture) for picture in pictures)),
        ("notes", "How to read this", "<ul>" + "".join(f"<li>{escape(n)}</li>" for n in notes) + "</ul>"),
        ("files", "Files", file_links(["table.md", "table.csv", *curves])),
    )
    lead = "Predictors of each particle's mobility, trained and judged alike."
    return assemble(title, lead, sections, {})


def table_html(text: str) -> str:
    """The Markdown tables as HTML."""
    parts: list[str] = []
    for block in text.split("\n\n"):
        lines = block.strip().splitlines()
        if lines and lines[0].startswith("## "):
            parts.append(f"<h3>{escape(lines[0][3:])}</h3>")
        elif len(lines) > 1:
            cells = [[c.strip() for c in line.strip("| ").split(" | ")] for line in lines]
            cells = [_padded(line, len(cells[0])) for line in [cells[0], *cells[2:]]]
            head = "".join(f"<th>{escape(c)}</th>" for c in cells[0])
            rows = "".join(
                f'<tr><th scope="row">{escape(line[0])}</th>'
                + "".join(f"<td>{escape(c)}</td>" for c in line[1:])
                + "</tr>"
                for line in cells[1:]
            )
            parts.append(f'<div class="scroll"><table><thead><tr>{head}</tr></thead>')
            parts.append(f"<tbody>{rows}</tbody></table></div>")
    return "\n".join(parts)


def _padded(line: list[str], width: int) -> list[str]:
    return [*line, *[""] * (width - len(line))]
