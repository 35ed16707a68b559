"""Stop a running statement of DuckDB when a signal asks the program to end.

Python runs signal handlers in the main thread, between two Python instructions. While the main
thread waits for DuckDB it executes none, and DuckDB checks for signals only now and then. So
another thread waits for the byte that Python writes when a signal arrives, and interrupts DuckDB.
The signal handler runs right after.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

_ENDING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
_NOBODY = -1  # what `set_wakeup_fd` returns if no file was set


@contextmanager
def interruptible(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let signals interrupt the statements of a connection while the block runs.

    This does nothing in a thread other than the main one, because Python handles signals in the
    main thread. It also does nothing if the program waits for that byte itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    if before != _NOBODY:
        signal.set_wakeup_fd(before)
        os.close(writing)
        os.close(reading)
        yield
        return
    watcher = threading.Thread(target=_watch, args=(reading, connection), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(_NOBODY)
        os.close(writing)  # ends the watcher
        watcher.join()
        os.close(reading)


def _watch(reading: int, connection: duckdb.DuckDBPyConnection) -> None:
    while numbers := os.read(reading, 64):
        if _ENDING.intersection(numbers):
            connection.interrupt()
