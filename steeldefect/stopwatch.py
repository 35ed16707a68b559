"""Measure the seconds of a task's stages, added up over threads."""

from __future__ import annotations

import threading
import time
from collections import defaultdict


class Stopwatch:
    """Stopwatch that adds up seconds by name; it is safe for threads."""

    def __init__(self) -> None:
        """Start the stopwatch; no name has any seconds yet."""
        self._began = time.perf_counter()
        self._lock = threading.Lock()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def measure(self, name: str) -> Measured:
        """Return a context that adds the seconds of its block, even if it ends with an error."""
        return Measured(self, name)

    def add(self, name: str, seconds: float) -> None:
        """Add seconds to a name."""
        with self._lock:
            self._seconds[name] += seconds

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds so far, by name; they are summed over threads, so they may exceed `elapsed`."""
        with self._lock:
            return dict(self._seconds)

    @property
    def elapsed(self) -> float:
        """Seconds since the stopwatch was created."""
        return time.perf_counter() - self._began


class Measured:
    """One block whose seconds are added up; see `Stopwatch.measure`.

    A task measures a dozen blocks for each picture. A class costs a fraction of a generator.
    """

    __slots__ = ("_began", "_name", "_stopwatch")

    def __init__(self, stopwatch: Stopwatch, name: str) -> None:
        """Set the stopwatch and the name."""
        self._stopwatch = stopwatch
        self._name = name
        self._began = 0.0

    def __enter__(self) -> None:
        """Begin the block."""
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        """End the block."""
        self._stopwatch.add(self._name, time.perf_counter() - self._began)
