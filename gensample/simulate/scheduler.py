"""Runs jobs side by side, each after the one it needs; what is done is never done again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from gensample.simulate.jobs import Job


def run_jobs(
    jobs: Sequence[Job], run: Callable[[Job], None], is_done: Callable[[Job], bool], processes: int
) -> None:
    """Run all jobs that are not done, ``processes`` at a time, in the order given where possible.

    An error in a job stops the start of new ones, waits for those that run, and is raised.
    """
    finished = {job.name for job in jobs if is_done(job)}
    waiting = [job for job in jobs if job.name not in finished]
    with _progress() as progress, ThreadPoolExecutor(processes) as pool:
        total = sum(job.cost for job in jobs)
        task = progress.add_task("simulated time", total=total, jobs=f"{len(finished)}/{len(jobs)}")
        progress.advance(task, total - sum(job.cost for job in waiting))
        running: dict[Future[None], Job] = {}
        while waiting or running:
            for job in _startable(waiting, finished, processes - len(running)):
                waiting.remove(job)
                running[pool.submit(run, job)] = job
            complete, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in complete:
                job = running.pop(future)
                future.result()
                finished.add(job.name)
                progress.update(task, advance=job.cost, jobs=f"{len(finished)}/{len(jobs)}")


def _startable(waiting: Sequence[Job], finished: set[str], slots: int) -> list[Job]:
    ready = [job for job in waiting if job.after is None or job.after in finished]
    return ready[:slots]


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:5.1f} % of tau, jobs {task.fields[jobs]}"),
        TimeRemainingColumn(),
    )
