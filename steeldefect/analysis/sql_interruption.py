"""Stops a statement of DuckDB when a signal asks the program to end.

Python's signal handlers run in the main thread, between two of its instructions. While DuckDB is at
work for the main thread there are none, and DuckDB looks for signals only now and then. So a thread
waits for the byte that Python writes when a signal arrives, and interrupts DuckDB; the handler runs
right after.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

_ENDING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
_NOBODY = -1  # what `set_wakeup_fd` gives where nothing was set


@contextmanager
def interruptible(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let signals interrupt the statements of a connection while the block runs.

    Only the main thread hears signals; in any other this does nothing, nor where the program
    waits for that byte itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard, told = os.pipe()
    os.set_blocking(told, False)
    before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    if before != _NOBODY:
        signal.set_wakeup_fd(before)
        os.close(told)
        os.close(heard)
        yield
        return
    watcher = threading.Thread(target=_watch, args=(heard, connection), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(_NOBODY)
        os.close(told)  # ends the watcher
        watcher.join()
        os.close(heard)


def _watch(heard: int, connection: duckdb.DuckDBPyConnection) -> None:
    while numbers := os.read(heard, 64):
        if _ENDING.intersection(numbers):
            connection.interrupt()
