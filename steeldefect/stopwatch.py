"""Measure the seconds of a task's stages, added up over threads."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Stopwatch that adds up seconds by name; it is safe for threads."""

    def __init__(self) -> None:
        """Start the stopwatch; no name has any seconds yet."""
        self._began = time.perf_counter()
        self._lock = threading.Lock()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add the seconds that the block takes, even if it ends with an error."""
        began = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - began
            with self._lock:
                self._seconds[name] += took

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds so far, by name; they are summed over threads, so they may exceed `elapsed`."""
        with self._lock:
            return dict(self._seconds)

    @property
    def elapsed(self) -> float:
        """Seconds since the stopwatch was created."""
        return time.perf_counter() - self._began
