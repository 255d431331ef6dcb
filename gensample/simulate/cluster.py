"""The workers of a dask.distributed cluster as a place for the parts of a work.

A worker is told what makes the parts (`Bench`), which it opens for itself from the files that the command
reads, and the names of parts. It joins the folder of the work as another process of the same command would
(`gensample.work.claim`), and keeps each part there. So what a killed worker has finished stays, what it was
at is begun anew by another, and a command that ended is resumed with or without a cluster.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from gensample import __version__
from gensample.errors import ConfigError, GensampleError, MissingDependencyError
from gensample.plain import read_json
from gensample.ranges import shown
from gensample.registry import PARTS, import_parts
from gensample.work import Work, claim, is_claimed

INSTALL = "pip install 'gensample[cluster]'"
LOCAL = re.compile(r"local:([1-9][0-9]{0,3})")
# Seconds until a scheduler has to answer.
PATIENCE = 20
# Seconds that workers have to stop; some may be gone, or too busy to hear it.
FAREWELL = 10
# Works that a worker keeps open; those of commands that were killed are never closed.
MOST_OPEN = 4


class Bench(Protocol):
    """What makes the parts of a work."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Whatever decides their bits."""

    def make(self, part: str, work: Work) -> None:
        """Make a part of this name and keep it, by `Work.once`: others may be at it."""

    def stop(self) -> None:
        """End what is being made."""


@dataclass(frozen=True)
class Order:
    """What a worker is told of the work of a command.

    token: of this run of the command; version: of gensample; folder: where the command runs; root: of the
    parts; modules: with parts of the user's own; bench: opens what makes the parts, can be pickled.
    """

    token: str
    version: str
    folder: Path
    root: Path
    modules: str
    bench: Callable[[], Bench]


class Elsewhere(NamedTuple):
    """Where parts are to be made, and by what.

    address: of a scheduler, its scheduler file, or ``local:N`` for N processes on this machine; bench: see
    `Order`.
    """

    address: str
    bench: Callable[[], Bench]


class Cluster:
    """Workers that make parts of one work."""

    def __init__(self, client: Any, order: Order) -> None:
        self._client, self._order = client, order
        self._executor = client.get_executor(pure=False)

    def submit(self, part: str) -> Future[None]:
        """Have a part made by whichever worker is free."""
        key = f"{part}-{self._order.token}"
        future: Future[None] = self._executor.submit(make_part, self._order, part, key=key)
        return future

    def close(self, *, stop: bool) -> None:
        """Let the workers forget the work; ``stop``: what they are at ends, instead of being finished."""
        self._executor.shutdown(wait=False)
        with suppress(Exception):  # of a cluster that is gone nothing is left to be closed
            self._client.run(close_bench, self._order.token, stop, callback_timeout=FAREWELL)


@contextmanager
def connected(where: Elsewhere | None, root: Path) -> Iterator[Cluster | None]:
    """The cluster that is asked for, if one is, for the parts of ``root``.

    Raises:
        MissingDependencyError: dask.distributed is not installed.
        ConfigError: no scheduler answers.
        GensampleError: the scheduler, or the workers at one part, died.
    """
    if where is None:
        yield None
        return
    with _client(where.address) as client:
        from distributed import KilledWorker

        modules, token = os.environ.get(PARTS, ""), secrets.token_hex(4)
        order = Order(token, __version__, Path.cwd(), root, modules, where.bench)
        cluster, done = Cluster(client, order), False
        try:
            yield cluster
            done = True
        except KilledWorker as error:
            raise GensampleError(f"{error}; finished parts are kept, the same command resumes") from error
        except CancelledError as error:
            lost = f"the cluster at {where.address} was lost"
            raise GensampleError(f"{lost}; finished parts are kept, the same command resumes") from error
        except GensampleError:  # of one part: what others are at is finished, and kept
            done = True
            raise
        finally:
            cluster.close(stop=not done)


@contextmanager
def _client(address: str) -> Iterator[Any]:
    try:
        from distributed import LocalCluster
    except ImportError:
        raise MissingDependencyError(f"--cluster needs dask.distributed: {INSTALL}") from None
    if here := LOCAL.fullmatch(address):
        how: dict[str, Any] = {"dashboard_address": None, "silence_logs": logging.ERROR}
        own: Any = LocalCluster(n_workers=int(here[1]), threads_per_worker=1, **how)  # type: ignore[no-untyped-call]
        with own, _connect(own) as client:
            client.run(ignore_interrupts)
            yield client
        return
    try:
        client = _connect(_scheduler(address))
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"--cluster: no scheduler of dask.distributed answers at {shown(address)} ({error}); "
            "give its address, such as tcp://node1:8786, or its scheduler file"
        ) from error
    with client:
        yield client


def _connect(to: Any) -> Any:
    from distributed import Client

    class Connection(Client):
        """Closed at once where nobody answers: collected in the start of another, it would wait for ever."""

        def __init__(self) -> None:
            try:
                super().__init__(to, timeout=PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
            except BaseException:
                self.close()  # type: ignore[no-untyped-call]
                raise

    return Connection()


def _scheduler(address: str) -> str:
    """The address, if it is not the name of a scheduler file."""
    if not Path(address).is_file():
        return address
    found = read_json(address).get("address")
    if not isinstance(found, str):
        raise ConfigError(f"--cluster: {address} is no scheduler file: it has no address")
    return found


# On the workers.

_open: dict[str, Bench] = {}
_closed: set[str] = set()
_opening = threading.Lock()


def make_part(order: Order, part: str) -> None:
    """Make a part, unless another process has; errors say on which machine."""
    try:
        bench = _bench(order)
        with claim(order.root, bench.settings, shared=True) as work:
            bench.make(part, work)
    except (GensampleError, OSError) as error:
        raise GensampleError(f"{error} (on {socket.gethostname()})") from None


def ignore_interrupts() -> None:
    """Ctrl-C in a terminal reaches workers of the command's own too, which tells them itself when to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def close_bench(token: str, stop: bool) -> None:
    """Forget what makes the parts of a work."""
    _closed.add(token)
    bench = _open.pop(token, None)
    if stop and bench is not None:
        bench.stop()


def _bench(order: Order) -> Bench:
    with _opening:
        if order.token in _closed:
            raise GensampleError("the command has ended")
        if order.token not in _open:
            _check(order)
            while len(_open) >= MOST_OPEN:
                _open.pop(next(iter(_open)))
            import_parts(order.modules)
            with chdir(order.folder):
                _open[order.token] = order.bench()
        return _open[order.token]


def _check(order: Order) -> None:
    if order.version != __version__:
        raise ConfigError(
            f"the worker has gensample {__version__}, the command {order.version}; "
            "start the workers in the environment of the command"
        )
    if not (is_claimed(order.root) and order.folder.is_dir()):
        seen = order.folder if is_claimed(order.root) else order.root
        raise ConfigError(
            f"the worker does not see {seen}: workers and command must share the file system of --out and "
            "of the folder in which the command runs"
        )
