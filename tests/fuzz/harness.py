"""One fuzz case: a command in a forked process, what it used and what it left, judged.

A case is a pure function of its kind and number. The parent imports everything heavy once and computes
nothing itself, so that a fork is cheap and safe; a child builds its files in an empty folder, runs the
command as a shell would and reports. Time is that of the processor: machines are shared.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

MARKER, SECRET = "MARKER", "a line that nobody should see"
RAN = "ERROR: it was run"
SECONDS, MEGABYTES = 10, 1024
ADDRESS_SPACE = 6 << 30  # beyond what the parent has: a bomb ends here, not in the machine's memory
MESSAGE_LENGTH = 2000


@dataclasses.dataclass
class Case:
    """A command line and what must come of it.

    ``expect``: "refuse" for rc 2, "accept" for rc 0, "any" for both. ``out``: what rc 0 owes.
    ``verify``: called where rc is 0, returns what is wrong with the result or None. ``changes``: files that
    rc 0 may change.
    """

    name: str
    words: list[str]
    expect: str = "any"
    out: str | None = None
    verify: Callable[[], str | None] | None = None
    changes: tuple[str, ...] = ()


@dataclasses.dataclass
class Outcome:
    """What a case did; ``problems`` is empty where all is well."""

    name: str = "?"
    words: list[str] = dataclasses.field(default_factory=list)
    code: int | None = None
    message: str = ""
    problems: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    megabytes: float = 0.0


def apart(prepare: Callable[[], None]) -> None:
    """Run something in a process of its own, which must work."""
    process = os.fork()
    if process == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            prepare()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(process, 0)[1]:
        raise SystemExit("the files to damage could not be made")


def run_case(make: Callable[[int], Case], number: int, folder: Path) -> Outcome:
    """Run case ``number`` of a kind in an empty ``folder``, which is removed afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "work").mkdir(parents=True)
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        _child(make, number, folder)
    status, usage = _wait(process)
    outcome = _read(folder / "outcome.json")
    outcome.seconds = outcome.seconds or usage.ru_utime + usage.ru_stime
    outcome.megabytes = usage.ru_maxrss / 1024
    outcome.problems += _limits(outcome, status)
    shutil.rmtree(folder, ignore_errors=True)
    return outcome


def _wait(process: int):
    """Exit status and usage of a child, which is killed where it takes too long or waits for nothing."""
    handle, used, idle_since = os.pidfd_open(process), 0.0, time.monotonic()
    while not select.select([handle], [], [], 0.5)[0]:
        now, before, used = time.monotonic(), used, _processor_time(process)
        idle_since = now if used > before else idle_since
        if used > 2 * SECONDS or now - idle_since > SECONDS:
            os.kill(process, signal.SIGKILL)
    os.close(handle)
    _, status, usage = os.wait4(process, 0)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)  # what the command started and left running
    return status, usage


def _processor_time(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _limits(outcome: Outcome, status: int) -> list[str]:
    found = []
    if os.WIFSIGNALED(status):
        found.append(f"ended by {signal.Signals(os.WTERMSIG(status)).name} after {outcome.seconds:.1f} s")
    if outcome.seconds > SECONDS:
        found.append(f"took {outcome.seconds:.1f} s")
    if outcome.megabytes > MEGABYTES:
        found.append(f"took {outcome.megabytes:.0f} MB")
    return found


def _read(path: Path) -> Outcome:
    return Outcome(**json.loads(path.read_text())) if path.exists() else Outcome()


def _child(make, number: int, folder: Path) -> None:
    outcome = Outcome()
    report = folder / "outcome.json"
    try:
        os.setsid()
        os.chdir(folder / "work")
        case = make(number)
        outcome.name, outcome.words = case.name, case.words
        report.write_text(json.dumps(dataclasses.asdict(outcome)))
        before = contents(Path())
        out, err = _run(case, folder, outcome)
        outcome.problems += judge(case, outcome.code, out, err, before)
        outcome.message = err.strip().splitlines()[-1][:300] if err.strip() else ""
    except BaseException:
        outcome.problems.append(f"the fuzzer itself failed: {traceback.format_exc()[-600:]}")
    report.write_text(json.dumps(dataclasses.asdict(outcome)))
    os._exit(0)


def _run(case: Case, folder: Path, outcome: Outcome) -> tuple[str, str]:
    """Run the command; its stdout and stderr."""
    from gensample.cli import main

    saved = os.dup(2)
    for number, name in enumerate(("in", "out", "err")):
        path, flags = (os.devnull, os.O_RDONLY) if number == 0 else (folder / name, os.O_WRONLY | os.O_CREAT)
        handle = os.open(path, flags)
        os.dup2(handle, number)
        os.close(handle)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + ADDRESS_SPACE,) * 2)
    began = sum(os.times()[:4])
    try:
        outcome.code = main(case.words)
    finally:
        outcome.seconds = sum(os.times()[:4]) - began
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(saved, 2)
    return tuple((folder / name).read_bytes().decode("utf-8", "replace") for name in ("out", "err"))


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def contents(folder: Path) -> dict[str, str]:
    """Digest of each file below a folder, and the kind of everything else."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            found[str(path)] = hashlib.md5(path.read_bytes()).hexdigest()
        else:
            found[str(path)] = "other"
    return found


def judge(case: Case, code: int | None, out: str, err: str, before: dict[str, str]) -> list[str]:
    """What is wrong with the outcome of a command."""
    if RAN in err:  # a LAMMPS that always fails: all that was due before it was done
        return ["began before it refused"] if case.expect == "refuse" else []
    after = contents(Path())
    found = []
    if code not in (0, 2):
        found.append(f"rc {code}")
    elif {"refuse": 2, "accept": 0}.get(case.expect, code) != code:
        found.append(f"rc {code}, must {case.expect}")
    if code == 2:
        found += _judge_message(err)
    if any((ord(c) < 32 and c not in "\n\t\r") or 127 <= ord(c) < 160 for c in out + err):
        found.append("control characters on the terminal")
    if SECRET in out + err or any(_holds_secret(name) for name in after if name not in before):
        found.append("shows another file")
    if any(Path(name).name == MARKER for name in after):
        found.append("ran foreign code")
    changed = [name for name in before if after.get(name) != before[name]]
    if code != 0:
        found += [f"left {name}" for name in after if name not in before][:3]
        found += [f"changed {name}" for name in changed]
    else:
        found += [f"changed {name}" for name in changed if name not in case.changes]
        if case.out is not None and not Path(case.out).exists():
            found.append("rc 0 without a result")
        wrong = case.verify() if case.verify is not None and not found else None
        found += [wrong] if wrong else []
    return found


def _judge_message(err: str) -> list[str]:
    lines = [line for line in err.splitlines() if line.strip()]
    if "Traceback" in err or not lines or not lines[-1].startswith("gensample: error: "):
        return ["no one-line message"]
    return ["a message without end"] if len(lines[-1]) > MESSAGE_LENGTH else []


def _holds_secret(name: str) -> bool:
    path = Path(name)
    return path.is_file() and SECRET.encode() in path.read_bytes()
