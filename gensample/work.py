"""One way to write: whole or not at all, over no input, one process at a time.

While an output NAME is written there are ``.NAME.lock`` and ``.NAME.tmp`` (with NAME's suffix) beside it.
The lock goes with its process, however that ends: who holds it removes what a killed process left. Work that
takes long is kept in a folder of finished parts, with a lock and a record of whose work it is.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from gensample.errors import ConfigError

log = logging.getLogger(__name__)

RECORD, LOCK = "config.json", "lock"
DOES_NOT_COUNT = (".", "scratch-")
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
    lock = _lock_of(path)
    with _locked(lock, fcntl.LOCK_EX, wait):
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


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


class Claim:
    """A folder of finished parts that this process works in, alone or together with others.

    ``scratch-*`` and hidden files do not count as finished.
    """

    def __init__(self, root: Path, lock: IO[str]) -> None:
        self.root, self._lock = root, lock

    def become_last(self) -> None:
        """Wait until no other process works here."""
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Delete the folder."""
        _remove_claimed(self.root)


@contextmanager
def claim(root: Path, settings: Mapping[str, Any], *, shared: bool = False) -> Iterator[Claim]:
    """A folder for the parts of this work, new or to be resumed; it vanishes when nothing was finished.

    ``shared``: processes of the same settings may work there together.

    Raises:
        ConfigError: the folder belongs to other settings or to nobody.
        Busy: another process works in it.
    """
    with _entered(root, settings, shared) as lock:
        try:
            _check_record(root, settings)
            yield Claim(root, lock)
        finally:
            _leave(root, lock)


def is_of(root: Path, settings: Mapping[str, Any]) -> bool:
    """Whether a folder is unfinished work of these settings."""
    return is_claimed(root) and _text(settings) == (root / RECORD).read_text(encoding="utf-8")


def tidy(out: Path, root: Path) -> None:
    """Remove what a run that was killed after it had written ``out`` left beside it and in ``root``."""
    sweep(out)
    if is_claimed(root) or (root.is_dir() and not _names(root) - {LOCK, RECORD}):
        with suppress(Busy), _locked(root / LOCK, fcntl.LOCK_EX, wait=False):
            _remove_claimed(root)


def _remove_claimed(root: Path) -> None:
    """Delete a folder of parts; killed on the way, it is still known as such."""
    empty(root, LOCK, RECORD)
    remove(root)


def is_claimed(root: Path) -> bool:
    """Whether a folder is unfinished work."""
    return (root / RECORD).is_file() and (root / LOCK).is_file()


@contextmanager
def _entered(root: Path, settings: Mapping[str, Any], shared: bool) -> Iterator[IO[str]]:
    """The lock of a folder; the first to come removes what does not count, and says whose work it is."""
    with ExitStack() as stack:
        try:
            lock = stack.enter_context(_locked(root / LOCK, fcntl.LOCK_EX, wait=False))
        except Busy:
            if not shared:
                raise
            # Nobody keeps those who share waiting for long.
            lock = stack.enter_context(_locked(root / LOCK, fcntl.LOCK_SH, wait=True))
        else:
            _clear(root)
            _check_record(root, settings)
            if shared:
                fcntl.flock(lock, fcntl.LOCK_SH)
        yield lock


def _clear(root: Path) -> None:
    """Remove what does not count as finished, and the record of work of which nothing is."""
    for path in root.iterdir():
        if path.name.startswith(DOES_NOT_COUNT):
            remove(path)
    if not _finished(root):
        remove(root / RECORD)


def _check_record(root: Path, settings: Mapping[str, Any]) -> None:
    record, text = root / RECORD, _text(settings)
    if not record.exists():
        if _finished(root):
            raise ConfigError(f"{root} holds {_finished(root)[0]}, which is no unfinished work; {CHOOSE}")
        with atomic(record, replace=True) as temporary:
            temporary.write_text(text, encoding="utf-8")
    if record.read_text(encoding="utf-8") != text:
        raise ConfigError(f"{root} holds parts of other settings; {CHOOSE}")


def _finished(root: Path) -> list[str]:
    return sorted(n for n in _names(root) - {RECORD, LOCK} if not n.startswith(DOES_NOT_COUNT))


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _text(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, sort_keys=True)


def _leave(root: Path, lock: IO[str]) -> None:
    """Remove a folder with nothing in it, unless another process works there."""
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(lock, root / LOCK) and not _names(root) - {LOCK, RECORD}:
            remove(root)


@contextmanager
def _locked(path: Path, kind: int, wait: bool) -> Iterator[IO[str]]:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            opened = path.open("a", encoding="utf-8")
        except FileNotFoundError:  # the folder has just been removed
            continue
        with opened as lock:
            _wait_for(lock, path, kind, wait)
            # Whoever held it before may have removed it: what is locked then is not what others see.
            if _is_at(lock, path):
                yield lock
                return


def _wait_for(lock: IO[str], path: Path, kind: int, wait: bool) -> None:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        if not wait:
            raise Busy(f"another gensample works at {path}; wait for it or choose another --out") from None
        log.warning("waiting for another gensample that works at %s", path)
        fcntl.flock(lock, kind)


def _is_at(lock: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False


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
