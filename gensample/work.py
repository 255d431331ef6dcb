"""One way to write, and one to do work that takes long: whole or not at all, resumed, by one or by many.

*Files.* `atomic` (a file), `amended` (a file that something is added to) and `atomic_folder` make an output
whole or not at all, over no input, one process at a time. Meanwhile ``.NAME.lock`` and ``.NAME.tmp`` (with
NAME's suffix) lie beside it. The lock goes with its process, however that ends: who holds it next removes
what a killed process left.

*Work* of many parts is a folder, by custom `parts_beside` its output::

    settings = {"seed": 1, "content": digest}           # whatever decides the bits
    if out.exists():
        ...                                             # refuse another's output
        tidy(out, parts_beside(out))
        return
    check_output(out)
    with claim(parts_beside(out), settings) as work:    # new, or resumed; of other settings: refused
        for part in ("a.npz", "b.npz"):
            if not work.has(part):
                work.keep(part, numbers=draw(part))     # there whole or not at all
        work.publish(out, lambda temporary: write(temporary, work.arrays("a.npz"), work.arrays("b.npz")))

A part is a folder (`Work.make`), or arrays in an npz file (`Work.keep`, `Work.arrays`). With
``claim(..., shared=True)`` processes of the same settings work side by side, each at parts that `Work.once`
gives to no other. ``claim(..., renew=True)`` is for what is kept for later, such as the rows of a benchmark:
parts of other settings are thrown away instead of refused, and nothing is published.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from gensample.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

RECORD = "work.json"
SCRATCH = "scratch-"
# Before the names of locks of those who work in a folder.
SHARED, ALONE = ".shared-", ".alone-"
DOES_NOT_COUNT = (".", SCRATCH)
CHOOSE = "remove it or choose another --out"


class Busy(ConfigError):
    """Another process works at this output."""


def check_output(path: str | Path, inputs: Iterable[str | Path] = (), *, replace: bool = False) -> Path:
    """The file that ``path`` names, links followed; ``replace``: a regular file may be there.

    Called before work begins; what a killed run left beside the file is removed.

    Raises:
        ConfigError: it is one of ``inputs`` or inside unfinished work, something is there that may not be
            replaced, or nothing can be written there.
    """
    sweep(Path(os.path.realpath(path)))
    target = _checked(Path(path), inputs, replace)
    _check_place(target)
    return target


def _checked(given: Path, inputs: Iterable[str | Path], replace: bool) -> Path:
    if given.is_symlink() and not given.exists():
        raise ConfigError(f"{given} is a link to nothing; {CHOOSE}")
    path = given.resolve()
    same = [source for source in inputs if path.exists() and Path(source).exists() and path.samefile(source)]
    if same:
        raise ConfigError(f"{given} is what is read ({same[0]}); choose another --out")
    if path.exists() and not path.is_file():
        raise ConfigError(f"{given} is not a regular file; choose another --out")
    if path.exists() and not replace:
        raise ConfigError(f"{given} exists; {CHOOSE}")
    _check_parent(path)
    return path


def _check_place(path: Path) -> None:
    inside = next((parent for parent in path.parents if is_claimed(parent)), None)
    if inside is not None:
        raise ConfigError(f"{path} lies in {inside}, unfinished work that is removed; choose another --out")
    _check_parent(path)


def _check_parent(path: Path) -> None:
    folder = next(parent for parent in path.parents if parent.exists())
    if not folder.is_dir():
        raise ConfigError(f"{path}: {folder} is not a folder; choose another --out")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{path}: nothing can be written in {folder}; choose another --out")


def parts_beside(out: Path, kind: str = "parts") -> Path:
    """Folder beside an output, or a dataset that is added to, for the finished parts of this ``kind``.

    Raises:
        ConfigError: ``out`` is no name of a file, such as an empty word.
    """
    if not out.name:
        raise ConfigError(f"--out must name a file, got '{out}'")
    return out.with_name(f"{out.name}.{kind}")


def check_folder(folder: str | Path, inputs: Iterable[str | Path] = ()) -> None:
    """Refuse a folder that cannot be written or holds what is read.

    Raises:
        ConfigError: it is no folder, inside unfinished work, holds one of ``inputs``, or cannot be made.
    """
    path = Path(os.path.realpath(folder))
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{folder} is a file; --out names a folder")
    read = [source for source in inputs if path in Path(os.path.realpath(source)).parents]
    if read:
        raise ConfigError(f"{folder} holds what is read ({read[0]}); choose another --out")
    _check_place(path)


@contextmanager
def atomic(path: str | Path, inputs: Iterable[str | Path] = (), *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary path that becomes ``path`` on success and is removed on failure.

    Processes that write the same file do so one after the other. ``replace``: a regular file may be there.

    Raises:
        ConfigError: as `check_output`, also when a file has appeared meanwhile.
    """
    inputs = list(inputs)
    path = _checked(Path(path), inputs, replace)
    with alone(path):
        temporary = _temporary(_checked(path, inputs, replace))
        remove(temporary)
        try:
            yield temporary
            _sync(temporary)
            _move(temporary, path, replace)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def amended(source: Path, target: Path) -> Iterator[Path]:
    """Yield a copy of ``source`` that then becomes ``target``, which may be ``source`` itself.

    Commands that amend a dataset together do so one after the other: none loses what another added.
    """
    with atomic(target, replace=target.exists() and target.samefile(source)) as temporary:
        shutil.copy(source, temporary)
        yield temporary


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder that takes the place of ``folder`` on success and vanishes on failure."""
    folder = folder.resolve()
    sweep(folder)
    with alone(folder):
        temporary = _temporary(folder)
        remove(temporary)
        fresh = temporary / "new"
        fresh.mkdir(parents=True)
        try:
            yield fresh
            _replace_folder(folder, fresh, temporary / "old")
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _replace_folder(folder: Path, fresh: Path, aside: Path) -> None:
    """Move ``fresh`` to ``folder``; what was there goes ``aside``, and comes back if the move fails."""
    if folder.exists():
        folder.rename(aside)
    try:
        fresh.rename(folder)
    except OSError:
        if aside.exists():
            aside.rename(folder)
        raise


@contextmanager
def alone(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of an output, file or folder.

    It lies beside the output: one on the file itself would go with it when it is replaced.

    Raises:
        Busy: another process holds it, and this one does not ``wait``.
    """
    with _locked(_lock_of(path), wait):
        yield


def sweep(path: Path) -> None:
    """Remove what a killed process left beside an output, unless another is at work there."""
    if _lock_of(path).exists():
        with suppress(Busy), alone(path, wait=False):
            remove(_temporary(path))


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def empty(folder: Path, *kept: str) -> None:
    """Delete what is in a folder, but for these names."""
    for path in folder.iterdir():
        if path.name not in kept:
            remove(path)


class Work:
    """A folder of finished parts; names that begin with ``scratch-`` or a dot do not count as finished."""

    def __init__(self, root: Path, *, shared: bool = False) -> None:
        self.root, self._shared, self._over = root, shared, False

    def path(self, part: str) -> Path:
        """Where a part is when it is finished."""
        return self.root / part

    def has(self, part: str) -> bool:
        """Whether a part is finished."""
        return self.path(part).exists()

    def make(self, part: str, fill: Callable[[Path], None]) -> None:
        """A part that is a folder, filled elsewhere; what a failure leaves stays until the next claim."""
        scratch = self.root / f"{SCRATCH}{part}"
        remove(scratch)  # of one who was killed while others work on
        scratch.mkdir()
        fill(scratch)
        scratch.rename(self.path(part))

    def keep(self, part: str, **arrays: Any) -> None:
        """A part that is an npz file of arrays, in place of what it was."""
        import numpy as np

        self.path(part).parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path(part).with_name(f"{SCRATCH}{Path(part).name}")
        with scratch.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        scratch.rename(self.path(part))

    def arrays(self, part: str) -> dict[str, np.ndarray]:
        """The arrays of a part."""
        import numpy as np

        with np.load(self.path(part)) as stored:
            return dict(stored)

    def once(self, part: str, make: Callable[[], None], *, wait: bool = True) -> bool:
        """Let ``make`` keep a part that is missing; without ``wait``, not where another process is at it."""
        with suppress(Busy), alone(self.path(part), wait=wait):
            if not self.has(part):
                make()
                return True
        return False

    def publish(self, out: Path, write: Callable[[Path], None], *, keep: bool = False) -> None:
        """Write the output of all parts, unless another process that shares the work has.

        The parts go when the last process leaves, unless ``keep``.
        """
        with alone(self.root):
            if not (self._shared and out.exists()):
                with atomic(out) as temporary:
                    write(temporary)
            self._over = not keep

    def remove(self) -> None:
        """The work is over: its folder goes when the last process leaves."""
        self._over = True


@contextmanager
def claim(
    root: Path,
    settings: Mapping[str, Any],
    *,
    shared: bool = False,
    renew: bool = False,
    wait: bool = False,
) -> Iterator[Work]:
    """A folder for the parts of this work, new or to be resumed; it vanishes when nothing was finished.

    ``shared``: processes of the same settings may work there together. ``renew``: finished parts of other
    settings are removed. ``wait`` for a process that may not be joined.

    Raises:
        ConfigError: the folder belongs to other settings or to nobody.
        Busy: another process works in it that may not be joined.
    """
    worker = _join(root, settings, shared=shared, renew=renew, wait=wait)
    work = Work(root, shared=shared)
    try:
        yield work
    finally:
        with alone(root):
            Path(worker.lock_file).unlink(missing_ok=True)
            worker.release()
            if root.is_dir() and not _workers(root) and (work._over or not _finished(root)):
                _remove_claimed(root)


def _join(root: Path, settings: Mapping[str, Any], *, shared: bool, renew: bool, wait: bool) -> FileLock:
    """The lock by which others see that this process works in a folder, of what is its own in there.

    The first to come removes what does not count.
    """
    while True:
        with alone(root):
            root.mkdir(parents=True, exist_ok=True)
            others = _workers(root)
            busy = [path for path in others if not (shared and path.name.startswith(SHARED))]
            if not busy:
                if not others:
                    _clear(root)
                _check_record(root, settings, renew=renew and not others)
                kind = SHARED if shared else ALONE
                worker = FileLock(root / f"{kind}{os.getpid()}-{secrets.token_hex(4)}.lock")
                worker.acquire()
                return worker
        with suppress(FileNotFoundError), _locked(busy[0], wait):  # it may go with its folder
            pass


def _workers(root: Path) -> list[Path]:
    """Locks of the processes that work in a folder; those of dead ones are removed."""
    held = []
    for path in root.glob(".*.lock"):
        if path.name.startswith((SHARED, ALONE)):
            try:
                with _locked(path, wait=False):
                    pass
            except Busy:
                held.append(path)
    return held


def is_of(root: Path, settings: Mapping[str, Any]) -> bool:
    """Whether a folder is unfinished work of these settings."""
    return is_claimed(root) and _text(settings) == (root / RECORD).read_text(encoding="utf-8")


def tidy(out: Path, root: Path) -> None:
    """Remove what a run that was killed after it had written ``out`` left beside it and in ``root``."""
    sweep(out)
    if is_claimed(root) or (root.is_dir() and not any(root.iterdir())):
        with suppress(Busy), alone(root, wait=False):
            if not _workers(root):
                _remove_claimed(root)


def _remove_claimed(root: Path) -> None:
    """Delete a folder of parts; killed on the way, it is still known as such."""
    empty(root, RECORD)
    remove(root)


def is_claimed(root: Path) -> bool:
    """Whether a folder is unfinished work."""
    return (root / RECORD).is_file()


def _clear(root: Path) -> None:
    """Remove what does not count as finished, and the record of work of which nothing is."""
    for path in root.iterdir():
        if path.name.startswith(DOES_NOT_COUNT):
            remove(path)
    if not _finished(root):
        remove(root / RECORD)


def _check_record(root: Path, settings: Mapping[str, Any], *, renew: bool) -> None:
    record, text = root / RECORD, _text(settings)
    if not record.exists() and _finished(root):
        raise ConfigError(f"{root} holds {_finished(root)[0]}, which is no unfinished work; {CHOOSE}")
    if record.exists() and record.read_text(encoding="utf-8") != text:
        if not renew:
            raise ConfigError(f"{root} holds parts of other settings; {CHOOSE}")
        empty(root, RECORD)
        remove(record)
    if not record.exists():
        with atomic(record) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _finished(root: Path) -> list[str]:
    names = [path.name for path in root.iterdir()]
    return sorted(name for name in names if name != RECORD and not name.startswith(DOES_NOT_COUNT))


def _text(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)


@contextmanager
def _locked(path: Path, wait: bool) -> Iterator[None]:
    """Hold a lock file, which goes with the lock: who waits for it sees that and makes it anew."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        if not wait:
            raise Busy(f"another gensample works at {path}; wait for it or choose another --out") from None
        log.warning("waiting for another gensample that works at %s", path)
        lock.acquire()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()


def _lock_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp{path.suffix}")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _move(temporary: Path, path: Path, replace: bool) -> None:
    """Rename; unless ``replace``, a file that another program has made meanwhile stays."""
    if replace:
        temporary.replace(path)
        return
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise ConfigError(f"{path} has appeared meanwhile; {CHOOSE}") from None
    except OSError as error:  # a file system without hard links
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        temporary.rename(_checked(path, (), replace))
