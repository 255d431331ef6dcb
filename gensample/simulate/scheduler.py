"""Runs jobs side by side, each after the one it needs; what is done is never done again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from gensample.errors import GensampleError
from gensample.simulate.progress import Reporter
from gensample.work import Work


@dataclass(frozen=True)
class Job:
    """A unit of work: its folder's name, the job it waits for, and how it fills a scratch folder."""

    name: str
    after: str | None
    cost: float
    work: Callable[[Path], None]


def run_jobs(
    jobs: Sequence[Job],
    work: Work | None,
    processes: int,
    stop: Callable[[], None],
    title: str = "simulated",
    unit: str = "tau",
) -> None:
    """Run all jobs that are not done, ``processes`` at a time, in the order given where possible.

    An error in a job stops the start of new ones, waits for those that run, and is raised; an interrupt
    calls ``stop``, which must make running jobs end.

    ``work``: its parts are what the jobs make; None for jobs that keep what they find themselves.

    Raises:
        GensampleError: a job failed; says which, and that the rest is kept.
    """
    finished = {job.name for job in jobs if work is not None and work.has(job.name)}
    waiting = [job for job in jobs if job.name not in finished]
    total, left = sum(job.cost for job in jobs), sum(job.cost for job in waiting)
    reporter = Reporter(title, unit, total, total - left, len(jobs), len(finished))
    with reporter, ThreadPoolExecutor(processes) as pool:
        running: dict[Future[None], Job] = {}
        try:
            while waiting or running:
                for job in _startable(waiting, finished, processes - len(running)):
                    waiting.remove(job)
                    running[pool.submit(_run, job, work)] = job
                for job in _next_finished(running, reporter):
                    finished.add(job.name)
                    reporter.advance(job.cost)
        except KeyboardInterrupt:
            stop()
            reporter.say("stopped; finished jobs are kept, the same command resumes")
            raise


def _run(job: Job, work: Work | None) -> None:
    if work is None:
        job.work(Path())
    else:
        work.make(job.name, job.work)


def _startable(waiting: Sequence[Job], finished: set[str], slots: int) -> list[Job]:
    ready = [job for job in waiting if job.after is None or job.after in finished]
    return ready[:slots]


def _next_finished(running: dict[Future[None], Job], reporter: Reporter) -> list[Job]:
    """Wait until a job ends; the failure of one is raised when all that run have ended."""
    assert running, "every job that waits must wait for a job that is done or runs"
    complete, _ = wait(running, return_when=FIRST_COMPLETED)
    failed = next((future for future in complete if future.exception()), None)
    if failed is None:
        return [running.pop(future) for future in complete]
    job, others = running[failed], len(running) - len(complete)
    if others:
        reporter.say(f"{job.name} failed; waiting for {others} more that run (Ctrl-C stops them)")
    wait(running)
    error = failed.exception()
    if isinstance(error, (GensampleError, OSError)):
        raise GensampleError(f"{job.name}: {error}; finished jobs are kept, the same command resumes")
    assert error is not None
    raise error
