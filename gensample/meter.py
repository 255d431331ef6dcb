"""What work costs."""

from __future__ import annotations

import resource
import threading


class Meter:
    """Core-seconds of this process and of those that it has waited for."""

    def __init__(self) -> None:
        self._lock, self._before = threading.Lock(), self._used()

    @staticmethod
    def _used() -> float:
        usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(each.ru_utime + each.ru_stime for each in usage)

    def lap(self) -> float:
        """What was used since the last call: laps add up to everything, whatever runs side by side."""
        with self._lock:
            before, self._before = self._before, self._used()
            return self._before - before
