"""What jobs find for a dataset that is there: added in place or to a copy, resumable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gensample.data.catalog import is_ours
from gensample.errors import ConfigError
from gensample.work import Work, amended, check_output, claim, is_of, parts_beside, tidy


@dataclass(frozen=True)
class Addition:
    """Something that jobs find for a dataset ``source``, added to it in place or to a copy ``out``.

    ``what`` it is; ``kind``: of its folder of finished jobs; ``fingerprint``: what decides it; ``present``:
    whether the dataset has it already.
    """

    what: str
    source: Path
    out: Path | None
    kind: str
    fingerprint: Mapping[str, str]
    present: bool

    def make(self, add: Callable[[Work, Path], str], again: bool) -> str:
        """Let ``add`` do the jobs and amend the target, unless nothing is to be done; a summary.

        Raises:
            ConfigError: ``out`` exists and is not of this work, the dataset belongs to gensample itself,
                or the folder of finished jobs is another's.
        """
        if self._is_complete():
            return f"{self.out} is complete; nothing to do"
        target = self._target()
        if self.present and not again:
            return self._leave(target)
        with claim(parts_beside(target, self.kind), self.fingerprint) as work:
            summary = add(work, target)
            work.remove()
        return f"{target}: {summary}"

    def _is_complete(self) -> bool:
        """Whether a run was killed after it had written the copy, before it removed the finished jobs."""
        if self.out is None or not self.out.is_file() or not is_of(self._root_of(self.out), self.fingerprint):
            return False
        tidy(self.out.resolve(), self._root_of(self.out))
        return True

    def _root_of(self, target: Path) -> Path:
        return parts_beside(target.resolve(), self.kind)

    def _target(self) -> Path:
        if self.out is not None:
            return check_output(self.out, [self.source])
        target = check_output(self.source, replace=True)
        if is_ours(target):
            raise ConfigError(f"{target} belongs to gensample itself: give --out for a copy")
        return target

    def _leave(self, target: Path) -> str:
        """A dataset that has it stays as it is; so does a copy that was asked for."""
        if self.out is not None:
            with amended(self.source, target):
                pass
            return f"{target} is a copy of {self.source}, which has {self.what} (--again makes them anew)"
        if is_of(parts_beside(target, self.kind), self.fingerprint):
            tidy(target, parts_beside(target, self.kind))
        return f"{self.source} has {self.what}; nothing to do (--again replaces them)"
