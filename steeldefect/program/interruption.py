"""Turns the signals that end a program into one `KeyboardInterrupt`, so that it ends tidily.

SIGTERM comes from schedulers, SIGINT from Ctrl-C, SIGHUP from a terminal that was closed. One that
is ignored when the program starts (`nohup`, `command &`) stays ignored.

The first signal interrupts. Another one within two seconds belongs to the same request: a signal to
a process group reaches this process, and again through Spark's JVM. A later one ends the process at
once; what it leaves is what a killed process leaves, and the next start completes that.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from steeldefect.exit_codes import ExitCode

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_SAME_REQUEST_SECONDS = 2.0
_AGAIN_SECONDS = 0.05
_AT_ONCE = b"interrupted again: ends at once; the next start completes what was decided\n"


class _State:
    """When this process was asked to end (None: it was not), and how many blocks postpone that."""

    asked: float | None = None
    postponed = 0


@contextmanager
def heard() -> Iterator[None]:
    """Listen to the signals while the block runs; in a thread other than the main one, do not.

    After an interruption this goes on to the end of the process: the rest of one request may
    still come.

    Raises:
        KeyboardInterrupt: somebody asked this process to end.
    """
    _State.asked, _State.postponed = None, 0
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        if not requested():
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def postponed() -> Iterator[None]:
    """Let a short block that belongs together end first, where a signal comes within it.

    Raises:
        KeyboardInterrupt: after the block, because a signal came within it.
    """
    before = _State.asked
    _State.postponed += 1
    try:
        yield
    finally:
        _State.postponed -= 1
    if before is None and _State.asked is not None:
        raise KeyboardInterrupt


def requested() -> bool:
    """Tell whether a signal has asked this process to end."""
    return _State.asked is not None


def listened_to() -> tuple[signal.Signals, ...]:
    """List the signals that interrupt this process tidily."""
    return tuple(number for number in SIGNALS if signal.getsignal(number) is _interrupt)


def interrupt_again() -> None:
    """Repeat an interruption whose `KeyboardInterrupt` was lost in code that cannot raise."""
    _State.asked = None
    timer = threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    timer.start()


def _interrupt(number: int, frame: FrameType | None) -> None:
    del frame
    now = time.monotonic()
    if _State.asked is None:
        _State.asked = now
        if not _State.postponed:
            raise KeyboardInterrupt(signal.Signals(number).name)
        return
    if now - _State.asked > _SAME_REQUEST_SECONDS:
        if sys.stderr is not None:
            _write(_AT_ONCE)
        os._exit(ExitCode.INTERRUPTED)


def _write(line: bytes) -> None:
    try:
        os.write(2, line)
    except OSError:  # the terminal has gone
        return
