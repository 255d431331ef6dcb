"""Many predictors and samplers of the dynamics, trained or loaded and judged alike: `gensample benchmark`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gensample.benchmark.result import BenchmarkResult


def benchmark(
    config: str | Path,
    folder: str | Path | None = None,
    *,
    overrides: Sequence[str] = (),
    only: Sequence[str] | None = None,
    train: bool = True,
) -> BenchmarkResult:
    """Train or load every row of a yaml file, let it predict, and judge it.

    folder: what is done is kept there, and not done again; without it nothing is kept. overrides: settings as
    ``key=value``. only: work on rows whose names contain one of these words; those that are done come along.
    train: with False, nothing is trained: what is done already.

    Examples:
        >>> result = benchmark("configs/benchmark/tiny.yaml", only=["energy"])
        >>> result.entries[0]["row"]
        'potential energy'

    Raises:
        ConfigError: the settings cannot work or would mislead, or nothing is done.
        DataError: a dataset is missing or damaged.
    """
    from gensample.benchmark.front import relate
    from gensample.benchmark.judge import Judge
    from gensample.benchmark.published import NOTHING, PublishedNumbers
    from gensample.benchmark.result import BenchmarkResult
    from gensample.benchmark.run import run_units
    from gensample.benchmark.settings import load_settings
    from gensample.work import check_folder

    settings = load_settings(config, list(overrides))
    with ExitStack() as held:
        if folder is not None:
            check_folder(folder)
        root = Path(folder or held.enter_context(tempfile.TemporaryDirectory(prefix="gensample-")))
        finished = run_units(settings, root, only=only, train=train)
    judge, near = Judge(settings), settings.published
    there = {done.unit.row.name for done in finished}
    lacking = [row.name for row in settings.rows if row.name not in there]
    notes = [f"Left out, as not done or not there: {'; '.join(lacking)}."] if lacking else []
    notes.append(f"Made by `gensample benchmark {config} --out {folder}`, seed {settings.seed}.")
    points = [point for done in finished for point in judge.points(done)]
    return BenchmarkResult(
        settings.title,
        [entry for done in finished for entry in judge.entries(done)],
        [curve for done in finished for curve in judge.correlations(done)],
        NOTHING if near is None else PublishedNumbers.read(near.system, near.curves),
        [*settings.notes, *notes],
        relate(points) if points else (),
    )
