"""What jobs find for a dataset that is there: added in place or to a copy, resumable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from gensample.data.catalog import is_ours
from gensample.errors import ConfigError
from gensample.work import Work, amended, check_output, claim, is_of, parts_beside, tidy


def add_to_dataset(
    what: str,
    source: Path,
    out: Path | None,
    kind: str,
    fingerprint: Mapping[str, str],
    replace: bool | None,
    add: Callable[[Work, Path], str],
) -> str:
    """Let ``add`` do the jobs for ``source`` and amend it, or its copy ``out``, if it is to be; a summary.

    ``what`` it is; ``kind``: of the folder of finished jobs; ``fingerprint``: what decides it; ``replace``
    what the dataset has of it, None where it has none.

    Raises:
        ConfigError: ``out`` exists and is not of this work, the dataset belongs to gensample itself, or the
            folder of finished jobs is another's.
    """
    if out is not None and out.is_file():
        root = parts_beside(out.resolve(), kind)
        if is_of(
            root, fingerprint
        ):  # killed after it had written the copy, before it removed the finished jobs
            tidy(out.resolve(), root)
            return f"{out} is complete; nothing to do"
    target = check_output(source, replace=True) if out is None else check_output(out, [source])
    if out is None and is_ours(Path(source)):
        raise ConfigError(f"{target} belongs to gensample itself: give --out for a copy")
    root = parts_beside(target, kind)
    if replace is not False:
        with claim(root, fingerprint) as work:
            summary = add(work, target)
            work.remove()
        return f"{target}: {summary}"
    if out is not None:
        with amended(source, target):
            pass
        return f"{target} is a copy of {source}, which has {what} (--again makes them anew)"
    if is_of(root, fingerprint):
        tidy(target, root)
    return f"{source} has {what}; nothing to do (--again replaces them)"
