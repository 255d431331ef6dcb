"""The folder of finished jobs beside an unfinished dataset: what makes a simulation resumable."""

from __future__ import annotations

from pathlib import Path

from gensample.data.catalog import EMBEDDED
from gensample.errors import ConfigError
from gensample.simulate.scheduler import Job
from gensample.work import check_output


class Parts:
    """Finished jobs are folders below ``root``, whole or absent; ``scratch-*`` is what does not count."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def is_done(self, job: Job) -> bool:
        """Whether the job's folder is there."""
        return (self.root / job.name).is_dir()

    def run(self, job: Job) -> None:
        """Do the work in a scratch folder and rename it, so that a killed job leaves nothing that counts."""
        scratch = self.root / f"scratch-{job.name}"
        scratch.mkdir()
        job.work(scratch)
        scratch.rename(self.root / job.name)


def target_of(source: Path, out: Path | None) -> Path:
    """The file that a command which adds to the dataset ``source``, or to a copy ``out``, writes.

    Raises:
        ConfigError: ``out`` exists, or the file belongs to the installed package.
    """
    target = check_output(source, replace=True) if out is None else check_output(out, [source])
    if any(target.exists() and target.samefile(path) for path in EMBEDDED.values()):
        raise ConfigError(f"{target} belongs to the installed package: give --out for a copy")
    return target
