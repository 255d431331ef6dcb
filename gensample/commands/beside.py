"""Further sources of a comparison: files of fields, or models from which they are drawn first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gensample.comparison.pairing import common_lags, pair_configurations
from gensample.data.store import Store
from gensample.errors import ConfigError, DataError
from gensample.report.page import BESIDE

Pair = tuple[int, int]


def check_words(words: Sequence[str]) -> dict[str, str]:
    """What is to be shown beside, by the name it is shown with: that of the file or of the model.

    Raises:
        ConfigError: two have one name.
    """
    names = [Path(word).stem if is_file(word) else Path(word).name for word in words]
    for name in names:
        if not name or names.count(name) > 1:
            raise ConfigError(f"--beside needs a name of its own for each source, got {', '.join(names)}")
    return dict(zip(names, words, strict=True))


def is_file(word: str) -> bool:
    """Whether a word names a dataset, and not a model."""
    return Path(word).suffix == ".h5"


def draw(
    name: str, model: str, sim: Store, gen: Store, pairs: Sequence[Pair], report: Path, seed: int
) -> Path:
    """Fields of ``model`` for the compared configurations, as many replicas as ``gen`` has.

    Kept in the report, where a second run finds them.
    """
    from gensample.commands.sample_ensemble import draw_fields

    splits = {str(sim.split[i]) for i, _ in pairs}
    split = splits.pop() if len(splits) == 1 else "all"
    replicas = int(gen.done[[j for _, j in pairs]].sum(axis=1).min())
    out = report / BESIDE / f"{name}.h5"
    draw_fields(model, str(sim.path), out, split=split, replicas=replicas, seed=seed)
    return out


def rows_beside(sim: Store, other: Store, pairs: Sequence[Pair]) -> list[int]:
    """The configurations of ``other`` that are those of ``sim`` in ``pairs``.

    Raises:
        DataError: it lacks one.
    """
    found = dict(pair_configurations(sim, other))
    for i, _ in pairs:
        if i not in found:
            raise DataError(f"{other.path} has no fields of configuration {i} of {sim.path}; draw them too")
    return [found[i] for i, _ in pairs]


def lags_of_all(sim: Store, stores: Sequence[Store], wanted: list[float] | None) -> list[list[int]]:
    """Lag indices of ``sim`` and of every store, of the lag times that all have or that are wanted.

    Raises:
        ConfigError: a wanted lag time is missing somewhere, or there is none in common.
    """
    tables = [dict(common_lags(sim, store, wanted)) for store in stores]
    common = [a for a in tables[0] if all(a in table for table in tables)]
    if not common:
        raise ConfigError("no lag time is in all files; compare fewer of them at once")
    return [common, *([table[a] for a in common] for table in tables)]
