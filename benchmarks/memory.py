"""Peak memory of a piece of work within a process (Linux)."""

from collections.abc import Callable
from pathlib import Path


def peak_gb(work: Callable[[], object]) -> float:
    """Largest resident memory of this process during ``work`` beyond what it held before, in GB."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew from what is held now
    before = _status("VmRSS")
    work()
    return (_status("VmHWM") - before) / 2**20


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith(name)).split()[1])
