"""Progress of a set of jobs: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

# Seconds between the lines of a log, and over which the bar estimates the speed.
LINE_EVERY = 30.0
SPEED_PERIOD = 3600.0


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
