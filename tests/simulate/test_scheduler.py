import threading
import time

import pytest

from gensample.errors import GensampleError
from gensample.simulate.scheduler import Job, run_jobs


class Record:
    """Work that notes when its parts start and end; ``after`` of each that waits for another."""

    def __init__(self, fail=(), slow=()):
        self.started, self.ended, self.fail, self.slow = [], [], set(fail), set(slow)
        self.together = self.most = 0
        self.lock = threading.Lock()

    def has(self, name):
        return name in self.done_before

    def make(self, name, fill):
        with self.lock:
            after = self.after[name]
            assert after is None or after in self.ended or after in self.done_before
            self.started.append(name)
            self.together += 1
            self.most = max(self.most, self.together)
        time.sleep(0.05 if name in self.slow else 0.005)
        with self.lock:
            self.together -= 1
        if name in self.fail:
            raise GensampleError("out of luck")
        with self.lock:
            self.ended.append(name)

    done_before = frozenset()


def chain(*names):
    befores = [None, *names[:-1]]
    return [Job(name, before, 1.0, lambda folder: None) for name, before in zip(names, befores, strict=True)]


def run(jobs, record, processes=2, done=(), stop=lambda: None):
    record.done_before = frozenset(done)
    record.after = {job.name: job.after for job in jobs}
    run_jobs(jobs, record, processes, stop)


def test_each_job_runs_once_after_the_one_it_needs():
    record = Record()
    run(chain("a", "b", "c") + chain("x", "y", "z"), record)
    assert sorted(record.ended) == ["a", "b", "c", "x", "y", "z"]
    assert record.ended.index("a") < record.ended.index("b") < record.ended.index("c")


def test_runs_side_by_side_but_not_more_than_asked():
    record = Record()
    jobs = [Job(str(k), None, 1.0, lambda folder: None) for k in range(12)]
    run(jobs, record, processes=3)
    assert record.most == 3
    record = Record()
    run(jobs, record, processes=1)
    assert record.most == 1
    assert record.started == [str(k) for k in range(12)]


def test_earlier_jobs_go_first():
    record = Record()
    run(chain("a", "b", "c") + chain("x", "y", "z"), record, processes=1)
    assert record.started == ["a", "b", "c", "x", "y", "z"]


def test_what_is_done_is_not_done_again():
    record = Record()
    run(chain("a", "b", "c"), record, done={"a", "b"})
    assert record.started == ["c"]
    record = Record()
    run(chain("a", "b", "c"), record, done={"a", "b", "c"})
    assert record.started == []


def test_an_error_stops_new_jobs_and_lets_running_ones_finish():
    record = Record(fail={"a"}, slow={"x"})
    with pytest.raises(GensampleError, match="a: out of luck; finished jobs are kept") as error:
        run(chain("a", "b") + chain("x", "y"), record)
    assert "\n" not in str(error.value)
    assert record.ended == ["x"]
    assert "y" not in record.started


def test_a_bug_in_a_job_keeps_its_own_exception():
    def broken(folder):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_jobs([Job("a", None, 1.0, broken)], None, 1, lambda: None)


def test_an_interrupt_stops_what_runs(monkeypatch):
    stopped = threading.Event()

    def interrupted(running, reporter):
        raise KeyboardInterrupt

    def until_stopped(folder):
        assert stopped.wait(10)

    monkeypatch.setattr("gensample.simulate.scheduler._next_finished", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_jobs([Job(name, None, 1.0, until_stopped) for name in "ab"], None, 2, stopped.set)
    assert stopped.is_set()
