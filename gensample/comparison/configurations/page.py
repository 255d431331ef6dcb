"""The report on configurations as one self-contained page, and the folder around it."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from gensample.comparison.configurations.content import Content
from gensample.comparison.configurations.gallery import plates
from gensample.comparison.configurations.glossary import QUANTITIES
from gensample.comparison.configurations.tables import aim_words, to_html, weight_table
from gensample.comparison.page import FEW, TRUST
from gensample.report.page import Picture, assemble, fact_list, figure_html, file_links, write_folder


def write_report(folder: str | Path, content: Content) -> Path:
    """Write metrics.json, curves, figures and index.html; the path of the page.

    Raises:
        ConfigError: ``folder`` exists and is not an earlier report.
    """
    return write_folder(
        folder,
        content.data,
        content.curves,
        plates(content),
        lambda pictures, curves: render(content, pictures, curves),
    )


def render(content: Content, pictures: Sequence[Picture], curves: Sequence[str]) -> str:
    """The page; ``curves`` are the relative paths of the CSV files it links to."""
    sections = (
        ("glance", "At a glance", _glance(content)),
        ("figures", "Figures", "\n".join(figure_html(p) for p in pictures)),
        ("tables", "All numbers", _tables(content)),
        ("words", "What the rows mean", _definitions()),
        ("notes", TRUST, _notes(content)),
        ("compared", "What was compared, and how", _facts(content)),
        ("files", "Files", file_links(curves)),
    )
    meta = content.meta
    title = f"{meta.get('generated', {}).get('name', 'generated')} against simulation: configurations"
    return assemble(title, _lead(content), sections, meta)


def _lead(content: Content) -> str:
    sim = content.meta.get("simulated", {})
    temperatures = ", ".join(f"{t:g}" for t in content.temperatures)
    return (
        f"Generated configurations beside those of {sim.get('name', 'the simulated data')} at "
        f"T = {temperatures}: do they have the energies and the structure of the liquid?"
    )


_COMMON = ("mixture", "density", "truncation")


def _facts(content: Content) -> str:
    meta = content.meta
    sim, gen = meta.get("simulated", {}), meta.get("generated", {})
    counts = [
        ", ".join(str(content.block(k)["configurations"][side]) for k in range(len(content.temperatures)))
        for side in ("simulated", "generated")
    ]
    both = {
        **{name: sim.get(name) for name in _COMMON},
        "temperature": ", ".join(f"{t:g}" for t in content.temperatures),
        "predictor": meta.get("predictor"),
        "bootstrap": f"{meta['bootstrap']} resamples, seed {meta.get('seed')}"
        if "bootstrap" in meta
        else None,
    }
    return (
        fact_list("Both sets", both)
        + fact_list("Simulation", {"configurations": counts[0], "split": meta.get("split"), **_own(sim)})
        + fact_list("Generated", {"configurations": counts[1], **_own(gen)})
    )


def _own(side: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in side.items() if k not in ("name", *_COMMON)}


_GLANCE = """<p>Energies come first: a nearly right g(r) with energies far too high is the usual failure of
a model of configurations. A distance is measured by <b>halves</b>, the same distance between two random
halves of the simulated set. Hover over a name for its definition, or see <a href="#words">below</a>.</p> <p
class="key"><span class="good">✓ within the aim</span><span class="near">≈ outside, but these data cannot
tell</span> <span class="off">✗ outside</span></p>
"""


def _glance(content: Content) -> str:
    ks = range(len(content.temperatures))
    tables = [f'<div class="scroll">{to_html(content, k, main=True)}</div>' for k in ks]
    return _GLANCE + "\n".join(tables) + f'<div class="scroll">{weight_table(content, ks)}</div>'


_TABLES = """<p>Intervals of means and standard deviations are 95 % bootstrap intervals over configurations;
those of distances are the range of 95 % of the random splits. Hover over a value for its own.</p>
"""


def _tables(content: Content) -> str:
    ks = range(len(content.temperatures))
    return _TABLES + "\n".join(f'<div class="scroll">{to_html(content, k)}</div>' for k in ks)


def _definitions() -> str:
    lines = [
        f'<tr><th scope="row">{escape(q.label)}</th><td class="words">{escape(q.meaning)}</td>'
        f"<td>{escape(aim_words(q))}</td></tr>"
        for q in QUANTITIES
    ]
    head = '<th class="words">quantity</th><th class="words">meaning</th><th>aim</th>'
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _notes(content: Content) -> str:
    notes = [_note_on_sizes(content), _ON_AIMS]
    if len({str(side) for side in _particles(content)}) > 1:
        notes.append(_ON_PARTICLES.format(*_particles(content)))
    if any(content.block(k)["weights"] is not None for k in range(len(content.temperatures))):
        notes.append(_ON_WEIGHTS)
    else:
        notes.append(_WITHOUT_WEIGHTS)
    return "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>"


def _particles(content: Content) -> tuple[int, int]:
    sizes = content.block(0)["particles"]
    return sizes["simulated"], sizes["generated"]


_ON_SIZES = (
    "Distances between finite sets are never zero and fall with their size. Sets of {} configurations were "
    "compared (half of the simulated ones, or as many as were generated if fewer): {} random simulated "
    "against as many generated, and against as many other simulated ones."
)
_FEW = " With so few of them the intervals are indicative."
_ON_AIMS = (
    "The aims are yardsticks, not tests of significance: the gap in energy is measured by the standard "
    "deviation of the simulated energies between configurations, which falls with the number of particles."
)
_ON_PARTICLES = (
    "The sets have {} and {} particles. Energies per particle and g(r) can be compared; standard "
    "deviations of energies per particle, closest pairs of a whole configuration and wave vectors depend "
    "on the number of particles."
)
_ON_WEIGHTS = (
    "Reweighted numbers use weights exp(−U/T) / p of the generated configurations. Their intervals know "
    "the weights that were drawn and no larger ones: with an effective size of a few they mean nothing. "
    "Where the log density is an estimate, half its variance is subtracted, which removes the bias of the "
    "weights but not their added spread."
)
_WITHOUT_WEIGHTS = (
    "The generated file has no log density: nothing could be reweighted, and no effective sample size can "
    "be given."
)


def _note_on_sizes(content: Content) -> str:
    compared = sorted({int(content.block(k)["compared"]) for k in range(len(content.temperatures))})
    sizes = " to ".join(str(m) for m in dict.fromkeys((compared[0], compared[-1])))
    return _ON_SIZES.format(sizes, sizes) + (_FEW if compared[0] < FEW else "")
