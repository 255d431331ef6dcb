"""The report as one self-contained page: no script, no font, no picture from anywhere else."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from gensample.comparison.content import Content
from gensample.comparison.gallery import FIRST, plates
from gensample.comparison.glossary import QUANTITIES
from gensample.comparison.metrics import Metrics
from gensample.comparison.opening import cost_html, sentence
from gensample.comparison.tables import aim_words, finding, glance_html, symbol_html, to_html
from gensample.comparison.verdicts import MARKS, SIGNS
from gensample.report.page import Picture, assemble, fact_list, figure_html, file_links, words, write_folder

FEW = 10  # configurations below which a bootstrap interval is only indicative


TRUST = "How far to trust this"


def render(metrics: Metrics, pictures: Sequence[Picture], curves: Iterable[str]) -> str:
    """The page; ``curves`` are the relative paths of the CSV files it links to."""
    first = [p for p in pictures if p.name == FIRST]
    sections = (
        ("opening", "One configuration, and the cost", _opening(metrics, first)),
        ("glance", "At a glance", _glance(metrics)),
        ("figures", "Figures", "\n".join(figure_html(p) for p in pictures if p not in first)),
        ("tables", "All numbers", _tables(metrics)),
        ("words", "What the rows mean", _definitions()),
        ("notes", TRUST, _notes(metrics)),
        ("compared", "What was compared, and how", _facts(metrics)),
        ("files", "Files", file_links(curves)),
    )
    return assemble(_title(metrics.meta), sentence(metrics), sections, metrics.meta)


def _opening(metrics: Metrics, first: Sequence[Picture]) -> str:
    """What the page is about, the first picture and the cost."""
    return "\n".join(
        [f"<p>{escape(_about(metrics.meta))}</p>", *map(figure_html, first), cost_html(metrics.meta)]
    )


def _title(meta: Mapping[str, Any]) -> str:
    return f"{meta.get('generated', {}).get('name', 'generated')} against simulation"


def _about(meta: Mapping[str, Any]) -> str:
    sim, count = meta.get("simulated", {}), meta.get("configurations", "?")
    return (
        f"Isoconfigurational ensembles of displacements from {count} configurations of "
        f"{sim.get('name', 'the simulated data')}: does the generator move the particles as molecular "
        "dynamics does? The sentence above sums up the verdicts below; what they rest on, and the settings, "
        "are at the end."
    )


def _facts(metrics: Metrics) -> str:
    """Simulation on the left, generated on the right, one line for each fact that is known."""
    meta = metrics.meta
    sim, gen = meta.get("simulated", {}), meta.get("generated", {})
    common = {
        "mixture": sim.get("mixture"),
        "particles": sim.get("particles"),
        "temperature": sim.get("temperature"),
        "density": sim.get("density"),
        "truncation": sim.get("truncation"),
        "lag times / τ": ", ".join(f"{t:g}" for t in metrics.times),
        "configurations": meta.get("configurations"),
        "split": meta.get("split"),
        "bootstrap": f"{meta['bootstrap']} resamples, seed {meta.get('seed')}"
        if "bootstrap" in meta
        else None,
    }
    return (
        fact_list("Both ensembles", common)
        + fact_list("Simulation", {k: v for k, v in sim.items() if k not in _SHOWN_ABOVE})
        + fact_list("Generated", {k: v for k, v in gen.items() if k not in _SHOWN_ABOVE})
        + "".join(fact_list(escape(name), facts) for name, facts in meta.get("further", {}).items())
    )


_SHOWN_ABOVE = ("name", "mixture", "particles", "temperature", "density", "truncation")


_GLANCE = """<p>Each cell: the <b>generated</b> value / the value it is measured by (simulation for pairs;
the best that a perfect sampler with as many draws could reach, or the floor between halves of the simulated
replicas, where the number of replicas limits). Hover over a name for its definition, or see
<a href="#words">below</a>.</p>
<p class="key">{}</p>
"""


def _glance(metrics: Metrics) -> str:
    marks = "".join(f'<span class="{m}">{SIGNS[m]} {escape(MARKS[m])}</span> ' for m in MARKS if SIGNS[m])
    found = finding(metrics)
    banner = f'<p class="finding">{escape(found)}</p>\n' if found else ""
    tables = (f'<div class="scroll">{glance_html(metrics, g)}</div>' for g in _groups(metrics))
    return banner + _GLANCE.format(marks) + "\n".join(tables)


_TABLES = """<p>Intervals are 95 % bootstrap intervals over configurations; hover over a simulated value for
its own. The three columns after the verdict are controls made from the simulated data itself, scored as if
they had been generated: <b>halves</b>, replicas against replicas, is a perfect sampler; <b>independent</b>
shuffles the replicas of each particle, so that every particle is right and nothing moves together;
<b>climatology</b> shuffles the particles of a species within each field, so that structure no longer matters
and neighbours move unrelated, while the van Hove function, the overlap and its χ₄ stay right.</p>
"""


def _tables(metrics: Metrics) -> str:
    blocks = [
        f'<div class="scroll">{to_html(metrics, k, g)}</div>'
        for g in _groups(metrics)
        for k in range(len(metrics.times))
    ]
    beside = f"<p>Then, beside them: {escape(', '.join(metrics.beside))}.</p>\n" if metrics.beside else ""
    return _TABLES + beside + "\n".join(blocks)


def _groups(metrics: Metrics) -> list[str]:
    """All particles together first: whether futures are configurations is asked before how far they moved."""
    return sorted(metrics.groups, key=lambda group: group != "all")


def _definitions() -> str:
    seen, lines = set(), []
    for q in QUANTITIES:
        if q.name not in seen:
            seen.add(q.name)
            label = escape(q.label)
            symbol = symbol_html(q.symbol.split("(1.1)")[0])
            lines.append(
                f'<tr><th scope="row">{label} <span class="symbol">{symbol}</span></th>'
                f'<td class="words">{escape(q.meaning)}</td><td>{escape(aim_words(q))}</td></tr>'
            )
    return (
        '<table><thead><tr><th class="words">quantity</th><th class="words">meaning</th><th>aim</th></tr>'
        "</thead>"
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def _notes(metrics: Metrics) -> str:
    meta = metrics.meta
    replicas = [words(meta.get(side, {}).get("replicas", "?")) for side in ("simulated", "generated")]
    notes = (
        _note_on_configurations(meta),
        _NOTE_ON_REPLICAS.format(*replicas),
        *_note_on_quenches(meta),
        _NOTE_ON_CONTROLS,
        _NOTE_ON_HALVES,
        _NOTE_ON_AIMS,
    )
    return "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>"


_NOTE_ON_REPLICAS = (
    "Simulation has {} replicas of each configuration, the generator {} draws. Correlations of propensities "
    "are limited by both numbers: that is what the ceilings say, and a correlation without its ceiling means "
    "nothing."
)
_NOTE_ON_CONTROLS = (
    "The controls bracket every number. A generator no better than climatology has learned nothing from the "
    "structure; one like the independent control knows each particle and no collective motion; one like the "
    "halves cannot be told from simulation with these data. The independent control has exactly the "
    "propensities of simulation, so its propensity correlation is 1 by construction; likewise climatology "
    "has exactly its distribution of |u|, overlap and χ₄ within a configuration."
)
_NOTE_ON_HALVES = (
    "Halves compare one half of the replicas with the other: fewer replicas than the whole, hence lower "
    "correlations and more noise. A good generator can score better than they do."
)
_NOTE_ON_AIMS = (
    "The aims are yardsticks. A mark rests on the 95 % interval of the generated value, on that of what it "
    "is measured by, and on the correlation of the two: ✓ and ✗ say that the interval is inside and outside "
    "the aim, ≈ that these data cannot tell, ! that the value is better than a perfect sampler allows. One "
    "perfect sampler in forty gets the last by chance, in every row anew."
)
_NOTE_ON_INTERVALS = (
    "Standard errors come from {} bootstrap resamples of the {} configurations, never of particles or "
    "replicas: particles of one configuration move together and are not independent evidence. They say how "
    "far the numbers would change with other configurations of the same state, and as many replicas."
)


def _note_on_configurations(meta: Mapping[str, Any]) -> str:
    count = int(meta.get("configurations", 0))
    if count < 2:
        return "One configuration only: no interval can be given, and nothing here generalises beyond it."
    text = _NOTE_ON_INTERVALS.format(meta.get("bootstrap", "?"), count)
    few = f" With only {count} of them they are indicative; Student's t makes them as wide as that asks for."
    return text + few if count < FEW else text


def _note_on_quenches(meta: Mapping[str, Any]) -> Iterator[str]:
    """How many fields of each configuration the inherent structures are known of."""
    counts = {name: words(sorted(set(n))) for name, n in meta.get("quenched", {}).items()}
    if counts:
        yield (
            "Hops, inherent energies and what is made of them rest on the futures that were quenched, "
            f"of each configuration: {', '.join(f'{name} {count}' for name, count in counts.items())}."
        )


def write_report(folder: str | Path, content: Content) -> Path:
    """Write metrics.json, curves/*.csv, figures/*.png and *.svg, and index.html; the path of the page.

    Raises:
        ConfigError: ``folder`` exists and is not an earlier report.
    """
    metrics = content.metrics
    return write_folder(folder, metrics.data, content.curves, plates(content), partial(render, metrics))
