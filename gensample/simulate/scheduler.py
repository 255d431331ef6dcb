"""Runs jobs side by side, each after the one it needs, and shows how far they are; none is done again."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from gensample.errors import GensampleError
from gensample.simulate.cluster import Cluster
from gensample.work import Work

# Seconds between the lines of a log, and over which the bar estimates the speed.
LINE_EVERY = 30.0
SPEED_PERIOD = 3600.0


@dataclass(frozen=True)
class Job:
    """A unit of work: its folder's name, the job it waits for, and how it fills a scratch folder.

    inputs: writes the files that its program reads into a folder beside those of other jobs, and returns the
    program's script; None where that is known only when earlier jobs are done.
    """

    name: str
    after: str | None
    cost: float
    work: Callable[[Path], None]
    inputs: Callable[[Path], str] | None = None


def run_jobs(
    jobs: Sequence[Job],
    work: Work | None,
    processes: int,
    stop: Callable[[], None],
    title: str = "simulated",
    unit: str = "tau",
    cluster: Cluster | None = None,
) -> None:
    """Run all jobs that are not done, ``processes`` at a time, in the order given where possible.

    An error in a job stops the start of new ones, waits for those that run, and is raised; an interrupt
    calls ``stop``, which must make running jobs end.

    ``work``: its parts are what the jobs make; None for jobs that keep what they find themselves.
    ``cluster``: makes the parts of these names instead, as many at a time as it has workers; what runs there
    is not waited for after an error.

    Raises:
        GensampleError: a job failed; says which, and that the rest is kept.
    """
    finished = {job.name for job in jobs if work is not None and work.has(job.name)}
    waiting = [job for job in jobs if job.name not in finished]
    total, left = sum(job.cost for job in jobs), sum(job.cost for job in waiting)
    reporter = Reporter(title, unit, total, total - left, len(jobs), len(finished))
    with reporter, _place(work, processes, cluster) as place:
        running: dict[Future[None], Job] = {}
        try:
            while waiting or running:
                ready = [job for job in waiting if job.after is None or job.after in finished]
                for job in ready[: place.width - len(running)]:
                    waiting.remove(job)
                    running[place.submit(job)] = job
                for job in _next_finished(running, reporter):
                    finished.add(job.name)
                    reporter.advance(job.cost)
        except KeyboardInterrupt:
            stop()
            reporter.say("stopped; finished jobs are kept, the same command resumes")
            raise


class Place(NamedTuple):
    """Where jobs run, so many at a time."""

    submit: Callable[[Job], Future[None]]
    width: int


@contextmanager
def _place(work: Work | None, processes: int, cluster: Cluster | None) -> Iterator[Place]:
    """The one place where it is decided: threads of this process, which wait for programs, or a cluster."""
    if cluster is not None:
        yield Place(lambda job: cluster.submit(job.name), sys.maxsize)
        return
    with ThreadPoolExecutor(processes) as pool:
        yield Place(lambda job: pool.submit(_run, job, work), processes)


def _run(job: Job, work: Work | None) -> None:
    if work is None:
        job.work(Path())
    else:
        work.make(job.name, job.work)


def _next_finished(running: dict[Future[None], Job], reporter: Reporter) -> list[Job]:
    """Wait until a job ends; the failure of one is raised when all that run have ended."""
    assert running, "every job that waits must wait for a job that is done or runs"
    complete, _ = wait(running, return_when=FIRST_COMPLETED)
    failed = next((future for future in complete if future.exception()), None)
    if failed is None:
        return [running.pop(future) for future in complete]
    job, others = running[failed], [future for future in running if not (future.done() or future.cancel())]
    if others:
        reporter.say(f"{job.name} failed; waiting for {len(others)} more that run (Ctrl-C stops them)")
    wait(others)
    error = failed.exception()
    if isinstance(error, (GensampleError, OSError)):
        raise GensampleError(f"{job.name}: {error}; finished jobs are kept, the same command resumes")
    assert error is not None
    raise error


class Reporter:
    """Shows how much of the total cost is done; costs carry the unit named."""

    def __init__(self, title: str, unit: str, total: float, done: float, jobs: int, jobs_done: int) -> None:
        self.title, self.unit, self.total, self.jobs = title, unit, total, jobs
        self._start_cost, self._cost, self._jobs_done = done, done, jobs_done
        self._started = self._last_line = time.monotonic()
        console = Console(stderr=True)
        self._bar = _bar(console) if console.is_terminal else None

    def __enter__(self) -> Reporter:
        if self._bar is None:
            self._line()
        else:
            self._bar.start()
            self._task = self._bar.add_task(self.title, total=self.total, jobs=self._count())
            self._bar.update(self._task, completed=self._cost)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._cost > self._start_cost:
            self._line()

    def advance(self, cost: float) -> None:
        """One more job, of that cost, is done."""
        self._cost += cost
        self._jobs_done += 1
        if self._bar is not None:
            self._bar.update(self._task, completed=self._cost, jobs=self._count())
        elif time.monotonic() - self._last_line > LINE_EVERY and self._jobs_done < self.jobs:
            self._line()

    def say(self, message: str) -> None:
        """A line between the others."""
        (self._bar.console.print if self._bar else _print_error)(message)

    def _line(self) -> None:
        self._last_line = time.monotonic()
        percent = 100.0 * self._cost / self.total if self.total else 100.0
        amounts = f"{self._cost:.6g} of {self.total:.6g} {self.unit}"
        _print_error(f"{self.title}: {percent:.1f} % ({amounts}), jobs {self._count()}{self._remaining()}")

    def _remaining(self) -> str:
        gained, elapsed = self._cost - self._start_cost, time.monotonic() - self._started
        if gained <= 0 or self._cost >= self.total:
            return ""
        return f", about {_duration(elapsed * (self.total - self._cost) / gained)} left"

    def _count(self) -> str:
        return f"{self._jobs_done}/{self.jobs}"


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:5.1f} %, jobs {task.fields[jobs]}"),
        TimeRemainingColumn(),
        console=console,
        speed_estimate_period=SPEED_PERIOD,
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _print_error(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
