"""A benchmark that is done: what every row predicted, judged; its table, figures and page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gensample.benchmark.figures import benchmark_plates
from gensample.benchmark.front import FRONT_NOTES, front_lines, front_plates, front_tables
from gensample.benchmark.published import NOTHING, PublishedNumbers
from gensample.benchmark.table import Entry, ScoreTable, as_csv, score_tables
from gensample.report.page import Picture, figure_html, file_links, sections_page, templates, write_folder

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
TABLES = """{% for table in tables %}
<h3>{{ table.title }}</h3>
{% for title, head, lines, names, together in table.pieces(most) %}
<div class="scroll"><table class="scores"><thead><tr>
{%- for cell in head %}<th{% if loop.index <= names %} class="words"{% endif %}>{{ cell }}</th>{% endfor %}
</tr></thead><tbody>{% for line in lines %}<tr><th scope="row">{{ line[0] }}</th>
{%- for cell in line[1:] %}{% set value, open, interval = cell.partition(" [") %}
<td{% if loop.index < names %} class="words"{% endif %}>{{ value }}
{%- if open %} <span class="interval">[{{ interval }}</span>{% endif %}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% endfor %}
{% endfor %}"""
COLUMNS = 8
"""Of a table on the page, beside those that name its lines: more would not fit, nor be printed."""
LIST = "<ul>{% for note in notes %}<li>{{ note }}</li>{% endfor %}</ul>"


@dataclass(frozen=True)
class BenchmarkResult:
    """Scores of every row.

    entries: one for each row, input, training sets, test set, target, species and lag (`judge.Judge`);
    correlations: curves C(r) with ``r``, ``c`` and ``source``; points: samplers at each test set and lag
    (`front`); published: numbers beside ours.
    """

    title: str
    entries: Sequence[Entry]
    correlations: Sequence[Entry] = ()
    published: PublishedNumbers = NOTHING
    notes: Sequence[str] = field(default=())
    points: Sequence[Entry] = ()

    def table(self) -> str:
        """The tables as Markdown."""
        return "\n".join(table.markdown() for table in self._tables())

    def _tables(self) -> list[ScoreTable]:
        samplers = front_tables(self.points) if self.points else []
        return [*samplers, *score_tables(self.entries, self.published)]

    def _notes(self) -> list[str]:
        return [*NOTES, *(FRONT_NOTES if self.points else ()), *self.notes]

    def write(self, folder: str | Path) -> Path:
        """Write table.md, table.csv, metrics.json, figures and index.html; the path of the page.

        Raises:
            ConfigError: the folder holds something else.
        """
        return write_folder(
            folder,
            {
                "title": self.title,
                "notes": self._notes(),
                "entries": list(self.entries),
                "correlations": list(self.correlations),
                "points": list(self.points),
            },
            {"front": front_lines(self.points)} if self.points else {},
            (
                *(front_plates(self.points) if self.points else ()),
                *benchmark_plates(self.entries, self.correlations, self.published),
            ),
            self._page,
            {"table.md": f"# {self.title}\n\n{self.table()}", "table.csv": as_csv(self.entries)},
        )

    def _page(self, pictures: Sequence[Picture], curves: Sequence[str]) -> str:
        found = self._tables()
        sections = (
            ("tables", "Tables", templates().from_string(TABLES).render(tables=found, most=COLUMNS)),
            ("figures", "Figures", "\n".join(map(figure_html, pictures))),
            ("notes", "How to read this", templates().from_string(LIST).render(notes=self._notes())),
            ("files", "Files", file_links(["table.md", "table.csv", *curves])),
        )
        lead = (
            "Predictors of each particle's mobility, by their Pearson correlation with simulation, and "
            "samplers of where it goes, all judged alike."
        )
        return sections_page(self.title, lead, sections, {})
