"""The folder of finished jobs beside an unfinished dataset: what makes a simulation resumable."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gensample.data.store import atomic
from gensample.errors import ConfigError
from gensample.simulate.scheduler import Job


class Parts:
    """Finished jobs are folders below ``root``, whole or absent; ``scratch-*`` is what does not count."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def is_done(self, job: Job) -> bool:
        """Whether the job's folder is there."""
        return (self.root / job.name).is_dir()

    def run(self, job: Job) -> None:
        """Do the work in a scratch folder and rename it, so that a killed job leaves nothing that counts."""
        scratch = Path(tempfile.mkdtemp(prefix="scratch-", dir=self.root))
        job.work(scratch)
        scratch.rename(self.root / job.name)

    @contextmanager
    def publish(self, out: Path) -> Iterator[Path]:
        """Yield the name of a file that then becomes ``out``; a killed run leaves it here to be discarded."""
        temporary = Path(tempfile.mkdtemp(prefix="scratch-", dir=self.root)) / out.name
        yield temporary
        temporary.replace(out)

    @contextmanager
    def amend(self, source: Path, target: Path) -> Iterator[Path]:
        """Yield a copy of ``source`` that then becomes ``target``.

        Commands that amend a dataset together do so one after the other: none loses what another added.
        """
        with _alone_at(target), self.publish(target) as temporary:
            shutil.copy(source, temporary)
            yield temporary

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.root, ignore_errors=True)

    def _discard_scratch(self) -> None:
        for folder in self.root.glob("scratch-*"):
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone_at(target: Path) -> Iterator[None]:
    """Hold a lock beside a file: one on the file itself would go with it when it is replaced."""
    path = target.with_name(f".{target.name}.lock")
    while True:
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Whoever held it before has removed it: what is locked then is no longer there to others.
            if not _is_at(lock.fileno(), path):
                continue
            try:
                yield
            finally:
                path.unlink()
            return


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def target_of(source: Path, out: Path | None) -> Path:
    """The file that a command which adds to the dataset ``source``, or to a copy ``out``, writes.

    Raises:
        ConfigError: ``out`` exists.
    """
    target = (source if out is None else out).resolve()
    if target.exists() and target != source.resolve():
        raise ConfigError(f"{target} exists; remove it or choose another --out")
    return target


@contextmanager
def claim(root: Path, settings: Mapping[str, Any]) -> Iterator[Parts]:
    """The parts of a simulation with these settings, new or to be resumed, for this process alone.

    Raises:
        ConfigError: the folder belongs to other settings, or another process works in it.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w") as lock:
        # The lock goes with the process, however it ends.
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"another gensample works in {root}; wait for it or choose another --out"
            ) from None
        _check_settings(root / "config.json", settings)
        parts = Parts(root)
        parts._discard_scratch()
        yield parts


def _check_settings(record: Path, settings: Mapping[str, Any]) -> None:
    text = json.dumps(settings, sort_keys=True)
    if not record.exists():
        with atomic(record) as temporary:
            temporary.write_text(text)
    elif record.read_text() != text:
        raise ConfigError(f"{record.parent} holds jobs of other settings; remove it or choose another --out")
