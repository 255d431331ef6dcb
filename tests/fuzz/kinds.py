"""The kinds of cases, by name."""

import gc
import importlib
import io
from pathlib import Path

import bases
import damaged_datasets
import damaged_sources
import flag_values
import folders
import planted
import source_bases
from matplotlib.figure import Figure

KINDS = {
    "datasets": damaged_datasets.make,
    "sources": damaged_sources.make,
    "flags": flag_values.make,
    "folders": folders.make,
    "planted": planted.make,
}


def build(kinds: list[str]) -> None:
    """Make the valid files that cases of these kinds start from."""
    if set(kinds) != {"sources"}:
        bases.build(bases.FOLDER)
    if "sources" in kinds or "flags" in kinds:
        source_bases.build(bases.FOLDER / "sources")


# What commands import once they run: imported before the fork, the cases share it.
HEAVY = (
    *("training.cli", "generators.displacement", "generators.configuration", "commands.files"),
    *("benchmark.run", "benchmark.judge"),
    *("commands.listing", "commands.simulate", "data.summary", "data.importing.convert"),
    *("data.importing.export", "report.page", "comparison.compare", "simulate.run", "simulate.quench"),
    *("predictors.written", "reads"),
    *("simulate.short_runs", "simulate.run", "predictors.ridge"),
)


def warm() -> None:
    """Import what is heavy; figures are left blank: drawing them takes 15 s and reads no file."""
    for name in HEAVY:
        importlib.import_module(f"gensample.{name}")
    Figure.savefig = _blank
    gc.freeze()  # collecting what the parent made would copy its memory to every child


def _blank(figure: Figure, target, **options) -> None:
    if hasattr(target, "write"):
        target.write("<svg/>" if isinstance(target, io.TextIOBase) else b"<svg/>")
    else:
        Path(target).write_text("<svg/>")
