"""Where a task's time goes: seconds by stage, added up over threads."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up seconds by name; any thread may measure."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._began = time.perf_counter()
        self._lock = threading.Lock()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add the time that the block takes, however it ends."""
        began = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - began
            with self._lock:
                self._seconds[name] += took

    @property
    def seconds(self) -> dict[str, float]:
        """What was measured so far; of several threads the sum, which may exceed the clock's."""
        with self._lock:
            return dict(self._seconds)

    @property
    def elapsed(self) -> float:
        """Seconds since the stopwatch was made."""
        return time.perf_counter() - self._began
