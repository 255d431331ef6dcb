"""One dataset from the files of other programs: read, assembled, checked and written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gensample.data.formats import read_sources
from gensample.data.importing.base import Imported, Options
from gensample.data.importing.convert import Dataset, assemble, check_repeats, move_to_validation, write
from gensample.data.positions import potential
from gensample.work import check_output


def import_dataset(
    sources: Sequence[str | Path],
    out: str | Path,
    options: Options,
    *,
    command: str,
    format: str = "auto",
    seed: int = 0,
    val_count: int = 0,
) -> Imported:
    """Write what files and folders hold to ``out``; ``notes`` of the result say how each thing was taken.

    ``val_count`` training configurations, chosen by the seed, are moved to "val".

    Raises:
        ConfigError, DataError: as `read_sources`, `assemble` and `write`; nothing is written then.
    """
    check_output(out, sources)
    imported = read_sources(sources, format, options)
    dataset = assemble(imported, options)
    if val_count:
        dataset.split = move_to_validation(dataset.split, val_count, seed)
        imported.notes.append(f"{val_count} training configurations moved to val (seed {seed})")
    check_repeats(dataset, imported.structures, imported.notes)
    attributes = _inherent_attributes(dataset)
    write(imported, dataset, out, command=command, seed=seed, inherent_attrs=attributes)
    return imported


def _inherent_attributes(dataset: Dataset) -> dict[str, Any] | None:
    """Energy and residual force of inherent structures that came with the source."""
    if dataset.inherent is None:
        return None
    if not dataset.mixture.has_potential:
        return {"minimiser": "of the source"}
    energy, _, force = potential(dataset.inherent, dataset.species, dataset.box, dataset.mixture)
    return {
        "minimiser": "of the source",
        "energy": energy,
        "residual": force,
        "max_residual_force": float(force.max()),
    }
